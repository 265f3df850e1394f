"""The native step is the reference step: forward, backward, and who fires, for every kind of Spec."""

import itertools
import re

import pytest
import torch
from parity import HEIGHT, WIDTH, a_state, an_automaton, both, furthest, furthest_gradient
from specs import PAGE, SPECS, random_spec

from petri import engine, modelfile, models
from petri.engine import fused, native
from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.fire import fire_words, fires
from petri.nca.life import alive
from petri.nca.padding import PADDINGS
from petri.nca.rule import SHAPES
from petri.nca.senses.words import PERCEPTIONS

available, status = engine.native_status()
pytestmark = pytest.mark.skipif(not available, reason=status)

KINDS = [
    {"perception": perception, "padding": padding, "hidden": hidden, **rule}
    for (perception, hidden), padding, rule in itertools.product(
        zip(PERCEPTIONS, (48, 16, 64, 128), strict=True), PADDINGS, SHAPES.values()
    )
]
ODD = [
    {"channels": 4, "perception": "dilated", "hidden": 16, "layers": 2, "living": True},
    {"channels": 7, "perception": "learned+dilated", "hidden": 48, "gated": True, "living": True},
    {"channels": 12, "perception": "learned", "hidden": 64, "clamp": None, "padding": "wrap", "living": True},
    {"channels": 20, "perception": "sobel", "hidden": 128, "layers": 2, "gated": True},
    {"channels": 64, "perception": "learned+dilated", "hidden": 16, "fire_rate": 1.0},
    {"perception": "sobel", "hidden": 128, "layers": 2, "living": True, "clamp": None, "fire_rate": 0.25},
    {"perception": "dilated", "hidden": 512, "residual": True},
]


def name(kind):
    return "-".join(f"{value}" if isinstance(value, str) else f"{key}{value}" for key, value in kind.items())


# What the native step does not take, and what it says to it.
REFUSED = {
    "attention": "it has no sense of the kind attention",
    "deformable": "it has no sense of the kind deformable",
    "residual": "it has no sense of the kind residual",
    "residual beside conv": "it has no sense of the kind residual",
    "conv9": "it has senses of at most 7×7 cells, got 9×9",
    "learned9": "it has senses of at most 7×7 cells, got 9×9",
}
TAKEN = {spec_name: spec for spec_name, spec in SPECS.items() if spec_name not in REFUSED}
EXACT = TAKEN | {f"page {number}": spec for number, spec in enumerate(PAGE, 1)}
REPORTS = {name(kind): Spec.of(**kind) for kind in KINDS + ODD}


def named(specs):
    return pytest.mark.parametrize("spec", specs.values(), ids=specs)


def some(specs, first, stride):
    return dict(itertools.islice(specs.items(), first, None, stride))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@named(REPORTS | EXACT)
def test_float32_is_the_reference(spec):
    automaton, state = an_automaton(spec), a_state(spec)
    for steps in (1, 4):
        after, *gradients = both(automaton, state, steps)
        expected, *expected_gradients = both(automaton, state, steps, engine="torch")
        assert furthest(after, expected) < 1e-6 * steps
        for got, wanted in zip(gradients, expected_gradients, strict=True):
            assert furthest_gradient(got, wanted) < 1e-5


def test_which_kinds_are_taken_and_what_is_said_to_the_others():
    assert {spec_name: native.obstacle(spec) for spec_name, spec in SPECS.items()} == (
        dict.fromkeys(TAKEN, "") | REFUSED
    )


@named({spec_name: SPECS[spec_name] for spec_name in REFUSED})
def test_what_is_not_taken_is_left_to_pytorch(spec):
    automaton, state = an_automaton(spec), a_state(spec)
    assert torch.equal(automaton.rollout(state, 1), automaton.rollout(state, 1, engine="torch"))
    with pytest.raises(BadRequest, match=f"cannot take this rollout: {native.obstacle(spec)}"):
        automaton.rollout(state, 1, engine="native")


def test_fixed_planes_keep_their_values_and_their_gradient():
    """Whatever fires, dies or is clamped."""
    spec = SPECS["fixed planes"]
    automaton, state = an_automaton(spec), 3 * a_state(spec)
    flow = torch.zeros(state.shape)
    flow[:, spec.channels :] = torch.randn(flow[:, spec.channels :].shape, generator=torch.Generator())
    with torch.no_grad():
        for values in automaton.parameters():
            values.zero_()
    after, gradient, *_ = both(automaton, state, 3, flow=flow)
    assert torch.equal(after[:, spec.channels :], state[:, spec.channels :])
    assert torch.equal(gradient, flow)


@named(TAKEN)
def test_the_bytes_of_a_state(spec):
    plan = native.make_plan(spec, torch.Size((2, spec.planes, 9, 5)), steps=1, start=0, products=0)
    assert native.state_bytes(spec, 2, 9, 5) == 4 * native.native_library().petri_state_floats(plan)


def test_what_is_kept_for_the_way_back(monkeypatch):
    """By the engine that takes a Spec on a device; PyTorch keeps more than states."""
    taken, refused = Spec.of(perception="sobel"), Spec.of(perception="attention")
    cpu, cuda, mps = map(torch.device, ("cpu", "cuda", "mps"))
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda kind: kind == "cuda")
    monkeypatch.setattr(fused, "trouble", lambda spec, device, bfloat16: "" if bfloat16 else "not that")

    def keeps(spec, device, asked="auto"):
        return engine.keeps(spec, 2, 9, 5, device, engine=asked)

    states = native.state_bytes(taken, 2, 9, 5), fused.state_bytes(taken, 2, 9, 5)
    assert keeps(taken, cpu) == keeps(taken, cpu, "native") == (states[0], 0)
    room = fused.room_bytes(taken, 2 * 9 * 5, True)
    assert keeps(taken, cuda) == keeps(taken, cuda, "triton") == (states[1], room) and room
    left = [(taken, mps), (taken, cuda, "native"), (taken, cpu, "triton")]
    for device in (cpu, cuda):
        left += [(refused, device), (taken, device, "torch"), (taken, device, "compiled")]
    assert [keeps(*asked) for asked in left] == [None] * 9
    monkeypatch.setattr(fused, "trouble", lambda *_: "it cannot be compiled")
    assert keeps(taken, cuda) is None


def test_a_dilation_larger_than_the_grid():
    for padding in PADDINGS:
        spec = Spec.of(perception="conv5d16+learned", hidden=16, channels=5, fixed=2, padding=padding)
        automaton, state = an_automaton(spec), a_state(spec)[:, :, :11, :6]
        expected = both(automaton, state, 3, engine="torch")
        for got, wanted in zip(both(automaton, state, 3), expected, strict=True):
            assert furthest_gradient(got, wanted) < 1e-5


@pytest.mark.slow
def test_specs_by_chance():
    """Rounding may let a ReLU or a gate decide otherwise here and there, hence not all to the last digits."""
    off = []
    for number in range(400):
        spec = random_spec(number)
        automaton, state = an_automaton(spec), a_state(spec)[:, :, ::2, ::3]
        assert native.obstacle(spec) == ""
        got, wanted = both(automaton, state, 2), both(automaton, state, 2, engine="torch")
        if any(furthest_gradient(a, b) > 1e-5 for a, b in zip(got, wanted, strict=True)):
            off.append(number)
        for a, b in zip(got, wanted, strict=True):
            assert torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999 or a.equal(b), spec
    assert len(off) <= 4, off


@named(some(REPORTS, 0, 3) | TAKEN)
def test_bfloat16_is_near_the_reference(spec):
    automaton = an_automaton(spec)
    if spec.rule.gated:
        # Who fires hangs on rounding; a gate that is sure of itself does not.
        with torch.no_grad():
            automaton.rule.weights[-1][-1] = 0.0
            automaton.rule.biases[-1][-1] = 0.3
    # The flow of a loss: where gradients point every which way and cancel, what is left is rounding.
    state = a_state(spec, batch=16)
    flow = 0.5 - state.clamp(-1, 1)
    after, *gradients = both(automaton, state, 1, flow=flow, precision="bfloat16")
    expected, *expected_gradients = both(automaton, state, 1, flow=flow, engine="torch")
    assert furthest(after, expected) < 1e-2
    for got, wanted in zip(gradients, expected_gradients, strict=True):
        assert torch.cosine_similarity(got.flatten(), wanted.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@named(some(REPORTS, 0, 7) | TAKEN)
def test_threads_change_no_bit(spec, precision, two_threads):
    automaton, state = an_automaton(spec), a_state(spec)
    many = both(automaton, state, 5, precision=precision)
    again = both(automaton, state, 5, precision=precision)
    torch.set_num_threads(1)
    one = both(automaton, state, 5, precision=precision)
    assert all(torch.equal(a, b) for a, b in zip(many, one, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(many, again, strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@named(some(REPORTS, 4, 9) | TAKEN)
def test_a_rollout_can_be_taken_in_parts(spec, precision):
    automaton, state = an_automaton(spec), a_state(spec)
    with torch.no_grad():
        options = {"seed": 4, "engine": "native", "precision": precision}
        whole = automaton.rollout(state, 100, **options)
        half = automaton.rollout(state, 50, **options)
        assert torch.equal(automaton.rollout(half, 50, start=50, **options), whole)
        assert torch.equal(automaton.rollout(state[:1], 100, **options), whole[:1])
    # What is kept for the backward pass changes nothing.
    assert torch.equal(automaton.rollout(state, 100, **options), whole)


@pytest.mark.parametrize("rate", [1e-6, 0.25, 0.5, 0.999, 1.0])
def test_the_same_cells_fire(rate):
    automaton = Automaton(Spec.of(fire_rate=rate, clamp=None, perception="sobel", hidden=16, layers=2))
    automaton.rule.biases[-1].data.fill_(1.0)  # a cell that fires grows by one
    state = torch.zeros(3, 16, 37, 101)
    for start in (0, 7, 2**32 - 1, 2**40 + 5):
        after = automaton.rollout(state, 2, seed=2**32 - 3, start=start, engine="native")
        assert torch.equal(after, automaton.rollout(state, 2, seed=2**32 - 3, start=start, engine="torch"))


def test_the_gate_decides_as_the_reference_does():
    spec = Spec.of(gated=True, clamp=None, hidden=64)
    automaton = an_automaton(spec)
    with torch.no_grad():
        automaton.rule.weights[-1][:-1] = 0.0
        automaton.rule.biases[-1][:-1] = 1.0
        automaton.rule.weights[-1][-1] *= 10
    state = a_state(spec, batch=4, height=40, width=60)
    fired = [automaton.rollout(state, 1, engine=engine) - state > 0.5 for engine in ("native", "torch")]
    assert (fired[0] != fired[1]).float().mean() < 1e-4  # but where rounding moved the threshold
    assert 0.2 < fired[0].float().mean() < 0.8


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 1), (5, 3), (16, 16), (33, 9)])
@pytest.mark.parametrize("padding", ["zero", "wrap"])
def test_small_grids(shape, padding):
    spec = Spec.of(perception="learned+dilated", hidden=16, padding=padding, living=True)
    automaton, state = an_automaton(spec), a_state(spec)[:, :, :1, :1].repeat(1, 1, *shape)
    state = state * torch.rand(state.shape, generator=torch.Generator().manual_seed(1))
    expected = both(automaton, state, 3, engine="torch")
    for got, wanted in zip(both(automaton, state, 3), expected, strict=True):
        assert furthest_gradient(got, wanted) < 1e-5


def test_any_layout_of_the_state():
    spec = Spec.of(hidden=32)
    automaton, state = an_automaton(spec), a_state(spec)
    wanted = both(automaton, state, 2)
    for other in (
        state.to(memory_format=torch.channels_last),
        state.transpose(2, 3).contiguous().transpose(2, 3),
        torch.nn.functional.pad(state, [3, 2, 1, 4])[:, :, 1:-4, 3:-2],
    ):
        assert all(torch.equal(a, b) for a, b in zip(both(automaton, other, 2), wanted, strict=True))
    constant = torch.ones(()).expand(2, 16, 17, 23)
    assert torch.equal(
        automaton.rollout(constant, 2, engine="native"),
        automaton.rollout(constant.contiguous(), 2, engine="native"),
    )


def test_a_flow_without_memory_of_its_own():
    spec = Spec.of(hidden=32)
    automaton, state = an_automaton(spec), a_state(spec).requires_grad_()
    automaton.rollout(
        state, 2, seed=9, engine="native"
    ).sum().backward()  # its gradient is one number, expanded
    got = state.grad
    flow = torch.ones(state.shape)
    assert torch.equal(got, both(automaton, state.detach(), 2, flow=flow)[1])


def test_many_samples_share_the_lanes():
    spec = Spec.of(hidden=16, perception="learned", padding="wrap")
    automaton, state = an_automaton(spec), a_state(spec, batch=37, height=9, width=5)
    expected = both(automaton, state, 2, engine="torch")
    for got, wanted in zip(both(automaton, state, 2), expected, strict=True):
        assert furthest_gradient(got, wanted) < 1e-5


@named({name(kind): Spec.of(**kind) for kind in (KINDS[0], KINDS[8], KINDS[33], ODD[2])})
def test_gradients_are_finite_differences_of_the_float64_reference(spec):
    # No gated kind: a gate's gradient is straight-through, not a slope.
    automaton, state = an_automaton(spec), a_state(spec)
    flow = torch.randn(state.shape, generator=torch.Generator().manual_seed(3))
    _, *gradients = both(automaton, state, 2, flow=flow)
    exact = an_automaton(spec, dtype=torch.float64)
    inputs = [state.double(), *exact.parameters()]
    seeds = torch.tensor([9, 9 ^ 0x9E3779B9])

    def loss():
        after = inputs[0]
        with torch.no_grad():
            for step in range(2):
                # `Automaton.step` returns to float32 after the rule; here everything stays float64.
                after = float64_step(exact, after, step, seeds)
            return float((after * flow.double()).sum())

    random = torch.Generator().manual_seed(11)
    for values, gradient in zip(inputs, gradients, strict=True):
        flat = values.detach().view(-1)
        for at in torch.randint(len(flat), (4,), generator=random).tolist():
            was, small = float(flat[at]), 1e-6
            flat[at] = was + small
            above = loss()
            flat[at] = was - small
            slope = (above - loss()) / (2 * small)
            flat[at] = was
            assert abs(float(gradient.flatten()[at]) - slope) < 1e-4 * (1 + abs(slope))


def float64_step(automaton, state, step, seeds):
    """An ungated `Automaton.step` in which nothing is rounded to float32."""
    spec = automaton.spec
    after = state + automaton.rule(automaton.perception(state)) * fires(
        fire_words(seeds, step, *state.shape[-2:]), spec.fire_rate
    )
    if spec.clamp is not None:
        after = after.clamp(-spec.clamp, spec.clamp)
    if spec.living:
        after = after * (alive(state, padding=spec.space.padding) & alive(after, padding=spec.space.padding))
    return after


def test_only_what_needs_a_gradient():
    automaton = an_automaton(Spec.of(hidden=16)).requires_grad_(False)
    state = a_state(automaton.spec)
    assert not automaton.rollout(state, 2, engine="native").requires_grad
    automaton.rule.biases[0].requires_grad_()
    automaton.rollout(state, 2, engine="native").square().sum().backward()
    assert automaton.rule.biases[0].grad.abs().sum() > 0
    assert automaton.rule.weights[0].grad is None


def test_a_rollout_and_what_follows_it():
    """As in training: 8 steps, then 4 more whose loss flows back through both."""
    spec = Spec.of(hidden=16)
    results = []
    for engine_name in ("native", "torch"):
        automaton, state = an_automaton(spec), a_state(spec).requires_grad_()
        middle = automaton.rollout(state, 8, seed=1, engine=engine_name)
        end = automaton.rollout(middle, 4, seed=1, start=8, engine=engine_name)
        (middle.square().mean() + end.abs().mean()).backward()
        results.append([state.grad, *(values.grad for values in automaton.parameters())])
    for got, wanted in zip(*results, strict=True):
        assert torch.cosine_similarity(got.flatten(), wanted.flatten(), dim=0) > 0.9999


def test_weights_changed_between_forward_and_backward_are_noticed():
    automaton = an_automaton(Spec.of(hidden=16))
    after = automaton.rollout(a_state(automaton.spec), 2, engine="native")
    with torch.no_grad():
        automaton.rule.weights[0].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        after.sum().backward()


def test_auto_takes_the_native_step_where_it_can(monkeypatch):
    automaton, state = an_automaton(Spec.of(hidden=16)), a_state(Spec.of())
    native_result = automaton.rollout(state, 1, engine="native")
    assert torch.equal(automaton.rollout(state, 1), native_result)
    assert automaton.rollout(state, 0, engine="native") is state
    assert automaton.rollout(state[:0], 2).shape == (0, 16, HEIGHT, WIDTH)
    double = an_automaton(Spec.of(hidden=16), dtype=torch.float64)
    with pytest.raises(BadRequest, match="takes float32 on the CPU, got float64 on cpu"):
        double.rollout(state, 1, engine="native")
    monkeypatch.setattr(engine, "native_status", lambda: (False, "no C++ compiler found"))
    assert torch.equal(automaton.rollout(state, 1), automaton.rollout(state, 1, engine="torch"))
    with pytest.raises(BadRequest, match=re.escape("cannot take this rollout: no C++ compiler found")):
        automaton.rollout(state, 1, engine="native")


# A texture is another one by every rounding: it has no picture that it is to become.
GROWN = [name for name in models.names() if modelfile.read(models.find(name)).task == "grow"]
LARGE = ("circle", "spiral")  # of 256²: half a minute each, most of it PyTorch's
PICTURES = [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in GROWN]


@pytest.mark.parametrize("name", PICTURES)
def test_a_trained_model_grows_the_same_picture(name):
    """200 steps, in which every rounding may decide otherwise: the picture stays."""
    model = modelfile.read(models.find(name))
    automaton = model.automaton
    start = automaton.seed_state(model.res)
    with torch.no_grad():
        expected = automaton.rollout(start, 200, engine="torch")[:, :3]
        for precision in ("float32", "bfloat16"):
            got = automaton.rollout(start, 200, engine="native", precision=precision)[:, :3]
            assert (got - expected).abs().mean() < 0.01


@pytest.mark.slow
@pytest.mark.skipif(not engine.native_status()[0], reason="torch.compile needs a C++ compiler too")
def test_the_compiled_step_is_the_reference(random_automaton):
    automaton = random_automaton(Spec.of(perception="learned+dilated", hidden=16, living=True), change=0.3)
    start = torch.rand(2, 16, 17, 23, generator=torch.Generator().manual_seed(0))
    found = {}
    for name in ("torch", "compiled"):
        state = start.clone().requires_grad_()
        after = automaton.rollout(state, 12, seed=3, start=5, engine=name)
        after.square().mean().backward()
        found[name] = after.detach(), state.grad
    for reference, compiled in zip(found["torch"], found["compiled"], strict=True):
        assert torch.allclose(reference, compiled, rtol=1e-4, atol=1e-6)

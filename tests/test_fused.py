"""The fused step for a GPU is the reference step, as far as Triton's interpreter on the CPU can tell."""

import itertools
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from types import SimpleNamespace

import interpreted
import pytest
import torch
from parity import HEIGHT, WIDTH, a_state, an_automaton, furthest_gradient
from replayed import Replayed
from specs import PAGE, SPECS, random_spec

from petri import engine
from petri.engine import fused
from petri.engine.packed import Taps, Widths, pack
from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.padding import PADDINGS

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is for Linux alone")

# What the fused step does not take, and what it says to it.
REFUSED = {
    "attention": "it has no sense of the kind attention",
    "deformable": "it has no sense of the kind deformable",
    "residual": "it has no sense of the kind residual",
    "residual beside conv": "it has no sense of the kind residual",
}
TAKEN = {name: spec for name, spec in SPECS.items() if name not in REFUSED}
WIDE = {
    "many units": Spec.of(perception="sobel", hidden=128, residual=True, gated=True),
    "many planes": Spec.of(perception="conv1+identity", channels=20, fixed=30, hidden=16, layers=2),
}
GATED = Spec.of(perception="laplacian", channels=5, hidden=16, gated=True, living=True)
# Of very many taps.
SLOW = ("conv7d2", "conv9", "learned7", "learned9", "conv beside stencils", "stencils side by side")


@pytest.fixture(scope="module")
def interpreter():
    """Runs functions of tests/interpreted.py; Triton is to be told before it is imported, so it is there."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=interpreted.begin) as pool:
        yield lambda function, *given, **named: pool.submit(function, *given, **named).result()


def named(specs):
    marks = {name: [pytest.mark.slow] * (name in SLOW) for name in specs}
    given = [pytest.param(spec, id=name, marks=marks[name]) for name, spec in specs.items()]
    return pytest.mark.parametrize("spec", given)


@named(TAKEN | WIDE)
def test_float32_is_the_reference(interpreter, spec):
    after, gradients = interpreter(interpreted.compare, an_automaton(spec), a_state(spec))
    assert after < 1e-6
    assert max(gradients) < 1e-5


@pytest.mark.slow
@named(TAKEN | WIDE | {f"page {number}": spec for number, spec in enumerate(PAGE, 1)})
def test_several_steps_are_the_reference(interpreter, spec):
    after, gradients = interpreter(interpreted.compare, an_automaton(spec), a_state(spec), 4)
    assert after < 4e-6
    assert max(gradients) < 1e-5


@pytest.mark.slow
def test_specs_by_chance(interpreter):
    """Rounding may let a ReLU or a gate decide otherwise here and there."""
    off = []
    for number in range(24):
        spec = random_spec(number)
        after, gradients = interpreter(
            interpreted.compare, an_automaton(spec), a_state(spec)[:, :, ::2, ::3], 2
        )
        if max(after, *gradients) > 1e-5:
            off.append(number)
    assert len(off) <= 1, off


def test_which_kinds_are_taken_and_what_is_said_to_the_others():
    assert {name: fused.obstacle(spec) for name, spec in SPECS.items()} == dict.fromkeys(TAKEN, "") | REFUSED
    ring = Spec.of(space={"kind": "ring"}, senses=[{"kind": "harmonics"}])
    assert fused.obstacle(ring) == "it has no space of the kind ring"


@named(TAKEN | WIDE)
def test_the_room_of_the_way_back(spec):
    taps = Taps.of(spec, HEIGHT, WIDTH, torch.device("cpu"))
    packed, shape = pack(Automaton(spec), taps), torch.Size((2, HEIGHT, WIDTH, Widths.of(spec).wide))
    for products in (torch.float32, torch.bfloat16):
        back = fused._Back(fused._Step((spec, taps, products), shape, packed), packed, True)
        room = sum(values.nbytes for values in back.room.values())
        assert fused.room_bytes(spec, 2 * HEIGHT * WIDTH, products == torch.bfloat16) == room


def test_blocks_tiles_and_shares_change_nothing_but_rounding(interpreter):
    """As on a GPU: many programs, the last with cells that are not there, and sums by shares of the cells."""
    sizes = {"BLOCK": 32, "UNITS": 512, "TILE": 16, "SHARE": 32}
    spec = Spec.of(perception="laplacian+conv1", hidden=32, layers=2, channels=5, living=True, padding="wrap")
    automaton, state = an_automaton(spec), a_state(spec, height=7, width=5)
    after, gradients = interpreter(interpreted.compare, automaton, state, **sizes)
    assert after < 1e-6
    assert max(gradients) < 1e-5
    one, other = (interpreter(interpreted.gradients, automaton, state, 1, **sizes) for _ in range(2))
    assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("padding", PADDINGS)
def test_small_grids_and_far_taps(interpreter, padding):
    spec = Spec.of(perception="conv3d16+laplacian", hidden=16, channels=5, padding=padding, living=True)
    for height, width in ((1, 1), (2, 3), (5, 1)):
        after, gradients = interpreter(
            interpreted.compare, an_automaton(spec), a_state(spec)[:, :, :height, :width]
        )
        assert max(after, *gradients) < 1e-5


def test_the_same_cells_fire(interpreter):
    for rate, start in itertools.product((1e-6, 0.25, 0.5, 1.0), (0, 2**32 - 1, 2**40 + 5)):
        automaton = Automaton(Spec.of(fire_rate=rate, clamp=None, perception="identity", hidden=16, layers=2))
        automaton.rule.biases[-1].data.fill_(1.0)  # a cell that fires grows by one
        options = {"seed": 2**32 - 3, "start": start}
        state = torch.zeros(3, 16, HEIGHT, WIDTH)
        grown = interpreter(interpreted.rolled, automaton, state, [2], engine="triton", **options)
        assert torch.equal(grown, automaton.rollout(state, 2, engine="torch", **options))


@pytest.mark.parametrize("logit", [-8.0, -0.7, 0.0, 0.4, 30.0])
def test_the_gate_decides_as_the_reference_does(interpreter, logit):
    automaton = Automaton(Spec.of(gated=True, clamp=None, perception="identity", hidden=16, layers=2))
    automaton.rule.biases[-1].data.fill_(1.0)
    automaton.rule.biases[-1].data[-1] = logit
    state = torch.zeros(3, 16, HEIGHT, WIDTH)
    grown = interpreter(interpreted.rolled, automaton, state, [2], engine="triton")
    assert torch.equal(grown, automaton.rollout(state, 2, engine="torch"))


@named({name: SPECS[name] for name in ("conv1", "conv3")} | {"gated": GATED})
def test_a_rollout_can_be_taken_in_parts(interpreter, spec):
    automaton, state = an_automaton(spec), a_state(spec)
    options = {"seed": 4, "engine": "triton"}
    whole = interpreter(interpreted.rolled, automaton, state, [4], **options)
    assert torch.equal(interpreter(interpreted.rolled, automaton, state, [2, 2], **options), whole)
    assert torch.equal(interpreter(interpreted.rolled, automaton, state[:1], [4], **options), whole[:1])


def test_what_is_computed_again_has_the_same_gradients(interpreter):
    spec = Spec.of(perception="learned+conv1", channels=4, hidden=16, gated=True, living=True)
    automaton, state = an_automaton(spec), a_state(spec)
    kept = interpreter(interpreted.gradients, automaton, state, 2)
    assert kept[0].equal(interpreter(interpreted.rolled, automaton, state, [2], seed=9, engine="triton"))
    again = interpreter(interpreted.gradients, automaton, state, 2, checkpoint=1)
    for got, wanted in zip(again, kept, strict=True):  # weights' are added up in another order
        assert furthest_gradient(got, wanted) < 1e-6


def test_the_parts_of_a_rollout_are_of_few_lengths():
    assert [fused.lengths(steps) for steps in (1, 4, 7, 16, 39)] == [
        [1], [4], [4, 1, 1, 1], [16], [16, 16, 4, 1, 1, 1]
    ]  # fmt: skip
    assert all(sum(fused.lengths(steps)) == steps for steps in range(100))


def test_graphs_give_the_bits_of_single_launches(interpreter):
    """By something that does what a CUDA graph does: the same work, on numbers in the same places."""
    spec = Spec.of(perception="identity+conv1", channels=4, hidden=16, layers=2, living=True)
    automaton, state = an_automaton(spec), a_state(spec, batch=1, height=3, width=2)
    wanted, _ = interpreter(interpreted.recorded, automaton, state, None)
    found, count = interpreter(interpreted.recorded, automaton, state, Replayed)
    assert all(map(torch.equal, found, wanted))
    assert count == 2 * 5  # six rollouts and six ways back, the first of each without a graph
    # A way back has states in and out, for which there is room here, and wants more than them on its way.
    given = 6 * 16 * 4  # bytes of a state
    found, more = interpreter(interpreted.recorded, automaton, state, Replayed, room=4 * 7 * given)
    assert all(map(torch.equal, found, wanted))
    assert more == count + 5


@pytest.mark.parametrize("bfloat16", [False, True])
@named({name: SPECS[name] for name in ("learned+dilated", "masked, gated")})
def test_a_trial_finds_nothing_wrong(interpreter, spec, bfloat16):
    assert interpreter(interpreted.tried, spec, bfloat16) == ""


@pytest.mark.parametrize("kernel", ["live", "feel", "gather", "outer", "filters_gradient"])
def test_a_trial_finds_a_kernel_that_does_nothing(interpreter, kernel):
    spec = Spec.of(perception="learned+conv1", channels=4, hidden=16, layers=2, living=True)
    said = interpreter(interpreted.tried, spec, False, f"{kernel} does nothing")
    assert said == "what Triton makes of it here does not agree with the reference"


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("raises", "no such instruction"),
        ("asserts", "AssertionError"),  # and nothing more
        ("cannot be compiled", "no y"),
    ],
)
def test_a_trial_says_what_a_compiler_says(interpreter, how, wanted):
    said = interpreter(interpreted.tried, SPECS["identity"], True, f"gather {how}")
    assert said == f"Triton cannot make it run here: {wanted}"


def test_a_trial_finds_nothing_wrong_in_inference_mode(interpreter):
    assert interpreter(interpreted.tried, SPECS["identity"], False, inference=True) == ""


def test_without_a_gpu_it_is_asked_for_in_vain(monkeypatch):
    automaton, state = an_automaton(SPECS["identity"]), a_state(SPECS["identity"])
    with pytest.raises(BadRequest, match="triton engine cannot take this rollout: it takes float32 on CUDA"):
        automaton.rollout(state, 1, engine="triton")
    state, weights = (SimpleNamespace(device=torch.device("cuda", n), dtype=torch.float32) for n in (0, 1))
    automata = SimpleNamespace(parameters=lambda: [weights])
    reason = engine._obstacle("triton", automata, state, False)
    assert reason == "it takes all on one device, got a state on cuda:0 and weights on cuda:1"
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    fused.trouble.cache_clear()
    assert fused.trouble(automaton.spec, torch.device("cuda"), False).startswith("Triton is not installed")
    fused.trouble.cache_clear()

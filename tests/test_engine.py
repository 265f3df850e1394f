"""The native step is the reference step: forward, backward, and who fires, for every kind of Spec."""

import itertools

import pytest
import torch

from petri import engine
from petri.nca import Automaton, Spec

available, status = engine.native_status()
pytestmark = pytest.mark.skipif(not available, reason=status)

HEIGHT, WIDTH = 17, 23  # asymmetric, and no multiple of anything
RULES = (
    {"layers": 2},
    {"layers": 2, "gated": True},
    {"layers": 3},
    {"layers": 3, "residual": True},
    {"layers": 3, "residual": True, "gated": True},
)
PERCEPTIONS = ("sobel", "learned", "dilated", "learned+dilated")
KINDS = [
    {"perception": perception, "padding": padding, "hidden": hidden, **rule}
    for (perception, hidden), padding, rule in itertools.product(
        zip(PERCEPTIONS, (48, 16, 64, 128), strict=True), ("zero", "wrap"), RULES
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


def an_automaton(spec, *, dtype=torch.float32):
    """Weights of the size they have when trained, the bank no longer Sobel."""
    random = torch.Generator().manual_seed(5)
    automaton = Automaton(spec, generator=random)
    with torch.no_grad():
        bound = 0.6 / spec.hidden**0.5
        automaton.rule.weights[-1].uniform_(-bound, bound, generator=random)
        automaton.rule.biases[-1].uniform_(-0.1, 0.1, generator=random)
        if spec.trains_bank:
            automaton.perception.bank += 0.1 * torch.randn(automaton.perception.bank.shape, generator=random)
    return automaton.to(dtype)


def a_state(spec, *, batch=2, height=HEIGHT, width=WIDTH):
    """Values about the size of trained ones, some beyond the clamp and some exactly on it; lively
    corners and a dead middle."""
    random = torch.Generator().manual_seed(7)
    state = 0.6 * torch.randn(batch, spec.channels, height, width, generator=random)
    state[:, :, 5:11, 6:15] = 0.0
    state[:, 3, 4:12, 5:16] = 0.05
    state[:, 3:, 0, 0] = 1.0
    state[:, 3:, -1, -1] = -1.0
    return state


def both(automaton, state, steps, *, flow=None, seed=9, start=0, precision="float32", engine="native"):
    """The last state, and the gradients of a flow, random unless given, in the state and each parameter."""
    state = state.clone().requires_grad_()
    if flow is None:
        flow = torch.randn(state.shape, generator=torch.Generator().manual_seed(3))
    after = automaton.rollout(state, steps, seed=seed, start=start, engine=engine, precision=precision)
    return [after.detach(), *torch.autograd.grad(after, [state, *automaton.parameters()], flow)]


def furthest(a, b):
    """Largest difference, relative to the values but at least to 1."""
    return float(((a - b).abs() / (1 + b.abs())).max())


def furthest_gradient(a, b):
    return float((a - b).abs().max() / (1 + b.abs().max()))


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS + ODD, ids=name)
def test_float32_is_the_reference(kind):
    spec = Spec(**kind)
    automaton, state = an_automaton(spec), a_state(spec)
    for steps in (1, 4):
        after, *gradients = both(automaton, state, steps)
        expected, *expected_gradients = both(automaton, state, steps, engine="torch")
        assert furthest(after, expected) < 1e-6 * steps
        for got, wanted in zip(gradients, expected_gradients, strict=True):
            assert furthest_gradient(got, wanted) < 1e-5


@pytest.mark.parametrize("kind", KINDS[::3] + ODD, ids=name)
def test_bfloat16_is_near_the_reference(kind):
    spec = Spec(**kind)
    automaton = an_automaton(spec)
    if spec.gated:
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

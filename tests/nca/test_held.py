"""Held channels: what no step changes."""

import json

import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.held import hold

SPEC = Spec.of(
    channels=6, fixed=2, held=2, perception="sobel", hidden=16, layers=2, clamp=None, fire_rate=1.0
)


@pytest.fixture
def state():
    chance = torch.Generator().manual_seed(1)
    made = torch.randn(2, 8, 7, 9, generator=chance)
    made[:, 6] = (torch.rand(2, 7, 9, generator=chance) < 0.5).float()
    return made


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_known_cells_keep_every_bit_of_what_is_held_and_the_others_change(state, random_automaton, engine):
    after = random_automaton(SPEC).rollout(state, 5, engine=engine)
    known = (state[:, 6:7] == 1).expand(-1, 2, -1, -1)
    assert torch.equal(after[:, :2][known], state[:, :2][known])
    assert (after[:, :2][~known] != state[:, :2][~known]).all()
    assert (after[:, 2:6] != state[:, 2:6]).all()  # hidden channels are nobody's
    assert torch.equal(after[:, 6:], state[:, 6:])


def test_only_where_the_plane_is_exactly_one(state):
    state[:, 6] = 0.999
    assert torch.equal(hold(state, state + 1, SPEC), state + 1)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_the_gradient_of_a_held_value_alone_is_its_own(state, random_automaton, engine):
    state[:, 6] = 1.0
    state.requires_grad_()
    after = random_automaton(SPEC).rollout(state, 3, engine=engine)
    after[:, 0, 2, 3].sum().backward()
    wanted = torch.zeros_like(state)
    wanted[:, 0, 2, 3] = 1.0
    assert torch.equal(state.grad, wanted)


def test_both_engines_agree_on_values_and_gradients(state, random_automaton):
    automaton, found = random_automaton(SPEC, change=0.3), []
    for engine in ("torch", "native"):
        own = state.clone().requires_grad_()
        after = automaton.rollout(own, 4, engine=engine)
        found.append((after, *torch.autograd.grad(after.square().sum(), [own, *automaton.parameters()])))
    for mine, others in zip(*found, strict=True):
        torch.testing.assert_close(mine, others, rtol=2e-4, atol=2e-4)


def test_a_spec_says_so_only_where_something_is_held():
    assert "held" not in json.loads(Spec().to_json())
    assert Spec.from_json(SPEC.to_json()) == SPEC
    assert "2 held channels" in SPEC.describe()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"held": 1, "clamp": None}, "need a fixed plane"),
        ({"held": 1, "fixed": 1}, "without a living mask and a clamp"),
        ({"held": 1, "fixed": 1, "clamp": None, "living": True}, "without a living mask and a clamp"),
        ({"held": 17, "fixed": 1, "clamp": None}, "held must be a whole number in 0..16"),
    ],
)
def test_what_cannot_be_held_is_refused(fields, said):
    with pytest.raises(BadRequest, match=said):
        Spec(**fields)


def test_an_automaton_that_holds_nothing_is_as_it_was(random_automaton):
    spec = Spec.of(channels=6, fixed=2, perception="sobel", hidden=16, layers=2)
    automaton = random_automaton(spec)
    state = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(2))
    assert hold(state, state + 1, spec) is not state
    assert isinstance(automaton, Automaton) and automaton.rollout(state, 2).isfinite().all()

from __future__ import annotations

import re

import pytest
import torch
from nca import loops

from petri.errors import BadRequest
from petri.nca import Automaton, Cell, Given, Noise, Spec, Uniform, opening_state, seed_cell, seed_state

SEED = 0xC0FFEE


def begin(start, height=17, width=23, **options):
    return seed_state(Spec(start=start, channels=6), height, width, **options)


@pytest.mark.parametrize("level", [1.0, 0.1, 3e-7])
@pytest.mark.parametrize(("sample", "channel", "y", "x"), [(0, 0, 0, 0), (0, 5, 16, 22), (2, 3, 9, 4)])
def test_noise_is_the_hash_of_its_place(level, sample, channel, y, x):
    """The upper 24 bits of a word, spread over -1..1, which float32 holds exactly; then one rounding."""
    upper = loops.word(SEED, sample, channel + 2**31, y, x) >> 8
    exact = torch.tensor(upper / 2**23 - 1, dtype=torch.float32)
    assert exact.item() == upper / 2**23 - 1
    state = begin(Noise(level=level), batch=3, seed=SEED)
    assert torch.equal(state[sample, channel, y, x], exact * torch.tensor(level))


def test_noise_of_a_few_cells():
    """So that another implementation has figures to meet."""
    state = begin(Noise(level=1.0), seed=1) * 2**23
    cells = [state[0, 0, 0, 0], state[0, 0, 0, 1], state[0, 0, 1, 0], state[0, 1, 0, 0]]
    assert cells == [-5671666, 1913930, -5878436, 8321145]


def test_noise_fills_its_bounds_evenly():
    state = begin(Noise(level=0.25), 64, 64, batch=4)
    assert state.abs().max() <= 0.25 and state.min() < -0.2499 and state.max() > 0.2499
    assert abs(state.mean()) < 2e-3 and abs(state.std() - 0.25 / 3**0.5) < 1e-3
    assert len(state.unique()) > 0.99 * state.numel()


def test_a_sample_does_not_depend_on_its_batch():
    five = begin(Noise(), batch=5, seed=SEED)
    assert torch.equal(begin(Noise(), batch=1, seed=SEED, first_sample=3), five[3:4])
    assert torch.equal(begin(Noise(), batch=2, seed=SEED, first_sample=3), five[3:])
    assert not torch.equal(five[0], five[3])
    assert not torch.equal(begin(Noise(), batch=5, seed=SEED + 1), five)


def test_noise_is_not_what_fires():
    """A channel's word is never a step's."""
    words = [loops.word(SEED, 0, number, 3, 4) for number in (0, 1, 2**31, 2**31 + 1)]
    assert len(set(words)) == 4


def test_noise_on_a_larger_grid_goes_on():
    assert torch.equal(begin(Noise(), 30, 40)[..., :17, :23], begin(Noise()))


def test_a_uniform_start_has_its_value_everywhere():
    state = begin(Uniform(value=-0.375), batch=2)
    assert state.shape == (2, 6, 17, 23) and state.dtype == torch.float32 and (state == -0.375).all()
    assert not begin(Uniform()).any()


def test_a_cell_is_alpha_and_hidden_channels():
    state = begin(Cell(x=1.0, y=0.0), batch=2)
    assert state[:, 3:, 0, 22].eq(1).all() and state.sum() == 2 * 3


def test_what_is_given_must_be_given():
    spec = Spec(start=Given(), channels=6)
    with pytest.raises(BadRequest, match="the Spec's start is given: pass the state that the rollout is to"):
        Automaton(spec).seed_state(9)
    assert seed_cell(spec, 9, 11) == (4, 5)
    state = torch.rand(1, 6, 9, 9)
    assert Automaton(spec).rollout(state, 1).shape == state.shape


FIXED = Spec(start=Noise(), channels=6, fixed=2)


@pytest.mark.parametrize("shape", [(2, 9, 7), (3, 2, 9, 7)])
def test_fixed_planes_stand_behind_the_channels(shape):
    fixed = torch.rand(shape)
    state = seed_state(FIXED, 9, 7, batch=3, fixed=fixed)
    assert torch.equal(state[:, 6:], fixed.expand(3, 2, 9, 7)) and torch.equal(
        state[:, :6], begin(Noise(), 9, 7, batch=3)
    )
    assert torch.equal(Automaton(FIXED).seed_state(9, 7, batch=3, fixed=fixed), state)
    assert not opening_state(FIXED, 9, 7)[:, 6:].any()


def test_fixed_planes_that_are_not_given_are_asked_for():
    with pytest.raises(BadRequest, match=re.escape("the Spec has 2 fixed planes: give them, as [2, 9, 7]")):
        seed_state(FIXED, 9, 7)


@pytest.mark.parametrize(
    ("spec", "shape", "said"),
    [
        (FIXED, (1, 9, 7), "the fixed planes must be [2, 9, 7], or [3, …] for each sample, got [1, 9, 7]"),
        (FIXED, (2, 7, 9), "got [2, 7, 9]"),
        (FIXED, (1, 2, 9, 7), "got [1, 2, 9, 7]"),
        (FIXED, (9, 7), "got [9, 7]"),
        (Spec(), (2, 9, 7), "the fixed planes must be [0, 9, 7]"),
    ],
)
def test_other_planes_are_refused(spec, shape, said):
    with pytest.raises(BadRequest, match=re.escape(said)):
        seed_state(spec, 9, 7, batch=3, fixed=torch.rand(shape))


def test_a_state_without_its_fixed_planes_is_refused():
    said = "a state must be [batch, 8 (6 channels and 2 fixed planes), height, width], got [1, 6, 9, 9]"
    with pytest.raises(BadRequest, match=re.escape(said)):
        Automaton(FIXED).rollout(torch.zeros(1, 6, 9, 9), 1)

from __future__ import annotations

import pytest
import torch

from petri.nca import Automaton, Spec, seed_cell, seed_state


@pytest.mark.parametrize(
    ("seed", "cell"),
    [
        ((0.5, 0.5), (8, 11)),
        ((0, 0), (0, 0)),
        ((1, 0), (0, 22)),
        ((0, 1), (16, 0)),
        ((1, 1), (16, 22)),
        ((0.3, 0.9), (15, 6)),
    ],
)
def test_seed_lies_at_its_fractions_of_width_and_height(seed, cell):
    spec = Spec.of(seed=seed)
    assert seed_cell(spec, 17, 23) == cell
    state = seed_state(spec, 17, 23, batch=2)
    assert state.shape == (2, 16, 17, 23) and state.dtype == torch.float32
    row, column = cell
    assert (state[:, 3:, row, column] == 1).all() and state.sum() == 2 * 13


@pytest.mark.parametrize("size", [1, 2, 17, 72, 73, 1024])
def test_centre_is_half_the_size_rounded_down(size):
    assert seed_cell(Spec.of(), size, size + 1) == (size // 2, (size + 1) // 2)


def test_an_automaton_seeds_a_square_unless_told_a_width():
    automaton = Automaton(Spec.of(channels=4))
    assert automaton.seed_state(5).shape == (1, 4, 5, 5)
    assert torch.equal(automaton.seed_state(5, 7, batch=2), seed_state(automaton.spec, 5, 7, batch=2))

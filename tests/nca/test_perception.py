from __future__ import annotations

import pytest
import torch

from petri.nca import Automaton, Spec
from petri.nca.padding import pad
from petri.nca.perception import Perception
from petri.nca.senses import Stencil
from petri.nca.senses.words import PERCEPTIONS

ROW = torch.arange(11.0).expand(1, 4, 9, 11)  # rises to the right, by 1 a cell
COLUMN = torch.arange(9.0)[:, None].expand(1, 4, 9, 11)  # rises downwards


@pytest.mark.parametrize("perception", PERCEPTIONS)
@pytest.mark.parametrize(("ramp", "x", "y"), [(ROW, 1, 0), (COLUMN, 0, 1), (2 * ROW - 3 * COLUMN, 2, -3)])
def test_slopes_of_a_ramp(perception, ramp, x, y):
    seen = Perception(Spec.of(channels=4, perception=perception))(ramp).detach()
    inside = seen.unflatten(1, (4, -1, 3))[..., 2:-2, 2:-2]
    for bank, distance in enumerate([1, 2][: inside.shape[2]]):
        itself, slope_x, slope_y = inside[:, :, bank].unbind(2)
        assert torch.equal(itself, ramp[..., 2:-2, 2:-2])
        assert (slope_x == x * distance).all() and (slope_y == y * distance).all()


def test_slope_filters_sum_to_zero():
    assert Stencil(filters=("identity", "sobel_x", "sobel_y", "laplacian")).taps().sum(
        dim=(1, 2)
    ).tolist() == [1, 0, 0, 0]


def test_channels_do_not_mix():
    state = torch.zeros(1, 5, 6, 7)
    state[:, 2] = torch.rand(6, 7) + 1
    for perception in PERCEPTIONS:
        seen = Perception(Spec.of(channels=5, perception=perception))(state).unflatten(1, (5, -1))
        assert seen.abs().sum(dim=(0, 2, 3, 4)).nonzero().tolist() == [[2]]


def test_beyond_the_edge():
    grid = torch.arange(6.0).view(1, 1, 2, 3)
    wrapped = [[5, 3, 4, 5, 3], [2, 0, 1, 2, 0], [5, 3, 4, 5, 3], [2, 0, 1, 2, 0]]
    assert pad(grid, 1, "wrap")[0, 0].tolist() == wrapped
    empty = torch.zeros(1, 1, 4, 5)
    empty[..., 1:3, 1:4] = grid
    assert torch.equal(pad(grid, 1, "zero"), empty)


@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_a_wrapped_grid_has_no_edge(perception, rule, random_automaton):
    rate = {} if rule.get("gated") else {"fire_rate": 1.0}
    spec = Spec.of(channels=5, hidden=16, perception=perception, padding="wrap", living=True, **rule, **rate)
    automaton = random_automaton(spec)
    if spec.rule.gated:
        automaton.rule.biases[-1].data[-1] = 100.0  # so that all cells fire, wherever they lie
    state = torch.rand(1, 5, 9, 13, generator=torch.Generator().manual_seed(3)) - 0.5
    roll = {"shifts": (4, -6), "dims": (2, 3)}
    with torch.no_grad():
        moved = automaton.rollout(state.roll(**roll), 3, engine="torch")
        stayed = automaton.rollout(state, 3, engine="torch")
    torch.testing.assert_close(moved, stayed.roll(**roll), rtol=0, atol=1e-6)
    assert not torch.equal(stayed, state)


def test_only_a_learned_bank_is_trained():
    for perception in PERCEPTIONS:
        trained = dict(Automaton(Spec.of(perception=perception)).named_parameters())
        assert ("perception.0.bank" in trained) == perception.startswith("learned")

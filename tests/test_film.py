"""Rollouts as they are filmed: what is seen on the way changes nothing of where they end."""

import pytest
import torch

from petri.film import growth
from petri.nca import Spec


@pytest.mark.parametrize("damage_at", [None, 7, 8])
def test_the_end_is_the_same_however_often_one_looks(random_automaton, damage_at):
    automaton = random_automaton(Spec(), change=0.1)
    ends = []
    for every in (1, 2, 3, 12):
        seen = list(growth(automaton, (12, 12), 12, seed=3, damage_at=damage_at, every=every))
        steps = [step for step, _ in seen]
        assert steps == sorted(steps) and steps[-1] == 12
        assert steps.count(damage_at) == (2 if damage_at else 0)  # before it and after it
        ends.append(seen[-1][1])
    assert all(torch.equal(end, ends[0]) for end in ends)
    whole = list(growth(automaton, (12, 12), 12, seed=3))[-1][1]
    assert torch.equal(ends[0], whole) == (damage_at is None)

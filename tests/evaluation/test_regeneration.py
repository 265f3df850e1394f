import math

import pytest
import torch

from petri.evaluation.course import recovery
from petri.evaluation.regeneration import KINDS


@pytest.mark.parametrize(
    ("before", "damaged", "healed", "percent"),
    [
        (0.1, 0.5, 0.1, 100.0),
        (0.1, 0.5, 0.5, 0.0),
        (0.1, 0.5, 0.2, 75.0),
        (0.1, 0.5, 0.7, -50.0),  # it went on falling apart
        (0.1, 0.5, 0.0, 125.0),  # better than before
    ],
)
def test_percent_is_that_of_the_paper(before, damaged, healed, percent):
    assert recovery(before, damaged, healed, empty=1.0) == (pytest.approx(percent), None)


@pytest.mark.parametrize(
    ("before", "damaged", "healed", "why"),
    [
        (0.5, 0.9, 0.5, "it had not grown"),
        (0.1, 0.1, 0.1, "the damage does not show"),
        (0.1, 0.105, 0.1, "the damage does not show"),
        (0.1, 0.05, 0.1, "the damage does not show"),  # it made things better
        (math.nan, 0.5, 0.1, "the states are no longer finite"),
        (0.1, math.inf, 0.1, "the states are no longer finite"),
        (0.1, 0.5, math.inf, "the states are no longer finite"),
    ],
)
def test_where_percent_says_nothing_it_is_left_out(before, damaged, healed, why):
    assert recovery(before, damaged, healed, empty=1.0) == (None, why)


@pytest.mark.parametrize(
    ("kind", "share", "within"),
    [("circle", 0.25, 0.01), ("half", 0.5, 0.03), ("corner", 0.25, 0), ("scatter", 0.25, 0)],
)
def test_every_sample_loses_the_same_share_on_another_side(kind, share, within):
    lost = (KINDS[kind](torch.ones(4, 5, 32, 32)) == 0).all(dim=1)
    assert lost.float().mean(dim=(1, 2)).tolist() == pytest.approx([share] * 4, abs=within)
    assert len({tuple(sample.flatten().tolist()) for sample in lost}) == 4
    rows = torch.arange(32) - 15.5
    assert abs((lost.sum(dim=(0, 2)) * rows).sum().item()) < 1e-3 or kind == "scatter"  # no side is favoured

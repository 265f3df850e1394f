"""Regeneration: how much of what damage took comes back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri.damage import CORNERS, cut_circle, cut_corner, cut_half, cut_scatter
from petri.evaluation.report import EVALUATION_SEED, Measure
from petri.evaluation.standing import LEAST_GROWN

CIRCLE_OFF = 0.15  # its centre from the grid's, as a fraction of the side
SCATTER_SHARE = 0.25
LEAST_SHOWN = 0.01  # of an empty grid's loss that damage must add, or a percentage would be of noise


def _turns(state: Tensor) -> Tensor:
    """A direction for each sample, in degrees, evenly around from the right."""
    return torch.arange(len(state)) * (360.0 / len(state))


def _circle(state: Tensor) -> Tensor:
    turns = torch.deg2rad(_turns(state))
    x, y = 0.5 + CIRCLE_OFF * turns.cos(), 0.5 + CIRCLE_OFF * turns.sin()
    return cut_circle(state, x=x, y=y)  # a quarter of the grid


def _half(state: Tensor) -> Tensor:
    return cut_half(state, angle=_turns(state))


def _corner(state: Tensor) -> Tensor:
    cut = [cut_corner(one, corner=CORNERS[i % len(CORNERS)]) for i, one in enumerate(state.split(1))]
    return torch.cat(cut)


def _scatter(state: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    return cut_scatter(state, share=SCATTER_SHARE, generator=generator)


# Every sample is damaged on another side, so that none is favoured.
KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "circle": _circle,
    "half": _half,
    "corner": _corner,
    "scatter": _scatter,
}


@dataclass(frozen=True)
class Regeneration:
    """What one kind of damage did to a pattern's loss, and what was left of that later."""

    kind: str  # one of KINDS
    damaged_at: int  # steps since the seed
    healed_at: int  # steps since the seed
    before: Measure  # the loss when the damage came
    damaged: Measure  # right after it
    healed: Measure  # at `healed_at`
    undamaged: Measure  # at `healed_at` too, of the same rollouts without damage
    percent: float | None  # of the damage that healed; None where that says nothing
    why: str | None  # why it says nothing
    damaged_picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, uint8
    healed_picture: np.ndarray = field(compare=False, repr=False)

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "kind": self.kind,
            "damaged_at": self.damaged_at,
            "healed_at": self.healed_at,
            "before": self.before.to_fields(),
            "damaged": self.damaged.to_fields(),
            "healed": self.healed.to_fields(),
            "undamaged": self.undamaged.to_fields(),
            "percent": None if self.percent is None else round(self.percent, 2),
            "why": self.why,
        }


def recovery(
    before: float, damaged: float, healed: float, *, empty: float
) -> tuple[float | None, str | None]:
    """The share of the damage that is gone again.

    Args:
        before: the loss when the damage came.
        damaged: the loss right after it.
        healed: the loss at the end.
        empty: the loss of an empty grid, which gives the measure for the others.

    Returns:
        Percent: 100 is as good as before, 0 no better than damaged, below 0 worse; it can be above 100. Or
        None and why: a pattern that has not grown cannot be damaged, and damage that does not show cannot
        be told from noise.

    Source: 100 · (m_final − m_damaged) / (m_before − m_damaged) of the NCAtorch paper, "Regeneration Metric".
    """
    if not all(math.isfinite(value) for value in (before, damaged, healed)):
        return None, "the states are no longer finite"
    if before >= LEAST_GROWN * empty:
        return None, "it had not grown"
    if damaged - before < LEAST_SHOWN * empty:
        return None, "the damage does not show"
    return 100 * (damaged - healed) / (damaged - before), None

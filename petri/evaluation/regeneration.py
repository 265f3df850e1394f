"""Regeneration: how much of what damage took comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri.damage import CORNERS, cut_circle, cut_corner, cut_half, cut_scatter
from petri.evaluation.course import Course
from petri.evaluation.report import EVALUATION_SEED

CIRCLE_OFF = 0.15  # its centre from the grid's, as a fraction of the side
SCATTER_SHARE = 0.25


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
    """What one kind of damage did to a pattern, and what was left of that later."""

    kind: str  # one of KINDS
    damaged_at: int  # steps since the seed
    healed_at: int  # steps since the seed
    loss: Course
    vgg16: Course
    damaged_picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, uint8
    healed_picture: np.ndarray = field(compare=False, repr=False)

    @property
    def percent(self) -> float | None:
        """Of the damage that healed, by the loss; None where that says nothing."""
        return self.loss.percent

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "kind": self.kind,
            "damaged_at": self.damaged_at,
            "healed_at": self.healed_at,
            **fields_of(self.loss, self.vgg16),
        }


def fields_of(loss: Course, vgg16: Course) -> dict[str, Any]:
    """Both courses as plain values; the loss's figures stand at the top."""
    moments = ("before", "damaged", "healed", "undamaged")
    return {
        **{name: getattr(loss, name).to_fields() for name in moments},
        **{name: value for name, value in loss.to_fields().items() if name not in moments},
        "psnr": loss.psnr,
        "vgg16": vgg16.to_fields(),
    }

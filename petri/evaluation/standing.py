"""Standing: how many of a model's rollouts have become what they were to be, and how like it they look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from petri.evaluation.report import by_view
from petri.losses import psnr, seen_error
from petri.nca import Automaton

LEAST_GROWN = 0.5  # of an empty grid's error: what is no better than this has not grown
FAIR = 22.0  # dB
LIKENESS = (
    (34.0, "hardly to be told from the target"),
    (28.0, "a good likeness"),
    (FAIR, "a fair likeness, its details missing"),
    (16.0, "a rough likeness"),
)


@dataclass(frozen=True)
class Standing:
    """Some rollouts at one moment."""

    seeds: int  # rollouts, each with fire masks of its own
    standing: int  # of them are nearer to the target than an empty grid is, by half of its error
    worst: float  # PSNR of the least like one, dB
    median: float  # PSNR, dB

    @property
    def all(self) -> bool:
        """Whether every one of them stands."""
        return self.standing == self.seeds

    @property
    def likeness(self) -> str:
        """The median in words."""
        return next((words for least, words in LIKENESS if self.median >= least), "no likeness yet")

    @property
    def is_fair(self) -> bool:
        """Whether the median is a fair likeness at least."""
        return self.median >= FAIR

    def describe(self) -> str:
        """Such as `29.1 dB (worst 28.3), a good likeness`."""
        return f"{self.median:.1f} dB (worst {self.worst:.1f}), {self.likeness}"

    def to_fields(self) -> dict[str, Any]:
        """As plain values; None where a figure is not finite."""
        decibels = {"worst": self.worst, "median": self.median}
        return {"standing": self.standing, "seeds": self.seeds} | {
            name: round(value, 2) if math.isfinite(value) else None for name, value in decibels.items()
        }


def standing(automaton: Automaton, state: Tensor, target: Tensor) -> Standing:
    """Judge rollouts by what is seen of them.

    Args:
        automaton: what has grown.
        state: `[batch, channel, height, width]`.
        target: `[3 or 4, height, width]` in 0..1, RGB premultiplied by alpha, and alpha; of a plane only RGB
            is looked at.
    """
    target, error = (
        target.to(state.device)[: 4 if automaton.spec.living else 3],
        by_view(automaton, seen_error),
    )
    errors = error(state, target).nan_to_num(1.0)
    nothing = error(torch.zeros_like(state[:1]), target)
    stands = int((errors < LEAST_GROWN * nothing).sum())
    ratios = [psnr(error) for error in errors.sort().values.tolist()]
    return Standing(len(ratios), stands, ratios[-1], ratios[len(ratios) // 2])

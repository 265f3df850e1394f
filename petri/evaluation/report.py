"""The report's loss of a finished model: grown from the seed, with fresh fire seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from petri.growth.loss import overflow_loss, pattern_loss
from petri.nca import Automaton

EVALUATION_SEED = 2_000_003  # fixed, so that a figure can be had again


@dataclass(frozen=True)
class ReportLoss:
    """The report's loss and its parts, means over fire seeds."""

    steps: int  # after which the pattern is looked at
    hold: int  # more steps, after which it is looked at again
    pattern: float  # mean squared error over RGB after `steps`
    stability: float  # and after `hold` more
    overflow: float  # mean distance beyond ±0.9 of all state values, at the end
    loss: float  # pattern + ½ stability + ⅒ overflow

    def to_fields(self) -> dict[str, float]:
        """As plain values, rounded to six decimals."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@torch.no_grad()
def report_loss(
    automaton: Automaton, rgb: Tensor, *, steps: int = 96, hold: int = 32, seeds: int = 8
) -> ReportLoss:
    """Grow `seeds` patterns from the seed and measure them.

    Args:
        automaton: the model.
        rgb: `[3, height, width]` in 0..1, premultiplied by alpha where the target is transparent.
        steps, hold: when it is looked at; the report: 96 and 32 more.
        seeds: number of rollouts, each with fire masks of its own.

    Source: the report, "Training" and Table 5.
    """
    height, width = rgb.shape[1:]
    state = automaton.seed_state(height, width, batch=seeds)
    rgb = rgb.to(state.device)
    grown = automaton.rollout(state, steps, seed=EVALUATION_SEED)
    held = automaton.rollout(grown, hold, seed=EVALUATION_SEED, start=steps)
    pattern = pattern_loss(grown, rgb).mean().item()
    stability = pattern_loss(held, rgb).mean().item()
    overflow = overflow_loss(held).mean().item()
    return ReportLoss(steps, hold, pattern, stability, overflow, pattern + stability / 2 + overflow / 10)

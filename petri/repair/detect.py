"""Damage at places unknown: weights that an estimate disagrees with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from petri.repair.fills import Fill

FOLDS = 8  # parts of the weights, each hidden in turn and foretold from the others
FARTHEST = 20.0  # typical deviations of all weights from their median: what is beyond is suspected at once
APART = 5.0  # typical errors of the estimate: what it is wrong by more is suspected
TYPICAL = 1.4826  # deviation of a normal distribution, of its median distance from the median


def suspects(weights: Tensor, fill: Fill) -> Tensor:
    """Weights that do not fit the others, bool: not finite, far beyond all, or far from what is foretold.

    Args:
        weights: `[unit, pixel]`.
        fill: an estimate of what is not known.
    """
    there = weights.isfinite()
    middle = weights[there].median()
    spread = TYPICAL * (weights[there] - middle).abs().median()
    known = there & ((weights - middle).abs() <= FARTHEST * spread)
    part = torch.randint(FOLDS, weights.shape, generator=torch.Generator().manual_seed(0))
    error = torch.zeros_like(weights)
    calm = torch.where(known, weights, torch.zeros(()))
    for fold in range(FOLDS):
        hidden = part == fold
        shown = known & ~hidden
        error[hidden] = (fill(torch.where(shown, calm, torch.zeros(())), shown) - calm)[hidden]
    typical = TYPICAL * error[known].abs().median()
    return ~known | (error.abs() > APART * typical)


@dataclass(frozen=True)
class Found:
    """How well damage was found."""

    precision: float  # share of the suspects that are damaged
    recall: float  # share of the damaged that are suspected
    felt: float  # the same of those alone whose change is more than twice a typical weight


def judged(suspected: Tensor, changed: Tensor, before: Tensor, after: Tensor) -> Found:
    """Hold suspects against where weights did change; NaN where there are none.

    Args:
        suspected, changed: bool.
        before, after: the weights, undamaged and damaged.
    """
    typical = before.square().mean().sqrt()
    large = changed & ~((after - before).abs() <= 2 * typical)

    def share(of: Tensor, among: Tensor) -> float:
        return float((of & among).sum() / among.sum()) if among.any() else float("nan")

    return Found(share(changed, suspected), share(suspected, changed), share(suspected, large))

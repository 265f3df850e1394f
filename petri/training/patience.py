"""Patience: whether a run still gets better from the seed, or may stop early."""

from __future__ import annotations

import math
from collections.abc import Sequence

from petri.training.recipe import Recipe

LOOKS = 20  # times that the last phase is measured from the seed, with fire seeds that training has not seen
SEEDS = 4  # rollouts each time
IN_VAIN = 5  # looks that must have been in vain, so that a run of a few epochs does not end by chance


def due(recipe: Recipe, epoch: int) -> bool:
    """Whether a run is to be measured after `epoch` epochs."""
    return epoch % max(1, recipe.phases[-1].epochs // LOOKS) == 0


def exhausted(recipe: Recipe, looks: Sequence[tuple[int, float]]) -> bool:
    """Whether nothing has become better for the recipe's share of the last phase's epochs.

    Args:
        recipe: of the run.
        looks: epochs and the loss from the seed then, in order; those of earlier phases do not count, as they
            are of other sizes.
    """
    begun = recipe.epochs - recipe.phases[-1].epochs
    last = [(epoch, loss) for epoch, loss in looks if epoch > begun and math.isfinite(loss)]
    if not recipe.patience or not last:
        return False
    best = min(range(len(last)), key=lambda number: last[number][1])
    waited = last[-1][0] - last[best][0]
    return waited > recipe.patience * recipe.phases[-1].epochs and len(last) - 1 - best >= IN_VAIN

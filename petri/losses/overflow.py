"""Whether states stay in bounds."""

from __future__ import annotations

from torch import Tensor

NEAR_BOUND = 0.9


def overflow_loss(state: Tensor, *, bound: float = NEAR_BOUND) -> Tensor:
    """Mean distance by which state values lie beyond ±bound, a sample; `[batch]`, at least 0.

    Source: the report, "Training": it penalises states near the clamp boundary.
    """
    return (state.abs() - bound).relu().mean(dim=(1, 2, 3))

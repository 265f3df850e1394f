"""What is asked of a pattern: that it looks like the target, stays so, and keeps its states in bounds."""

from __future__ import annotations

from torch import Tensor

NEAR_BOUND = 0.9


def pattern_loss(state: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of what is seen, a sample.

    Args:
        state: `[batch, channel, height, width]`.
        target: `[seen, height, width]` in 0..1: RGB, or RGB premultiplied by alpha and alpha.

    Returns:
        `[batch]`, at least 0.

    Source: the report, "Training".
    """
    return (state[:, : target.shape[0]] - target).square().mean(dim=(1, 2, 3))


def overflow_loss(state: Tensor) -> Tensor:
    """Mean distance by which state values lie beyond ±0.9, a sample; `[batch]`, at least 0.

    Source: the report, "Training": it penalises states near the clamp boundary.
    """
    return (state.abs() - NEAR_BOUND).relu().mean(dim=(1, 2, 3))

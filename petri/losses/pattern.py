"""How far what is seen lies from a target."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pattern_loss(state: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of what is seen, a sample.

    Args:
        state: `[batch, channel, height, width]`.
        target: `[seen, height, width]` in 0..1: RGB, or RGB premultiplied by alpha and alpha; or one a
            sample, `[batch, seen, height, width]`.

    Returns:
        `[batch]`, at least 0.

    Source: the report, "Training".
    """
    return (state[:, : target.shape[-3]] - target).square().mean(dim=(1, 2, 3))


def multi_scale_loss(state: Tensor, target: Tensor, scales: tuple[int, ...]) -> Tensor:
    """Mean of the pattern loss at several scales, so that coarse structure counts before detail fits.

    Args:
        state, target: as in `pattern_loss`.
        scales: sides, in cells, of the squares that are averaged before comparing; a square that reaches
            over the edge is averaged over the cells it has.

    Returns:
        `[batch]`, at least 0.

    Source: the report, "Multi-scale loss".
    """
    seen = state[:, : target.shape[-3]]
    total = state.new_zeros(())
    for scale in scales:
        total = total + pattern_loss(_averaged(seen, scale), _averaged(target, scale))
    return total / len(scales)


def _averaged(picture: Tensor, scale: int) -> Tensor:
    return picture if scale == 1 else F.avg_pool2d(picture, scale, ceil_mode=True)

"""What is asked of a pattern: that it looks like the target, stays so, and keeps its states in bounds."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.ground import BLACK, WHITE, over

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
    seen = state[:, : target.shape[0]]
    total = 0.0
    for scale in scales:
        total = total + pattern_loss(_averaged(seen, scale), _averaged(target, scale))
    return total / len(scales)


def _averaged(picture: Tensor, scale: int) -> Tensor:
    return picture if scale == 1 else F.avg_pool2d(picture, scale, ceil_mode=True)


def overflow_loss(state: Tensor, *, bound: float = NEAR_BOUND) -> Tensor:
    """Mean distance by which state values lie beyond ±bound, a sample; `[batch]`, at least 0.

    Source: the report, "Training": it penalises states near the clamp boundary.
    """
    return (state.abs() - bound).relu().mean(dim=(1, 2, 3))


def seen_error(state: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of what a screen shows, a sample: of a figure, on the worse of two grounds.

    Premultiplied black is 0 like nothing at all, so a figure is judged on black and on white: what one of
    them hides shows on the other.

    Args:
        state: `[batch, channel, height, width]`.
        target: `[seen, height, width]` in 0..1: RGB of a plane, or RGB premultiplied by alpha and alpha of
            a figure.

    Returns:
        `[batch]`, in 0..1; NaN where a state holds one.
    """
    if target.shape[0] == 3:
        return _apart(state[:, :3].clamp(0, 1), target)
    on_black, on_white = (_apart(over(state, ground), over(target, ground)) for ground in (BLACK, WHITE))
    return torch.maximum(on_black, on_white)


def _apart(seen: Tensor, target: Tensor) -> Tensor:
    return (seen - target).square().mean(dim=(1, 2, 3))


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error of colours in 0..1; infinite where it is 0."""
    return math.inf if error == 0 else -10 * math.log10(error)

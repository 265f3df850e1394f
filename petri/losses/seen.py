"""How a picture is judged: by what a screen shows of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from petri.ground import BLACK, WHITE, over


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

"""From a function of the plane to pixels, with every edge smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from petri.targets import Paint

CHUNK = 1 << 15  # points painted at once: some arrays of them fit in a processor's cache


def samples(res: int) -> int:
    """Sub-pixels a side of one pixel, at least 2.

    Sizes that divide 1024 share one grid of 1024 × 1024 points, so the picture at 64 is the mean of
    2 × 2 blocks of the picture at 128.
    """
    return max(2, -(-1024 // res))


def render(paint: Paint, res: int) -> np.ndarray:
    """Average a function over each pixel.

    Args:
        paint: colours in 0..1, `[..., 3]`, of points of the unit square.
        res: pixels a side.

    Returns:
        RGB, float32 `[res, res, 3]`, row 0 on top.
    """
    sub = samples(res)
    fine = res * sub
    picture = np.empty((res, res, 3), np.float32)
    at = (np.arange(fine) + 0.5) / fine
    rows = max(1, CHUNK // (fine * sub))
    for top in range(0, res, rows):
        bottom = min(res, top + rows)
        x, y = np.meshgrid(at, at[top * sub : bottom * sub])
        colours = paint(x, y).reshape(bottom - top, sub, res, sub, 3)
        picture[top:bottom] = colours.sum(axis=1).sum(axis=2) / sub**2
    return picture


def opaque(picture: np.ndarray) -> np.ndarray:
    """RGB `[res, res, 3]` as a target's pixels, `[4, res, res]`, with alpha 1."""
    pixels = np.ones((4, *picture.shape[:2]), np.float32)
    pixels[:3] = np.moveaxis(picture, 2, 0).clip(0, 1)
    return pixels


def one_colour(pixels: np.ndarray) -> bool:
    """Whether a target's pixels, `[4, res, res]`, show the same colour everywhere."""
    return bool((np.ptp(pixels[:3], axis=(1, 2)) < 1 / 255).all())

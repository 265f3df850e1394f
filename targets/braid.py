"""Red, green and blue strands, passing over and under each other from top to bottom."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import INK

TWISTS = 1.0  # periods of a strand from top to bottom
SWAY = 0.30  # of a strand to either side of the middle
HALF = 0.09  # half of a strand's width
GAP = 0.024  # dark margin of a strand, over what passes under it
COLOURS = np.array([(0.95, 0.20, 0.20), (0.22, 0.86, 0.32), (0.20, 0.42, 0.97)])


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    phases = 2 * np.pi * (TWISTS * y + np.arange(3).reshape(3, *[1] * y.ndim) / 3)
    middle = 0.5 + SWAY * np.sin(phases)
    height = np.sin(2 * phases)  # above at one crossing, below at the next
    slope = 2 * np.pi * TWISTS * SWAY * np.cos(phases)
    # Across the strand, not across the picture: else the slanted parts would be thin.
    away = np.abs(x - middle) / np.sqrt(1 + slope**2)
    picture = np.broadcast_to(np.asarray(INK), (*x.shape, 3)).copy()
    lowest, highest = height.argmin(axis=0), height.argmax(axis=0)
    # The lowest is painted first. All three are never level, so each comes once.
    for strand in (lowest, 3 - lowest - highest, highest):
        distance = np.take_along_axis(away, strand[None], 0)[0]
        level = np.take_along_axis(height, strand[None], 0)[0]
        round_ = np.sqrt((1 - (distance / HALF) ** 2).clip(0, 1))  # like a rope lit from the front
        light = (0.50 + 0.50 * round_) * (0.86 + 0.14 * level)
        picture[distance < HALF + GAP] = INK
        inside = distance < HALF
        picture[inside] = COLOURS[strand[inside]] * light[inside][:, None]
    return picture

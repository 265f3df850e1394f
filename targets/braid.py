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
    sine, cosine = np.sin(phases), np.cos(phases)
    slope = 2 * np.pi * TWISTS * SWAY * cosine
    # Across the strand, not across the picture: else the slanted parts would be thin.
    away = np.abs(x - 0.5 - SWAY * sine) / np.sqrt(1 + slope**2)
    height = 2 * sine * cosine  # twice as fast as the sway: above at one crossing, below at the next
    top = np.where(away < HALF + GAP, height, -np.inf).argmax(axis=0)[None]
    distance = np.take_along_axis(away, top, 0)[0] / HALF
    level = np.take_along_axis(height, top, 0)[0]
    bulge = np.sqrt((1 - distance**2).clip(0, 1))  # like a rope lit from the front
    light = (0.50 + 0.50 * bulge) * (0.86 + 0.14 * level)
    return np.where((distance < 1)[..., None], COLOURS[top[0]] * light[..., None], INK)

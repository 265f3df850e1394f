"""A white cross on dark, its four arms alike."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import INK

# In eighths of the picture: the edges fall between cells at every size that is a multiple of 8.
REACH = 3 / 8  # from the centre to the end of an arm
HALF = 1 / 8  # half of an arm's width
WHITE = (0.95, 0.95, 0.95)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    dx, dy = np.abs(x - 0.5), np.abs(y - 0.5)
    inside = (np.maximum(dx, dy) <= REACH) & (np.minimum(dx, dy) <= HALF)
    return np.where(inside[..., None], WHITE, INK)

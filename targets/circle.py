"""One bright disc on dark."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import INK

RADIUS = 0.34
AMBER = (0.96, 0.70, 0.16)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    inside = np.hypot(x - 0.5, y - 0.5) <= RADIUS
    return np.where(inside[..., None], AMBER, INK)

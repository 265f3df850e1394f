"""Two Archimedean arms through the whole plane, the hue cycling along them."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import INK, cycle, mix, smoothstep

PITCH = 0.145  # from one arm to the next, as a fraction of the width: 7 cells of 48
HUES = (
    (0.95, 0.26, 0.21),
    (0.95, 0.70, 0.10),
    (0.30, 0.85, 0.35),
    (0.10, 0.72, 0.92),
    (0.50, 0.32, 0.95),
    (0.95, 0.22, 0.62),
)
ROUNDS = 1 / 3  # hue cycles a full turn of an arm


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    dx, dy = x - 0.5, y - 0.5
    radius, turn = np.hypot(dx, dy), np.arctan2(dy, dx) / (2 * np.pi)
    # On the middle of arm k (0 or 1), radius = PITCH * (2 * turn + k) with the turn counted on and on.
    rung = radius / PITCH - 2 * turn
    nearest = np.round(rung)
    along = turn + nearest / 2  # the turn counted on and on, half a turn ahead on the other arm
    light = 1 - smoothstep(0.22, 0.40, np.abs(rung - nearest))
    return mix(INK, cycle(HUES, along * ROUNDS), light)

"""Concentric rings, from warm in the middle to cool outside."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import INK, mix, ramp, smoothstep

PERIOD = 0.125  # from ring to ring: 6 cells of 48
LAST = 5  # the ring that the corners belong to
TONES = (
    (0.97, 0.88, 0.35),
    (0.97, 0.58, 0.12),
    (0.92, 0.26, 0.22),
    (0.72, 0.18, 0.55),
    (0.25, 0.36, 0.90),
    (0.08, 0.72, 0.80),
)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    radius = np.hypot(x - 0.5, y - 0.5) / PERIOD
    ring = np.round(radius)  # 0 is the disc in the middle
    light = 1 - smoothstep(0.24, 0.44, np.abs(radius - ring))
    return mix(INK, ramp(TONES, ring / LAST), light)

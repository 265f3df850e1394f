"""Blue ridges of fractal noise, in bands like a map."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import ramp, smoothstep
from petri.targets.noise import gradient_noise

SEED = 103  # a valley in every quarter, ridges that join
OCTAVES = ((2.0, 1.0), (4.0, 0.4), (8.0, 0.12))  # features a width, strength
BANDS = 6
SPREAD = 0.22  # height over which a ridge falls to 1/e
DEPTHS = (
    (0.02, 0.05, 0.16),
    (0.03, 0.14, 0.36),
    (0.05, 0.30, 0.62),
    (0.12, 0.52, 0.85),
    (0.42, 0.76, 0.95),
    (0.88, 0.95, 0.96),
)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    height = sum(
        strength * gradient_noise(x * scale, y * scale, SEED + octave)
        for octave, (scale, strength) in enumerate(OCTAVES)
    )
    ridge = np.exp(-(np.abs(height) / SPREAD))  # sharp where the noise changes its sign
    band, within = np.divmod(ridge * (BANDS - 1e-9), 1.0)
    shade = 0.70 + 0.30 * smoothstep(0.0, 0.6, within)  # each band darkens towards its lower edge
    return ramp(DEPTHS, band / (BANDS - 1)) * shade[..., None]

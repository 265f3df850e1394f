"""The Mandelbrot set, coloured by a smooth count of the steps until points escape."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import ramp

CENTRE, WIDTH = -0.68, 2.75
STEPS = 80  # more would only draw what is finer than a cell
FAR = 64.0  # a large radius of escape makes the count smooth
PALETTE = (
    (0.03, 0.05, 0.20),
    (0.05, 0.16, 0.45),
    (0.08, 0.38, 0.72),
    (0.30, 0.72, 0.90),
    (0.93, 0.93, 0.78),
    (0.97, 0.74, 0.22),
    (0.88, 0.40, 0.10),
    (0.45, 0.12, 0.16),
)
INSIDE = (0.02, 0.015, 0.04)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    c = ((x - 0.5) * WIDTH + CENTRE + 1j * (0.5 - y) * WIDTH).ravel()
    count = _escape(c)
    # A logarithm spreads the few steps far away and gathers the many at the border.
    tone = np.log2(1 + np.maximum(count, 0)) / np.log2(1 + STEPS)
    colours = ramp(PALETTE, (tone * 1.9 - 0.22).clip(0, 1))
    colours[np.isinf(count)] = INSIDE
    return colours.reshape(*x.shape, 3)


def _escape(c: np.ndarray) -> np.ndarray:
    """Steps until `c` escapes, with the fraction; infinite if it does not."""
    count = np.full(c.shape, np.inf)
    # The two largest parts of the inside are known without trying.
    q = (c.real - 0.25) ** 2 + c.imag**2
    known = (q * (q + c.real - 0.25) <= 0.25 * c.imag**2) | ((c.real + 1) ** 2 + c.imag**2 <= 0.0625)
    left = np.flatnonzero(~known)
    c = c[left]
    z = np.zeros_like(c)
    for step in range(1, STEPS + 1):
        z = z * z + c
        size = z.real**2 + z.imag**2
        out = size > FAR**2
        if out.any():
            count[left[out]] = step + 1 - np.log2(np.log(size[out]) / (2 * np.log(2)))
            left, z, c = left[~out], z[~out], c[~out]
    return count

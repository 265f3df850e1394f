"""Sixteen cells, a colour each, darkened along their edges."""

from __future__ import annotations

import numpy as np

from petri.targets.colour import mix, smoothstep

# x, y of the seeds: a shaken 4 × 4 grid, evened out until no cell was a sliver.
SEEDS = np.array(
    [
        (0.11, 0.14), (0.40, 0.09), (0.63, 0.19), (0.90, 0.10),
        (0.16, 0.41), (0.36, 0.32), (0.60, 0.45), (0.86, 0.36),
        (0.10, 0.66), (0.37, 0.58), (0.72, 0.66), (0.93, 0.62),
        (0.20, 0.89), (0.45, 0.81), (0.66, 0.92), (0.89, 0.88),
    ]
)  # fmt: skip
COLOURS = np.array(
    [
        (0.93, 0.36, 0.27), (0.98, 0.78, 0.30), (0.20, 0.62, 0.60), (0.62, 0.36, 0.78),
        (0.16, 0.42, 0.72), (0.90, 0.52, 0.62), (0.94, 0.55, 0.18), (0.40, 0.72, 0.88),
        (0.52, 0.76, 0.32), (0.42, 0.28, 0.66), (0.90, 0.88, 0.62), (0.80, 0.20, 0.42),
        (0.96, 0.66, 0.42), (0.12, 0.66, 0.78), (0.26, 0.34, 0.62), (0.30, 0.70, 0.46),
    ]
)  # fmt: skip
EDGE = (0.06, 0.05, 0.09)
WIDTH = 0.032  # how far from an edge it darkens


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours of points of the unit square, `[..., 3]` in 0..1."""
    points = np.stack([x.ravel(), y.ravel()])
    # Nearest is the seed with the least |point - seed|², of which |point|² is the same for all.
    first = ((SEEDS**2).sum(axis=1)[:, None] - 2 * SEEDS @ points).argmin(axis=0)
    light = np.empty(len(first))
    for cell in np.unique(first):
        inside = np.flatnonzero(first == cell)
        others = np.delete(SEEDS, cell, axis=0)
        across = SEEDS[cell] - others
        across /= np.hypot(*across.T)[:, None]
        # How far a point lies on this side of the line half-way to each other seed.
        middles = (across * (SEEDS[cell] + others) / 2).sum(axis=1)
        light[inside] = smoothstep(0.004, WIDTH, (across @ points[:, inside] - middles[:, None]).min(axis=0))
    return mix(EDGE, COLOURS[first], light).reshape(*x.shape, 3)

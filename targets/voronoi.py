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
    squares = [(x - sx) ** 2 + (y - sy) ** 2 for sx, sy in SEEDS]
    first = np.argmin(squares, axis=0)
    nearest = np.min(squares, axis=0)
    # To the line between the point's own seed and another: half the difference of the squared
    # distances, over the distance between those two seeds.
    edge = np.full_like(x, np.inf)
    apart = np.hypot(*(SEEDS[:, None] - SEEDS[None, :]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.nan)
    for other, square in enumerate(squares):
        edge = np.fmin(edge, (square - nearest) / (2 * apart[other][first]))
    return mix(EDGE, COLOURS[first], smoothstep(0.004, WIDTH, edge))

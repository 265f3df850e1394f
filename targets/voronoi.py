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
    shape, x, y = x.shape, x.ravel(), y.ravel()
    first = np.zeros(x.shape, np.int8)
    nearest = np.full(x.shape, np.inf)
    for cell, (seed_x, seed_y) in enumerate(SEEDS):
        square = (x - seed_x) ** 2 + (y - seed_y) ** 2
        closer = square < nearest
        np.copyto(nearest, square, where=closer)
        np.copyto(first, np.int8(cell), where=closer)
    picture = np.empty((len(x), 3))
    for cell, seed in enumerate(SEEDS):
        inside = np.flatnonzero(first == cell)
        if len(inside):
            light = smoothstep(0.004, WIDTH, _to_edge(seed, x[inside], y[inside]))
            picture[inside] = mix(EDGE, COLOURS[cell], light)
    return picture.reshape(*shape, 3)


def _to_edge(seed: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far points of one cell lie from the nearest line half-way to another seed."""
    least = np.full(x.shape, np.inf)
    for other in SEEDS:
        if (other != seed).any():
            across = (seed - other) / np.hypot(*(seed - other))
            middle = across @ (seed + other) / 2
            np.minimum(least, across[0] * x + across[1] * y - middle, out=least)
    return least

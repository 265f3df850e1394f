"""Closed surfaces by formula, to try things on without a file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from petri.graph.mesh import Surface

AROUND, ALONG = 48, 144  # vertices around a tube, and along a torus; a knot is longer


def tube(centre: Callable[[np.ndarray], np.ndarray], radius: float, around: int, along: int) -> Surface:
    """A closed tube.

    Args:
        centre: places `[n, 3]` of a closed curve at angles `[n]`, 0 to 2π once around.
        radius: of the tube.
        around, along: vertices.
    """
    angles = 2 * np.pi * np.arange(along) / along
    places, step = centre(angles), 1e-4
    ahead = centre(angles + step) - centre(angles - step)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # A direction that is never along the curve is carried once around, so that the tube does not twist.
    side = np.zeros_like(ahead)
    first = np.cross(ahead[0], [0.0, 1.0, 0.0] if abs(ahead[0, 1]) < 0.9 else [1.0, 0.0, 0.0])
    for number in range(along):
        before = first if number == 0 else side[number - 1]
        flat = before - (before @ ahead[number]) * ahead[number]
        side[number] = flat / np.linalg.norm(flat)
    up = np.cross(ahead, side)
    last = side[-1] - (side[-1] @ ahead[0]) * ahead[0]
    twist = np.arctan2(last @ up[0], last @ side[0])  # what is left over is undone bit by bit
    turn = 2 * np.pi * np.arange(around) / around
    phase = turn[None] - twist * np.arange(along)[:, None] / along
    ring = np.cos(phase)[..., None] * side[:, None] + np.sin(phase)[..., None] * up[:, None]
    vertices = (places[:, None] + radius * ring).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(along), np.arange(around), indexing="ij")
    a = i * around + j
    b, c = (i + 1) % along * around + j, i * around + (j + 1) % around
    d = (i + 1) % along * around + (j + 1) % around
    faces = np.stack([np.stack([a, d, b], -1), np.stack([a, c, d], -1)], axis=2).reshape(-1, 3)
    return Surface(vertices, faces).fitted()


def torus() -> Surface:
    """A torus that stands upright."""

    def centre(angle: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)

    return tube(centre, 0.42, AROUND, ALONG)


def knot() -> Surface:
    """A trefoil knot."""

    def centre(angle: np.ndarray) -> np.ndarray:
        far = 2 + np.cos(3 * angle)
        return np.stack([far * np.cos(2 * angle), far * np.sin(2 * angle), 1.3 * np.sin(3 * angle)], axis=1)

    return tube(centre, 0.62, AROUND, 3 * ALONG)


SHAPES: dict[str, Callable[[], Surface]] = {"torus": torus, "knot": knot}

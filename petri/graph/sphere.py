"""The icosphere: a sphere of triangles that are nearly alike."""

from __future__ import annotations

import numpy as np

from petri import checks
from petri.graph.mesh import Surface


def icosphere(level: int) -> Surface:
    """An icosahedron, each of whose triangles is cut into four so many times, on the unit sphere.

    Args:
        level: 0..9; there are 10 · 4^level + 2 vertices: at 4 2,562, at 5 10,242, at 6 40,962, at 7 163,842.

    Returns:
        Vertices of valence 6, but for twelve of valence 5.
    """
    check_level(level)
    golden = (1 + 5**0.5) / 2
    flat = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    vertices = np.array([np.roll(corner, turn) for turn in range(3) for corner in flat])
    near = np.linalg.norm(vertices[:, None] - vertices[None], axis=2) < 2.1
    faces = np.array(
        [
            (a, b, c) if np.dot(np.cross(vertices[a], vertices[b]), vertices[c]) > 0 else (a, c, b)
            for a in range(12)
            for b in range(a + 1, 12)
            for c in range(b + 1, 12)
            if near[a, b] and near[b, c] and near[c, a]
        ]
    )
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    surface = Surface(vertices, faces)
    for _ in range(level):
        finer = surface.cut()
        new = finer.vertices[len(surface.vertices) :]
        new /= np.linalg.norm(new, axis=1, keepdims=True)
        surface = finer
    return surface


def nodes_of(level: int) -> int:
    """How many vertices an icosphere of a level has."""
    check_level(level)
    return 10 * 4**level + 2


def check_level(level: int) -> None:
    """Refuse what is no level of an icosphere.

    Raises:
        BadRequest: it is none.
    """
    checks.whole("the level of an icosphere", level, 0, 9)

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
    checks.whole("the level of an icosphere", level, 0, 9)
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
    for _ in range(level):
        vertices, faces = _cut(vertices, faces)
    return Surface(vertices, faces)


def _cut(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each triangle into four, the new vertices pushed out to the sphere."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    edges, which = np.unique(sides[:, 0] * len(vertices) + sides[:, 1], return_inverse=True)
    ends = np.stack(np.divmod(edges, len(vertices)))
    middles = vertices[ends[0]] + vertices[ends[1]]
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(vertices) + which.reshape(-1, 3)).T
    a, b, c = faces.T
    quarters = ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))
    cut = np.stack([np.stack(corners, axis=1) for corners in quarters], axis=1).reshape(-1, 3)
    return np.concatenate([vertices, middles]), cut

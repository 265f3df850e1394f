"""Colours of space that a surface may take: what `petri mesh grow` grows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from petri.errors import BadRequest, nearest
from petri.graph.mesh import Surface

SPOTS = 24  # on the unit sphere's ball
SPOT = 0.26  # radius


def bands(places: np.ndarray) -> np.ndarray:
    """Rings around the upright axis, from blue at the bottom to red at the top."""
    up = places[:, 1]
    stripe = 0.5 + 0.5 * np.sin(9 * up)
    return np.stack([0.5 + 0.45 * up, 0.15 + 0.7 * stripe, 0.5 - 0.45 * up], axis=1)


def spots(places: np.ndarray) -> np.ndarray:
    """Dark red spots on cream."""
    centres = np.random.default_rng(3).normal(size=(SPOTS, 3))
    centres *= 0.75 / np.linalg.norm(centres, axis=1, keepdims=True)
    far = np.linalg.norm(places[:, None] - centres, axis=2).min(axis=1)
    share = np.clip((SPOT - far) / 0.06 + 0.5, 0, 1)[:, None]
    return (1 - share) * np.array([0.96, 0.88, 0.7]) + share * np.array([0.55, 0.12, 0.1])


def wheel(places: np.ndarray) -> np.ndarray:
    """All hues around the upright axis, darker towards the bottom."""
    around = np.arctan2(places[:, 0], places[:, 2])
    hues = np.stack([0.5 + 0.5 * np.cos(around - turn) for turn in (0, 2.0944, 4.1888)], axis=1)
    return hues * (0.75 + 0.25 * places[:, 1:2])


def harlequin(places: np.ndarray) -> np.ndarray:
    """Another colour in each of the eight corners of space: no mirror image of itself."""
    corner = (places > 0) @ np.array([1, 2, 4])
    tints = np.array(
        [[230, 57, 70], [244, 162, 97], [233, 196, 106], [42, 157, 143], [38, 70, 83], [69, 123, 157],
         [168, 218, 220], [131, 56, 145]]
    )  # fmt: skip
    return tints[corner] / 255


PATTERNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bands": bands, "harlequin": harlequin, "spots": spots, "wheel": wheel
}  # fmt: skip


def paint(pattern: str, surface: Surface) -> Surface:
    """A fitted surface in the colours of a pattern.

    Raises:
        BadRequest: there is no such pattern.
    """
    if pattern not in PATTERNS:
        raise BadRequest(
            f"there is no pattern {pattern!r}{nearest(pattern, PATTERNS)}; there are {', '.join(PATTERNS)}, "
            "or leave it out for a mesh that has colours of its own"
        )
    return surface.coloured(PATTERNS[pattern](surface.vertices))

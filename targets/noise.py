"""Randomness that is the same on every machine and with every version of numpy."""

from __future__ import annotations

import numpy as np


def pcg(value: np.ndarray) -> np.ndarray:
    """Scramble 32-bit integers (uint32 in and out).

    Source: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 2020.
    """
    a = value * np.uint32(747796405) + np.uint32(2891336453)
    w = ((a >> ((a >> np.uint32(28)) + np.uint32(4))) ^ a) * np.uint32(277803737)
    return (w >> np.uint32(22)) ^ w


def gradient_noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Smooth noise with one feature a unit, about -0.7..0.7 (Perlin's, with the quintic fade of 2002)."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    # Gradients are drawn once a lattice point; looking them up is far cheaper than hashing every sample.
    left, top = column.min(), row.min()
    columns = np.arange(left, column.max() + 2).astype(np.uint32)
    rows = np.arange(top, row.max() + 2).astype(np.uint32)
    key = pcg(columns[None, :] + pcg(rows + pcg(np.array([seed], np.uint32)))[:, None])
    angle = key * (2 * np.pi / 2**32)
    gx, gy = np.cos(angle).ravel(), np.sin(angle).ravel()
    fx, fy = x - column, y - row
    corner = (row - top) * len(columns) + (column - left)

    def slope(dx: int, dy: int) -> np.ndarray:
        at = corner + (dy * len(columns) + dx)
        return gx.take(at) * (fx - dx) + gy.take(at) * (fy - dy)

    u, v = (t * t * t * (t * (t * 6 - 15) + 10) for t in (fx, fy))
    upper, lower = slope(0, 0), slope(0, 1)
    upper += u * (slope(1, 0) - upper)
    lower += u * (slope(1, 1) - lower)
    return upper + v * (lower - upper)

"""The shape of a figure: how many islands it falls into, and how far growth has to go in it."""

from __future__ import annotations

import numpy as np

COARSE = 128  # cells along a side above twice which a way is measured on a coarser grid


def count_pieces(solid: np.ndarray) -> int:
    """Islands of a mask `[height, width]`, once each is widened by one cell on every side.

    Cells touch along sides and corners. Widened, because the cells around a living one are alive too:
    growth walks across a gap that narrow by itself.
    """
    # Runs of each row, joined with those they touch in the row above: a few operations a run, where
    # a flood would take one a cell.
    parent: list[int] = []

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above: list[tuple[int, int, int]] = []
    for row in _widen(solid):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        runs, first = [], 0
        for start, end in edges.reshape(-1, 2).tolist():
            run = len(parent)
            parent.append(run)
            runs.append((start, end, run))
            while first < len(above) and above[first][1] < start:
                first += 1
            for other_start, _, other in above[first:]:
                if other_start > end:
                    break
                parent[root(other)] = root(run)
        above = runs
    return sum(run == up for run, up in enumerate(parent))


def farthest(solid: np.ndarray, row: int, column: int) -> int:
    """Cells that growth must walk from a cell to the farthest one of a mask `[height, width]`, inside it.

    A step goes to any of the eight neighbours; across a gap only when nothing is left on this side.
    """
    if max(solid.shape) > 2 * COARSE:  # the same on half the grid; the time goes with the cube of the side
        half = solid[::2, ::2]
        return 2 * farthest(half, min(row // 2, len(half) - 1), min(column // 2, half.shape[1] - 1))
    reached = np.zeros_like(solid)
    reached[row, column] = True
    count = 0
    while (solid & ~reached).any():
        grown = _widen(reached)
        inside = (grown & solid) | reached
        reached = grown if (inside == reached).all() else inside
        count += 1
    return count


def _widen(solid: np.ndarray) -> np.ndarray:
    padded = np.pad(solid, 1)
    wide = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    return wide[:-2] | wide[1:-1] | wide[2:]

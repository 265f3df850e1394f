"""Square views of a surface whose pixels know their triangle: how a loss of pictures looks at a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from petri.graph.mesh import Surface, upright

LEAST_FACING = 0.5  # cosine between the eye and a triangle's normal from which on it is seen well enough
ENOUGH = 0.995  # share of a view's pixels that must be seen well
TRIES = 40  # places that are looked at for each view that is wanted
FLATTEST = 0.9  # of how far a view may look down or up: nearer the poles nothing is upright


@dataclass(frozen=True)
class Views:
    """Several views: of each pixel the corners of its triangle, and how near it lies to each.

    Args:
        corners: int64 `[views, side, side, 3]`.
        weights: float32 `[views, side, side, 3]`; they add up to 1, and to 0 where nothing is seen.
    """

    corners: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, which: Sequence[int]) -> Views:
        """Some of them."""
        chosen = torch.as_tensor(which, device=self.corners.device)
        return Views(self.corners[chosen], self.weights[chosen])

    def to(self, device: torch.device) -> Views:
        """The same on a device."""
        return Views(self.corners.to(device), self.weights.to(device))

    def of(self, colours: Tensor) -> Tensor:
        """Pictures of the vertices' colours, between them as the triangles have it.

        Args:
            colours: `[batch, channels, node]`.

        Returns:
            `[batch · views, channels, side, side]`, the views of each sample after each other.
        """
        seen = (colours[:, :, self.corners] * self.weights).sum(dim=-1)
        return seen.transpose(1, 2).flatten(0, 1)

    def seen(self, surface: Surface) -> Tensor:
        """Pictures of a coloured surface, `[views, 3, side, side]`; black where nothing is seen."""
        if surface.paint is None:
            assert surface.colours is not None, "who asks has given it some"
            return self.of(torch.from_numpy(surface.colours.T.copy())[None])
        painted = surface.paint(self.corners.flatten(0, 2).numpy(), self.weights.flatten(0, 2).numpy())
        there = self.weights.sum(dim=-1, keepdim=True) > 0
        return (torch.from_numpy(painted).float().view(*there.shape[:3], 3) * there).movedim(-1, 1)


def look(surface: Surface, middle: np.ndarray, facing: np.ndarray, width: float, side: int) -> tuple[
    np.ndarray, np.ndarray, float
]:  # fmt: skip
    """One view, from straight above a place and without perspective.

    Args:
        middle: what lies in the middle of it.
        facing: unit vector from there to the eye; y is up in the picture.
        width: of what is seen, in the surface's units.
        side: pixels along it.

    Returns:
        Corners int64 and weights float64 `[side, side, 3]`, and the share of pixels that are seen well.
    """
    axes = upright(facing[None])[0]  # right, up, out
    places = (surface.vertices - middle) @ axes.T
    flat = np.stack([places[:, 0] / width + 0.5, 0.5 - places[:, 1] / width], axis=1) * side - 0.5
    which, pixels, shares = covered(flat[surface.faces], side)
    top = nearest(pixels, (places[surface.faces[which], 2] * shares).sum(axis=1))
    seen, weights = np.zeros((side * side, 3), np.int64), np.zeros((side * side, 3))
    seen[pixels[top]], weights[pixels[top]] = surface.faces[which[top]], shares[top]
    return (
        seen.reshape(side, side, 3),
        weights.reshape(side, side, 3),
        _well(surface, which[top], facing, side),
    )


def covered(corners: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which pixels of a square picture triangles cover.

    Args:
        corners: x to the right and y down of each, `[triangles, 3, 2]`; the middle of the first pixel is
            0, 0. A triangle is seen if they go counterclockwise, as one sees it.
        side: pixels along the picture.

    Returns:
        For each pair of a triangle and a pixel in it: the triangle, the pixel's number row by row, and how
        near it lies to each corner, `[pairs, 3]`, which add up to 1.
    """
    (ax, ay), (bx, by), (cx, cy) = (corners[:, index].T for index in range(3))
    area = (by - ay) * (cx - ax) - (bx - ax) * (cy - ay)  # positive: counterclockwise, as rows go down
    first = np.ceil(corners.min(axis=1)).clip(0).astype(int)
    last = np.floor(corners.max(axis=1)).clip(max=side - 1).astype(int)
    near = np.flatnonzero((area > 1e-12) & (last >= first).all(axis=1))
    spans = last[near] - first[near] + 1
    counts = spans.prod(axis=1)
    which = np.repeat(near, counts)  # a triangle for each pixel of its box
    within = np.arange(len(which)) - np.repeat(counts.cumsum() - counts, counts)
    across = np.repeat(spans[:, 0], counts)
    x, y = first[which, 0] + within % across, first[which, 1] + within // across
    a = ((by[which] - y) * (cx[which] - x) - (bx[which] - x) * (cy[which] - y)) / area[which]
    b = ((cy[which] - y) * (ax[which] - x) - (cx[which] - x) * (ay[which] - y)) / area[which]
    shares = np.stack([a, b, 1 - a - b], axis=1)
    hit = (shares >= -1e-9).all(axis=1)
    return which[hit], (y * side + x)[hit], shares[hit]


def nearest(pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Of points in pixels, by the pixels' numbers, those that nothing covers: the greatest depth in each."""
    order = np.lexsort((depth, pixels))  # the nearest of each pixel comes last
    return order[np.flatnonzero(np.diff(pixels[order], append=-1))]


def _well(surface: Surface, faces: np.ndarray, facing: np.ndarray, side: int) -> float:
    """The share of a view's pixels whose triangles look towards the eye."""
    a, b, c = (surface.vertices[surface.faces[faces, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    cosine = across @ facing / np.maximum(np.linalg.norm(across, axis=1), 1e-300)
    return float((cosine >= LEAST_FACING).sum()) / side**2


def views(surface: Surface, count: int, *, width: float, side: int, seed: int) -> Views:
    """Views of places all over a surface, drawn by chance: those that are seen well enough.

    Args:
        surface: fitted, so that `width` is of a size known.
        count: how many there are at most; fewer where the surface is too curved or too small for them.
        width: of what each sees.
        side: pixels along it.
        seed: of the places.
    """
    chance = np.random.default_rng(seed)
    normals, corners, weights = surface.normals(), [], []
    for _ in range(count * TRIES):
        vertex = chance.integers(len(surface.vertices))
        facing = normals[vertex]
        if abs(facing[1]) > FLATTEST or not facing.any():
            continue
        seen, shares, well = look(surface, surface.vertices[vertex], facing, width, side)
        if well >= ENOUGH:
            corners.append(seen)
            weights.append(shares)
        if len(corners) == count:
            break
    shape = (len(corners), side, side, 3)
    return Views(
        torch.from_numpy(np.reshape(corners, shape).astype(np.int64)),
        torch.from_numpy(np.reshape(weights, shape).astype(np.float32)),
    )

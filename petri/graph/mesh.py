"""A surface of triangles, what is odd about it, and the graph of its vertices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from petri.errors import BadRequest
from petri.nca.graph import Graph, of_edges

MOST_VERTICES, MOST_FACES = 2**21, 2**22

# Corners int64 [points, 3] of the triangles in which points lie, and their barycentric coordinates, to RGB
# [points, 3].
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Surface:
    """Vertices and triangles.

    Args:
        vertices: places, float64 `[vertices, 3]`.
        faces: int64 `[faces, 3]`, corners counterclockwise as seen from outside.
        colours: RGB of the vertices in 0..1, float32 `[vertices, 3]`; None if they have none.
        uv: where each face's corners lie in a picture, right and up, float64 `[faces, 3, 2]`; None if nobody
            has said.
        paint: what a decoder makes of the points between the vertices; None: their colours, as near as they
            lie.

    Raises:
        BadRequest: no vertex or no face, too many, a place that is not finite, or a corner that is no vertex.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray | None = None
    uv: np.ndarray | None = None
    paint: Paint | None = None

    def __post_init__(self) -> None:
        vertices, faces = np.asarray(self.vertices, np.float64), np.asarray(self.faces, np.int64)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or not len(vertices):
            has = f"got {list(vertices.shape)}" if len(vertices) else "this one has none"
            raise BadRequest(f"a mesh needs vertices [count, 3], {has}")
        if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
            raise BadRequest("a mesh needs faces, this one has none")
        if len(vertices) > MOST_VERTICES or len(faces) > MOST_FACES:
            raise BadRequest(
                f"a mesh may have {MOST_VERTICES:,} vertices and {MOST_FACES:,} faces, "
                f"got {len(vertices):,} and {len(faces):,}: thin it out first"
            )
        finite = (np.abs(vertices) <= np.finfo(np.float32).max).all(axis=1)  # as files hold them; NaN is not
        if not finite.all():
            bad = int((~finite).sum())
            raise BadRequest(f"a mesh's vertices must have finite places, {bad:,} have not")
        if faces.min() < 0 or faces.max() >= len(vertices):
            wrong = faces.min() if faces.min() < 0 else faces.max()
            raise BadRequest(f"a face's corners must be vertices in 0..{len(vertices) - 1}, got {wrong}")
        if self.colours is not None:
            colours = _finite("colours", np.asarray(self.colours, np.float32), vertices.shape)
            object.__setattr__(self, "colours", colours.clip(0, 1))
        if self.uv is not None:
            uv = _finite("places in a picture", np.asarray(self.uv, np.float64), (*faces.shape, 2))
            object.__setattr__(self, "uv", uv)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @property
    def edges(self) -> np.ndarray:
        """Its edges, each once: int64 `[edges, 2]`, the smaller vertex first."""
        return self._edges()[0]

    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The edges, and of how many faces each is one."""
        pairs = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        keys, counts = np.unique(pairs[:, 0] * len(self.vertices) + pairs[:, 1], return_counts=True)
        return np.stack(np.divmod(keys, len(self.vertices)), axis=1), counts

    @property
    def border(self) -> int:
        """Edges that belong to one face alone: the surface is open there."""
        return int((self._edges()[1] == 1).sum())

    @property
    def parts(self) -> int:
        """How many pieces hang together each for itself."""
        root = np.arange(len(self.vertices))
        first, second = self.edges.T
        while True:  # the least number goes from neighbour to neighbour, and by leaps of what it has reached
            before = root.copy()
            np.minimum.at(root, first, root[second])
            np.minimum.at(root, second, root[first])
            root = root[root]
            if np.array_equal(before, root):
                return len(np.unique(root))

    def graph(self, frame: str = "world") -> Graph:
        """Its vertices, each of which reads those that it shares an edge with.

        Args:
            frame: what directions are told by, as `Mesh.frame` has it: the axes of space, or right, up and
                out as they are at each vertex.
        """
        places, pairs = torch.from_numpy(self.vertices.copy()), torch.from_numpy(self.edges.copy())
        axes = torch.from_numpy(upright(self.normals())) if frame == "upright" else None
        return of_edges(len(self.vertices), pairs, places, axes)

    @property
    def edge(self) -> float:
        """How long its edges are, the mean."""
        first, second = self.edges.T
        return float(np.linalg.norm(self.vertices[second] - self.vertices[first], axis=1).mean())

    def cut(self) -> Surface:
        """The same, each triangle cut into four by the middles of its edges; colours go along."""
        sides = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
        keys, which = np.unique(sides[:, 0] * len(self.vertices) + sides[:, 1], return_inverse=True)
        first, second = np.divmod(keys, len(self.vertices))
        ab, bc, ca = (len(self.vertices) + which.reshape(-1, 3)).T
        a, b, c = self.faces.T
        faces = _quarters(a, b, c, ab, bc, ca).reshape(-1, 3)
        uv = None
        if self.uv is not None:
            a, b, c = self.uv.transpose(1, 0, 2)
            uv = _quarters(a, b, c, (a + b) / 2, (b + c) / 2, (c + a) / 2).reshape(-1, 3, 2)

        def halved(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, (values[first] + values[second]) / 2])

        colours = None if self.colours is None else halved(self.colours)
        return Surface(halved(self.vertices), faces, colours, uv)

    def fitted(self) -> Surface:
        """The same, its box's middle in the origin and its farthest vertex at distance 1."""
        middle = (self.vertices.max(axis=0) + self.vertices.min(axis=0)) / 2
        moved = self.vertices - middle
        far = np.linalg.norm(moved, axis=1).max()
        return replace(self, vertices=moved / far if far > 0 else moved)

    def coloured(self, colours: np.ndarray) -> Surface:
        """The same, its vertices of other colours: RGB `[vertices, 3]`, beyond 0..1 cut off."""
        return replace(self, colours=colours, paint=None)

    def at(self, corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """The colours of points, RGB `[points, 3]`.

        Args:
            corners: of the triangle that each lies in, `[points, 3]`.
            shares: how near it lies to each of them, `[points, 3]`, which add up to 1.
        """
        if self.paint is not None:
            return self.paint(corners, shares)
        assert self.colours is not None, "who asks has some"
        return (self.colours[corners] * shares[..., None]).sum(axis=1)

    def normals(self) -> np.ndarray:
        """Directions that the vertices face, unit vectors `[vertices, 3]`; 0 where there is none."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        across = np.cross(b - a, c - a)  # as long as twice the area
        found = np.zeros_like(self.vertices)
        for corner in range(3):
            np.add.at(found, self.faces[:, corner], across)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-300)


def _finite(what: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same values, if they are what is wanted.

    Raises:
        BadRequest: of another shape, or NaN or infinite.
    """
    if values.shape != shape:
        raise BadRequest(f"{what} of a mesh must be {list(shape)}, got {list(values.shape)}")
    if bad := int((~np.isfinite(values)).sum()):
        raise BadRequest(f"{what} of a mesh must be finite numbers, {bad:,} are not")
    return values


def _quarters(a: Any, b: Any, c: Any, ab: Any, bc: Any, ca: Any) -> np.ndarray:
    """The four triangles that each is cut into, of whatever its corners and the middles of its edges have."""
    pieces = ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))
    return np.stack([np.stack(corners, axis=1) for corners in pieces], axis=1)


def fans(faces: list[list[int]]) -> np.ndarray:
    """Faces of any number of corners as triangles, int64 `[triangles, 3]`.

    Raises:
        BadRequest: too many, or a corner that can be no vertex.
    """
    check_triangles(sum(max(0, len(face) - 2) for face in faces))
    triangles = [(face[0], face[at], face[at + 1]) for face in faces for at in range(1, len(face) - 1)]
    try:
        return np.array(triangles, np.int64).reshape(-1, 3)
    except OverflowError:
        raise BadRequest("a face's corners must be vertices, one is a number beyond them all") from None


def check_triangles(count: int) -> None:
    """Refuse so many triangles before they are made.

    Raises:
        BadRequest: they are too many.
    """
    if count > MOST_FACES:
        raise BadRequest(f"a mesh may have {MOST_FACES:,} triangles, it has {count:,}: thin it out first")


def upright(normals: np.ndarray) -> np.ndarray:
    """What lies right, up and out of places that face somewhere, y being up.

    Args:
        normals: unit vectors `[places, 3]`.

    Returns:
        `[places, 3, 3]`: three unit vectors each. Where a place faces straight up or down, z takes the part
        of y; where it faces nowhere, they are x, y and z.
    """
    out = np.where(np.any(normals, axis=1, keepdims=True), normals, [0.0, 0.0, 1.0])
    steep = np.abs(out[:, 1:2]) > 1 - 1e-6
    up = np.where(steep, [0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    up = up - (up * out).sum(axis=1, keepdims=True) * out
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    return np.stack([np.cross(up, out), up, out], axis=1)


@dataclass(frozen=True)
class Mended:
    """A surface without what a file may have too much of, and what that was."""

    surface: Surface
    welded: int  # vertices in the place of an earlier one
    flat: int  # faces with two corners in one place: what is left of edges without length
    doubled: int  # faces of three corners that another one had
    alone: int  # vertices of no face

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done and what is odd, a line each; of an ordinary closed mesh none."""
        said = []
        for count, one, many in (
            (
                self.welded,
                "vertex lay where another one does: welded",
                "vertices lay where others do: welded",
            ),
            (
                self.flat,
                "face had an edge without length: left out",
                "faces had an edge without length: left out",
            ),
            (self.doubled, "face stood twice: left out once", "faces stood twice: left out once"),
            (self.alone, "vertex belonged to no face: left out", "vertices belonged to no face: left out"),
        ):
            if count:
                said.append(f"{count:,} {one if count == 1 else many}")
        if (parts := self.surface.parts) > 1:
            said.append(f"{parts:,} parts, between which nothing passes")
        if border := self.surface.border:
            said.append(f"{border:,} edges are the rim of one face alone: the surface is open there")
        return tuple(said)


def mend(surface: Surface) -> Mended:
    """Weld vertices of one place, and leave out faces without area or twins, and vertices of no face.

    Vertices are one if all three coordinates are equal as float32, the precision that files have.

    Raises:
        BadRequest: no face is left.
    """
    places = np.ascontiguousarray(surface.vertices.astype(np.float32) + np.float32(0))  # −0 is 0
    keys = places.view(np.dtype((np.void, places.itemsize * 3)))[:, 0]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    target = first[which.reshape(-1)]  # the first vertex in the same place
    faces = target[surface.faces]
    a, b, c = faces.T
    full = (a != b) & (b != c) & (c != a)
    whole = faces[full]
    _, index = np.unique(np.sort(whole, axis=1), axis=0, return_index=True)
    index = np.sort(index)
    kept = whole[index]
    if not len(kept):
        raise BadRequest("a mesh needs faces with an area, this one has none")
    used = np.unique(kept)
    number = np.full(len(surface.vertices), -1)
    number[used] = np.arange(len(used))
    mended = Surface(
        surface.vertices[used],
        number[kept],
        None if surface.colours is None else surface.colours[used],
        None if surface.uv is None else surface.uv[np.flatnonzero(full)[index]],
    )
    welded = int((target != np.arange(len(target))).sum())
    alone = len(np.unique(target)) - len(used)
    return Mended(mended, welded, int((~full).sum()), len(whole) - len(kept), alone)

"""Meshes and graphs of other libraries, by what they have and without importing any of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from petri.errors import BadRequest
from petri.graph.mesh import Surface
from petri.nca.graph import Graph, of_edges


def surface_of(thing: Any) -> Surface:
    """A surface from an object with `.vertices` and `.faces`, or with `.points` and `.cells`.

    The first is trimesh's way, the second meshio's, whose blocks of triangles are taken.

    Raises:
        BadRequest: it has neither, or no triangles.
    """
    if isinstance(thing, Surface):
        return thing
    if hasattr(thing, "vertices") and hasattr(thing, "faces"):
        faces = np.asarray(thing.faces)
        return Surface(np.asarray(thing.vertices), faces, _colours_of(thing), _uv_of(thing, faces))
    if hasattr(thing, "points") and hasattr(thing, "cells"):
        kinds = [(getattr(block, "type", None), getattr(block, "data", None)) for block in thing.cells]
        blocks = [np.asarray(corners) for kind, corners in kinds if kind == "triangle"]
        if not blocks:
            raise BadRequest("a mesh needs faces: its cells have no block of triangles")
        return Surface(_in_space(np.asarray(thing.points, np.float64)), np.concatenate(blocks))
    raise BadRequest(
        f"a mesh has vertices and faces, or points and cells, got a {type(thing).__name__} with neither"
    )


def _colours_of(thing: Any) -> np.ndarray | None:
    """A trimesh's colours of its vertices, if it has any of its own."""
    visual: Any = getattr(thing, "visual", None)
    if getattr(visual, "kind", None) != "vertex":
        return None
    return np.asarray(visual.vertex_colors, np.float32)[:, :3] / 255


def _uv_of(thing: Any, faces: np.ndarray) -> np.ndarray | None:
    """Where a trimesh's corners lie in a picture, if it says so for its vertices."""
    places = getattr(getattr(thing, "visual", None), "uv", None)
    return None if places is None or len(places) != len(thing.vertices) else np.asarray(places)[faces]


def graph_of(thing: Any) -> Graph:
    """A graph from whatever has one; its edges go both ways.

    Taken are a `Graph`, a surface as of `surface_of`, an object with `.edge_index` `[2, edges]` and perhaps
    `.pos` (torch_geometric's), one with `.nodes` and `.edges` whose nodes perhaps have a `pos` (networkx's),
    and a sparse matrix with `.tocoo()` (scipy's). Without places there are no directions, and only the
    Laplacian runs.

    Raises:
        BadRequest: it is none of these.
    """
    if isinstance(thing, Graph):
        return thing
    if hasattr(thing, "edge_index"):
        pairs = torch.as_tensor(np.asarray(thing.edge_index)).long()
        if pairs.ndim != 2 or len(pairs) != 2:
            raise BadRequest(f"an edge_index must be [2, edges], got {list(pairs.shape)}")
        places = getattr(thing, "pos", None)
        count = len(places) if places is not None else getattr(thing, "num_nodes", None)
        if count is None:
            count = int(pairs.max()) + 1 if pairs.numel() else 0
        return of_edges(int(count), pairs.T, _places(places))
    if hasattr(thing, "tocoo"):
        found = thing.tocoo()
        if found.shape[0] != found.shape[1]:
            raise BadRequest(f"a graph's matrix must be square, got {list(found.shape)}")
        pairs = torch.from_numpy(np.stack([found.row, found.col], axis=1).astype(np.int64))
        return of_edges(found.shape[0], pairs)
    if callable(getattr(thing, "nodes", None)) and callable(getattr(thing, "edges", None)):
        number = {node: place for place, node in enumerate(thing.nodes)}
        joined = [[number[a], number[b]] for a, b, *_ in thing.edges()]
        pairs = torch.tensor(joined, dtype=torch.int64).reshape(-1, 2)
        held = [data.get("pos") for _, data in thing.nodes(data=True)]
        places = held if held and all(place is not None for place in held) else None
        return of_edges(len(number), pairs, _places(places))
    return surface_of(thing).graph()


def _places(places: Any) -> torch.Tensor | None:
    if places is None:
        return None
    try:
        found = np.asarray(places, np.float64)
    except (TypeError, ValueError):  # of words, or of unequal length
        raise BadRequest("places must be numbers, two or three of each node") from None
    return torch.from_numpy(_in_space(found))


def _in_space(places: np.ndarray) -> np.ndarray:
    """Places of two dimensions in three."""
    if places.ndim != 2 or places.shape[1] not in (2, 3):
        raise BadRequest(f"places must be [nodes, 2] or [nodes, 3], got {list(places.shape)}")
    return np.pad(places, ((0, 0), (0, 3 - places.shape[1])))

"""The mesh that a model was trained on, found again: a model's own file has none, and runs on any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from petri import tensorfile
from petri.errors import BadRequest
from petri.graph import named
from petri.graph.mesh import Surface
from petri.graph.patterns import PATTERNS, paint
from petri.graph.read import read
from petri.graph.sphere import icosphere
from petri.modelfile import Model
from petri.nca.space import Mesh
from petri.tasks.wear import WORN as WORN_BY
from petri.training.runs import CHECKPOINT

COLOURED, WORN = "coloured.ply", "worn.ply"  # in a run's folder


def on_its_mesh(model: Model, folder: Path) -> Model:
    """A model of a mesh on the one that it was trained on; others are given back as they are.

    The mesh is that of the run's checkpoint, or the folder's `coloured.ply`, or the one that the recipe
    names, whichever is there first; its colours are those that the model is to come to, if they are known.
    A texture wears the folder's `worn.ply`, or else the sphere that it was trained on.

    Args:
        model: as read from `folder`.
        folder: that the model lies in.

    Raises:
        BadRequest: there is none of these.
    """
    if not isinstance(model.spec.space, Mesh) or model.surface is not None:
        return model
    recipe = model.training.get("recipe")
    surface = find(recipe if isinstance(recipe, dict) else {}, folder, model.grid[1])
    if surface is None:
        raise BadRequest(
            f"{model.target} is of a mesh of {model.grid[1]:,} vertices, which is not to be found: neither "
            f"{CHECKPOINT} nor {COLOURED} lies in {folder}, nor is there the mesh that it was trained on"
        )
    return on(model, surface)


def on(model: Model, surface: Surface) -> Model:
    """A model of a mesh on a surface, whose places are rounded as files hold them.

    Raises:
        BadRequest: the model is of no mesh.
    """
    rounded = replace(surface, vertices=surface.vertices.astype(np.float32))
    graph = rounded.graph(model.spec.space.frame)
    return replace(model, automaton=model.automaton.on(graph), surface=rounded)


def find(recipe: dict[str, Any], folder: Path, nodes: int) -> Surface | None:
    """The mesh of so many vertices that a recipe is for; None if it is nowhere."""
    terms = recipe.get("loss")
    loss: dict[str, Any] = terms if isinstance(terms, dict) else {}
    if recipe.get("task") in WORN_BY:
        return _of_texture(loss.get("level"), folder)
    mesh, pattern = loss.get("mesh"), recipe.get("target")
    for look in (
        lambda: _of_checkpoint(folder / CHECKPOINT),
        lambda: replace(read(folder / COLOURED), colours=None),
        lambda: named.load(mesh).surface if isinstance(mesh, str) else None,
    ):
        try:
            found = look()
        except BadRequest:
            continue
        if found is None or len(found.vertices) != nodes:
            continue
        return paint(pattern, found) if found.colours is None and pattern in PATTERNS else found
    return None


def _of_texture(level: Any, folder: Path) -> Surface | None:
    try:
        return replace(read(folder / WORN), colours=None)
    except BadRequest:
        return icosphere(level) if isinstance(level, int) and 0 <= level <= 9 else None


def _of_checkpoint(path: Path) -> Surface | None:
    if not path.is_file():
        return None
    try:
        with tensorfile.opened(path) as file:  # the pool, most of it, is not read
            parts = [file.get_tensor(name).numpy() for name in ("places", "faces", "colours")]
    except (SafetensorError, OSError, ValueError) as error:
        raise BadRequest(f"{path} has no mesh: {error}") from None
    return Surface(parts[0], parts[1], parts[2].T)

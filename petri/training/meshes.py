"""Where recipes for meshes come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from petri import checks, targets
from petri.errors import BadRequest
from petri.graph.mesh import Surface
from petri.graph.sphere import icosphere, nodes_of
from petri.nca import Cell, Harmonics, Invariants, Mesh, Mlp, Noise, Spec
from petri.nca.graph import hops
from petri.training.presets import PATIENCE, merge, over
from petri.training.recipe import Recipe, plain
from petri.training.textures import DECODER as SQUARES

# What a vertex senses, by the names that `petri mesh grow` has for it.
PERCEPTIONS: dict[str, Harmonics | Invariants] = {
    "laplacian": Harmonics(order=0),
    "slope": Harmonics(order=1),
    "harmonics2": Harmonics(order=2),
    "invariants": Invariants(),
}
BY_LENGTH = "-by-length"  # behind the name of harmonics: they heed how long edges are
# Of triangles, whose coordinates have no seams as they are: there is nothing to be made periodic.
DECODER = {**SQUARES, "frequencies": 0}
RULE = Mlp(hidden=96, layers=2)
EPOCHS, WEAR_EPOCHS = 2000, 1500
PACE = 2.0  # steps that growth is given for each edge of the way to the farthest vertex
LEAST = 32  # steps


def top(surface: Surface) -> int:
    """The vertex that lies highest, where growth begins."""
    return int(surface.vertices[:, 1].argmax())


def sense_of(perception: str, edge: float) -> Harmonics | Invariants:
    """What a vertex senses, by name: one of `PERCEPTIONS`, or of harmonics `slope-by-length` and the like.

    Args:
        perception: the name.
        edge: length of the usual edge, which what is sensed by length is compared with.

    Raises:
        BadRequest: there is no such name.
    """
    by_length = {
        name + BY_LENGTH: sense for name, sense in PERCEPTIONS.items() if isinstance(sense, Harmonics)
    }
    checks.choice("perception", perception, (*PERCEPTIONS, *by_length))
    found = by_length.get(perception)
    return replace(found, edge=edge) if found else PERCEPTIONS[perception]


def make_mesh_recipe(
    mesh: str,
    pattern: str,
    surface: Surface,
    *,
    perception: str = "slope",
    settings: list[str] | tuple[str, ...] = (),
    epochs: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """The recipe for a mesh that is to be coloured.

    Args:
        mesh: as the user named it.
        pattern: that it is to have; the mesh itself for its own colours.
        surface: the mesh.
        perception: as of `sense_of`.
        settings, epochs, seed: as of `petri.training.presets.make_recipe`.

    Raises:
        BadRequest: a field unknown, a value out of range or two that contradict each other.
    """
    sense = sense_of(perception, surface.edge)
    nodes, start = len(surface.vertices), top(surface)
    least = max(LEAST, round(PACE * int(hops(surface.graph(), start).max())))
    spec = Spec(
        space=Mesh(),
        senses=(sense,),
        start=Cell(x=(start + 0.5) / nodes),
        rule=RULE,
    )
    stem = mesh.replace(":", "-") if mesh.startswith("sphere:") else Path(mesh).stem
    fields: dict[str, Any] = {
        "spec": plain(spec.to_fields()),
        "phases": [{"res": [1, nodes], "epochs": EPOCHS, "batch": 2, "steps": [least, least * 3 // 2]}],
        "pool": {"size": 32, "damage": 1},
        "optimiser": {"learning_rate": 2e-3, "average": 0.99},
        "hold": 0,
        "target": pattern,
        "targets": [],
        "task": "surface",
        "name": stem if pattern == mesh else f"{stem}-{pattern}",
        "loss": {"mesh": mesh, "faces": len(surface.faces)},
    }
    return over(fields, settings=settings, architecture={}, epochs=epochs, seed=seed)


def checked(mesh: str, pattern: str | None, surface: Surface) -> str:
    """The pattern that is meant: the mesh's own colours if none is named.

    Raises:
        BadRequest: it has none.
    """
    if pattern is None and surface.colours is None:
        raise BadRequest(f"{mesh} has no colours of its own: name a pattern, such as spots")
    return pattern or mesh


def make_wear_recipe(
    mesh: str,
    image: str,
    *,
    level: int = 6,
    pixels: int | None = None,
    perception: str = "slope",
    settings: list[str] | tuple[str, ...] = (),
    cut: dict[str, Any] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """The recipe for a texture that is woven on a sphere, and that meshes wear.

    Args:
        mesh: that wears it when it is trained, as the user named it.
        image: the picture as the user named it.
        level: of the icosphere.
        pixels: along a side of a view of what a decoder paints; None for no decoder.
        perception: as of `sense_of`.
        cut: `scale` and `crop` of the picture, if they were asked for.
        settings, epochs, seed: as of `petri.training.presets.make_recipe`.

    Raises:
        BadRequest: a field unknown, a value out of range or two that contradict each other.
    """
    sense = sense_of(perception, icosphere(level).edge)
    spec = Spec(space=Mesh(frame="upright"), senses=(sense,), start=Noise(), rule=RULE, colour_offset=0.5)
    phase = {"res": [1, nodes_of(level)], "epochs": WEAR_EPOCHS, "batch": 1, "turns": 8, "steps": [32, 64]}
    fields: dict[str, Any] = {
        "spec": plain(spec.to_fields()),
        "phases": [phase],
        "pool": {"size": 32, "newcomer": 1, "damage": 1, "damage_every": 4},
        "patience": PATIENCE,
        "optimiser": {"learning_rate": 3e-3, "warm_up": 0.02, "shortest": 1.0, "average": 0.99},
        "hold": 0,
        "target": targets.written(image),
        "targets": [],
        "task": "wear",
        "name": image if image in targets.PICTURES else Path(image).name,
        "loss": {**(cut or {}), "mesh": mesh, "level": level},
    }
    if pixels is not None:
        merge(fields, {"task": "glaze", "spec": {"decoder": DECODER}, "loss": {"pixels": pixels}})
    return over(fields, settings=settings, architecture={}, epochs=epochs, seed=seed)

"""The manifest: all that the page needs to know of each model; `viewer/README.md` describes it."""

from __future__ import annotations

import base64
import copy
import io
import json
import math
from dataclasses import replace
from typing import Any

from PIL import Image

from petri import ground, modelfile
from petri.errors import BadRequest
from petri.film import film as growth
from petri.graph.growth import growth as on_graph
from petri.graph.painting import shown
from petri.graph.raster import draw
from petri.graph.write import ply
from petri.images import picture
from petri.modelfile import Model
from petri.nca.space import Mesh
from petri.shaders.golden import golden
from petri.shaders.obstacle import obstacle
from petri.version import __version__

FORMAT, SCHEMA = "petri-manifest", "1"
WEBP, PLY = "image/webp", "model/ply"
THUMBNAIL = 96  # pixels along a side
FILMED = 128  # cells along a side that a film shows at most
PAINTED = 256  # and pixels of what a decoder paints
FILM_STEPS, FILM_EVERY, FILM_RATE = 200, 4, 15  # steps in all and a frame, and frames a second


def entry(model: Model, *, name: str, file: str) -> dict[str, Any]:
    """Describe a model.

    Args:
        model: grown twice on the CPU, on its own grid for the thumbnail and on a small one for the
            golden values or, if a browser cannot compute it, for a film.
        name: unique in the manifest.
        file: URL of the model file.

    Raises:
        BadRequest: it is of a mesh and has none.
    """
    spec, nodes = model.automaton.spec, _row(model)
    reason = obstacle(spec, nodes=model.nodes)
    model = replace(model, automaton=copy.deepcopy(model.automaton).cpu())
    return {
        "name": name,
        "title": model.target,
        "file": file,
        "bytes": len(modelfile.to_bytes(model)),
        "spec": json.loads(spec.to_json()),
        "description": spec.describe(),
        "parameters": spec.parameters,
        "res": model.res,
        "steps": model.steps,
        "heals": heals(model),
        "ground": ground.of(model) if spec.living else None,
        "healed": healed(model),
        # What JSON does not know, such as NaN, becomes null: a browser would refuse the whole manifest.
        "training": json.loads(json.dumps(model.training), parse_constant=lambda _: None),
        "thumbnail": thumbnail(model),
        "obstacle": reason or None,
        "film": data_uri(film(model), WEBP) if reason else None,
        "golden": None if reason else _golden(model, nodes),
        **({"mesh": data_uri(ply(model.surface), PLY)} if model.surface and not reason else {}),
        **({"conditions": list(model.conditions)} if model.conditions else {}),
        **({"classes": list(model.classes)} if model.classes else {}),
    }


def _golden(model: Model, nodes: tuple[int, int] | None) -> dict[str, Any]:
    """What the page compares itself with."""
    faces = model.surface.faces if model.surface else None
    return golden(model.automaton, grid=nodes, faces=faces, condition=model.condition())


def _row(model: Model) -> tuple[int, int] | None:
    """The row of nodes that a model of a ring or a mesh has."""
    if not model.spec.space.on_graph:
        return None
    if isinstance(model.spec.space, Mesh) and model.surface is None:
        raise BadRequest(f"{model.target} is of a mesh, and the mesh is not given with it")
    return 1, model.nodes


def to_json(entries: list[dict[str, Any]]) -> str:
    """The manifest of these entries, a line each."""
    head = json.dumps({"format": FORMAT, "schema": SCHEMA, "version": __version__})[:-1]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    return f'{head}, "models": [\n{lines}\n]}}\n'


def heals(model: Model) -> bool | None:
    """Whether it was trained to grow back what is cut away; None if its file does not say."""
    if "trained_to" in model.training:
        return model.training["trained_to"] == "regenerate"
    recipe = model.training.get("recipe")
    if not isinstance(recipe, dict):
        return None
    pool = recipe.get("pool")
    return bool(pool.get("damage")) if isinstance(pool, dict) else None


def healed(model: Model) -> float | None:
    """Percent of what a cut circle takes, of a mesh a patch, that was measured to grow back; None if unknown.

    Of several targets the mean.
    """
    evaluation = model.training.get("evaluation")
    if not isinstance(evaluation, dict):
        return None
    each = evaluation.get("each", [evaluation])
    found = [_of_circle(one) for one in each] if isinstance(each, list) else []
    known = [percent for percent in found if percent is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def _of_circle(evaluation: Any) -> float | None:
    cuts = evaluation.get("regeneration") if isinstance(evaluation, dict) else None
    for cut in cuts if isinstance(cuts, list) else ():
        if isinstance(cut, dict) and cut.get("kind") in ("circle", "patch"):
            percent = cut.get("percent")
            return percent if isinstance(percent, int | float) and math.isfinite(percent) else None
    return None


def thumbnail(model: Model, on: str = ground.TRANSPARENT) -> str:
    """The grown pattern as a small WebP, in a data URI; a figure on a ground or transparent."""
    if model.spec.space.on_graph:
        image = Image.fromarray(
            draw(shown(model.grown(), model.automaton, model.surface), pixels=2 * THUMBNAIL, through=True)
        )
    else:
        image = Image.fromarray(picture(model.automaton, model.grown(), on, pixels=2 * THUMBNAIL))
    shrinks = image.width > THUMBNAIL
    image = image.resize(
        (THUMBNAIL, THUMBNAIL), Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    )
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=80, method=6)
    return data_uri(content.getvalue(), WEBP)


def film(model: Model) -> bytes:
    """The growth of a model that a browser cannot compute: an animated WebP, a pixel a cell or as painted."""
    automaton, side = model.automaton, min(model.res, FILMED)
    pixels = min(model.pixels_of(side), PAINTED)
    on = ground.of(model)
    if model.spec.space.on_graph:
        surfaces = on_graph(automaton, model.nodes, model.surface, FILM_STEPS, every=FILM_EVERY)
        frames = [Image.fromarray(draw(surface, pixels=PAINTED)) for _, surface in surfaces]
    else:
        frames = [
            Image.fromarray(frame)
            for _, frame in growth(
                automaton,
                (side, side),
                FILM_STEPS,
                ground=on,
                every=FILM_EVERY,
                condition=model.condition(),
                fixed=model.sample((side, side)),
                pixels=pixels,
            )
        ]
    content = io.BytesIO()
    frames[0].save(
        content,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=[1000 // FILM_RATE] * (len(frames) - 1) + [2000],  # the end stays for a while
        loop=0,
        quality=80,
        method=4,
    )
    return content.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Content as an address of its own."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def content(address: str) -> bytes:
    """And back."""
    return base64.b64decode(address.partition(",")[2])

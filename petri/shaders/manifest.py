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
from petri.images import picture
from petri.modelfile import Model
from petri.shaders.golden import golden
from petri.version import __version__

FORMAT, SCHEMA = "petri-manifest", "1"
THUMBNAIL = 96  # pixels along a side


def entry(model: Model, *, name: str, file: str) -> dict[str, Any]:
    """Describe a model.

    Args:
        model: grown twice on the CPU, on its own grid for the thumbnail and on a small one for the
            golden values.
        name: unique in the manifest.
        file: URL of the model file.
    """
    spec = model.automaton.spec
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
        "golden": golden(model.automaton),
    }


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
    return bool(isinstance(pool, dict) and pool.get("damage"))


def healed(model: Model) -> float | None:
    """Percent of what a cut circle takes that was measured to grow back; None if its file does not say."""
    evaluation = model.training.get("evaluation")
    cuts = evaluation.get("regeneration") if isinstance(evaluation, dict) else None
    for cut in cuts if isinstance(cuts, list) else ():
        if isinstance(cut, dict) and cut.get("kind") == "circle":
            percent = cut.get("percent")
            return percent if isinstance(percent, int | float) and math.isfinite(percent) else None
    return None


def thumbnail(model: Model, on: str = ground.TRANSPARENT) -> str:
    """The grown pattern as a small WebP, in a data URI; a figure on a ground or transparent."""
    image = Image.fromarray(picture(model.grown(), model.automaton.spec, on))
    shrinks = image.width > THUMBNAIL
    image = image.resize(
        (THUMBNAIL, THUMBNAIL), Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    )
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=80, method=6)
    return data_uri(content.getvalue(), "image/webp")


def data_uri(content: bytes, kind: str) -> str:
    """Content as an address of its own."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

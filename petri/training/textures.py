"""Where recipes for textures come from: presets of their own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from petri import checks, targets
from petri.errors import BadRequest
from petri.maps import MAPS
from petri.nca.spec import Spec
from petri.training.presets import PATIENCE, for_as_many, for_several, merge, over, painted_by
from petri.training.recipe import Recipe, plain

PRESETS = {
    "quick": "minutes on two cores at 96² or 128²; one state at a time; VGG16's blocks 1–3 at three sizes",
    "distill": "the settings of Self-Organising Textures (2021); needs VGG16's blocks 4 and 5",
}
MATERIAL = "material"  # the task of a decoder
THREE_SIZES = 32  # cells along a side, of which a quarter still has places to compare
DECODER = {
    "kind": "lppn",
    "width": 32,
    "outputs": 3,
}  # half as wide as a figure's: every place is painted, and often
PLANE = {"living": False, "space": {"padding": "wrap"}, "colour_offset": 0.5, "clamp": "none"}


def quick(res: int) -> dict[str, Any]:
    """Many batches of one: a fresh state in one of eight, else the pool's, some of them wounded."""
    return {
        "phases": [{"res": res, "epochs": 1500, "batch": 1, "turns": 8, "steps": [32, 64]}],
        "spec": {
            "perception": "learned+dilated", "hidden": 96, "layers": 2, "residual": False, "gated": False,
            "start": {"kind": "noise", "level": 0.1},
        },
        "loss": {"sizes": 3 if res >= THREE_SIZES else 2},
        "pool": {"size": 32, "newcomer": 1, "damage": 1, "damage_every": 4},
        "patience": PATIENCE,
        "optimiser": {"learning_rate": 3e-3, "warm_up": 0.02, "shortest": 1.0, "average": 0.99},
    }  # fmt: skip


def distill(res: int) -> dict[str, Any]:
    """The canonical experiment; it was on 128×128 cells, and its output layer had no bias.

    Source: Niklasson et al. 2021, "Self-Organising Textures".
    """
    phase = {"res": res, "batch": 4, "turns": 8, "fresh": 1, "steps": [32, 96]}
    return {
        "phases": [
            {**phase, "epochs": 1000},
            {**phase, "epochs": 1000, "rate": 0.3},
            {**phase, "epochs": 3000, "rate": 0.09},
        ],
        "spec": {
            "channels": 12, "perception": "sobel+laplacian", "hidden": 96, "layers": 2, "residual": False,
            "gated": False, "start": {"kind": "uniform", "value": 0.0},
        },
        "loss": {"blocks": 5, "sizes": 1, "overflow": 1.0},
        "pool": {"size": 256, "newcomer": 1},
        "optimiser": {"learning_rate": 1e-3, "schedule": "drop", "drop_to": 1.0, "warm_up": 0.0},
    }  # fmt: skip


MAKERS = {"quick": quick, "distill": distill}


def make_texture_recipe(
    name: str,
    asked: Sequence[str],
    *,
    preset: str = "quick",
    res: int,
    file: dict[str, Any] | None = None,
    settings: list[str] | tuple[str, ...] = (),
    cut: dict[str, Any] | None = None,
    pixels: int | None = None,
    maps: Sequence[str] = (),
    architecture: dict[str, Any] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """The recipe for a texture, or for several that one rule weaves.

    Args:
        name: what it is called; of a file, its name without the folders.
        asked: the picture as the user gave it, or several.
        preset: what it starts from.
        res: cells along a side.
        file: fields of a recipe file, over the preset's.
        settings: single values over those, such as `loss.sizes=2`.
        cut: `scale` and `crop` of the picture, if they were asked for.
        pixels: along a side of what a decoder paints; None for no decoder, unless the file has one.
        maps: of a material, which it paints.
        architecture: Spec fields over those.
        epochs: in all.
        seed: of everything random.

    Raises:
        BadRequest: a field unknown, a value out of range or two that contradict each other.
    """
    checks.choice("preset", preset, tuple(PRESETS))
    fields: dict[str, Any] = {"spec": plain(Spec().to_fields() | {"fire_rate": None}), "hold": 0}
    merge(fields, {"spec": PLANE})
    made, count = MAKERS[preset](res), len(asked)
    if painted := painted_by(pixels, file, MATERIAL):
        if count > 1 or preset != "quick":
            raise BadRequest("--pixels is for one texture and the preset quick")
        made["spec"]["decoder"] = DECODER
        merge(made, {"loss": {"pixels": painted, "sizes": 3 if painted >= THREE_SIZES else 2}})
    merge(fields, for_several(made, count) if count > 1 else made)
    merge(fields, for_as_many(copy.deepcopy(file or {}), count))
    if painted:
        decoder = fields["spec"]["decoder"]
        outputs = sum(MAPS[name] for name in maps) or 3
        if not isinstance(decoder, dict):
            decoder = DECODER  # the file has none
        merge(fields, {"spec": {"decoder": {**decoder, "outputs": outputs, "maps": list(maps)}}})
    written = [targets.written(one) for one in asked]
    if count > 1:
        merge(fields, {"target": name, "targets": written, "task": "textures", "spec": {"fixed": count}})
    else:
        merge(fields, {"target": written[0], "targets": [], "spec": {"fixed": 0}})
        merge(fields, {"task": MATERIAL if painted else "texture"})
    if pixels is not None:
        merge(fields, {"loss": {"pixels": pixels}})
    merge(fields, {"name": name})
    merge(fields, {"loss": cut or {}})
    return over(fields, settings=settings, architecture=architecture or {}, epochs=epochs, seed=seed)

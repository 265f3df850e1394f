"""Where recipes for classifiers come from: presets of their own."""

from __future__ import annotations

import copy
from typing import Any

from petri import checks
from petri.datasets import PICTURES
from petri.datasets.sources import CLASSES, SHAPES
from petri.nca.spec import Spec
from petri.training.presets import merge, over
from petri.training.recipe import Recipe, plain

PRESETS = {
    "quick": "half an hour on a core for digits; cells see three cells far; cross-entropy",
    "distill": "the settings of Self-classifying MNIST Digits (2020); squared error",
}
BLANK = {"start": {"kind": "uniform", "value": 0.0}, "clamp": "none", "living": False, "gated": False,
         "residual": False}  # fmt: skip


def quick(name: str) -> dict[str, Any]:
    """Short rollouts from nothing first, as they teach the most in a time; then states of the pool, too.

    All cells of a digit fire at every step: half of them in twice as many steps take as long and learn less.
    What has been trained for ten steps may explode in thirty, when the pool begins: the clamp is far outside
    of where values are wanted, and holds until that is learned.

    Three of ten of the pool's pictures become others under the states that they have led to. Of sixteen
    batches that begin one stays in the pool, so that states of hundreds of steps are seen.
    """
    fields: dict[str, Any] = {
        "phases": [
            {"epochs": 10_000, "batch": 16, "turns": 1, "steps": [6, 10]},
            {"epochs": 20_000, "batch": 16, "turns": 3, "steps": [8, 14], "rate": 0.7},
        ],
        "spec": {
            "channels": 20, "perception": "conv3w40+conv3d3w40", "hidden": 80, "layers": 2, "fire_rate": 1.0,
            "clamp": 10.0,
        },
        "loss": {"turn": 8.0, "stretch": 0.1},
        "pool": {"size": 256, "mutation": 0.3, "newcomer": 16},
        "optimiser": {
            "method": "muon", "learning_rate": 3e-3, "clip": 1.0, "average": 0.99, "warm_up": 0.03,
            "shortest": 1.0,
        },
    }  # fmt: skip
    if name == "mini":  # there is too little to learn for more
        fields["phases"][0]["epochs"], fields["phases"][1]["epochs"] = 1500, 3000
    if name == "cifar10":
        fields["loss"] = {"shift": 3.0, "flip": True}
        fields["spec"] |= {"channels": 28, "perception": "conv3+conv5d2w40", "fire_rate": 0.5}
        fields["phases"] = [
            {"epochs": 20_000, "batch": 32, "turns": 1, "steps": [16, 24]},
            {"epochs": 40_000, "batch": 32, "turns": 3, "steps": [32, 64], "rate": 0.7},
        ]
    return fields


def distill(name: str) -> dict[str, Any]:
    """The canonical experiment.

    Source: Randazzo et al. 2020; for CIFAR-10 Spitznagel and Keuper, NCAtorch.
    """
    fields = {
        "phases": [{"epochs": 100_000, "batch": 16, "turns": 4, "steps": [20, 20]}],
        "spec": {"channels": 19, "perception": "conv3", "hidden": 80, "layers": 2},
        "loss": {"error": "squares", "overflow": 0.0},
        "pool": {"size": 160, "mutation": 0.33, "newcomer": 1},
        "optimiser": {"learning_rate": 1e-3, "schedule": "drop", "drop_at": 0.3, "warm_up": 0.0},
    }  # fmt: skip
    if name == "cifar10":
        fields["phases"] = [{"epochs": 100_000, "batch": 18, "turns": 4, "steps": [32, 64]}]
    return fields


MAKERS = {"quick": quick, "distill": distill}


def make_classifier_recipe(
    name: str,
    *,
    preset: str = "quick",
    folder: str = "",
    file: dict[str, Any] | None = None,
    settings: list[str] | tuple[str, ...] = (),
    architecture: dict[str, Any] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """The recipe for a classifier of a data set.

    Args:
        name: of the data set, one of `petri.datasets.PICTURES`.
        preset: what it starts from.
        folder: that holds the data set; the usual one if empty.
        file: fields of a recipe file, over the preset's.
        settings: single values over those, such as `loss.error=squares`.
        architecture: Spec fields over those.
        epochs: in all.
        seed: of everything random.

    Raises:
        BadRequest: a field unknown, a value out of range or two that contradict each other.
    """
    checks.choice("preset", preset, tuple(PRESETS))
    checks.choice("the data set", name, PICTURES)
    planes, height, width = SHAPES[name]
    fields: dict[str, Any] = {"spec": plain(Spec().to_fields() | {"fire_rate": None}), "hold": 0}
    merge(fields, {"spec": BLANK})
    merge(fields, MAKERS[preset](name))
    res = height if height == width else [height, width]
    fields["phases"] = [{"res": res, **phase} for phase in fields["phases"]]
    image = {"fixed": planes, "masked": planes == 1, "classes": len(CLASSES[name])}
    merge(fields, {"spec": image})
    merge(fields, copy.deepcopy(file or {}))
    named = {"target": name, "name": name, "targets": [], "task": "classify"}
    merge(fields, {**named, "spec": {"fixed": planes, "classes": len(CLASSES[name])}})
    if folder:
        merge(fields, {"loss": {"data": folder}})
    return over(fields, settings=settings, architecture=architecture or {}, epochs=epochs, seed=seed)

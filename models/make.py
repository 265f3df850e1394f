"""Make the shipped models from nothing: python -m petri.models.make [NAME…]

Six figures with damage, five of them by one rule, nine patterns, three textures, two figures and a material
that a decoder paints, a classifier, and on spheres a colouring and a texture. Each is trained by the default
recipe, or with the settings that stand here, in runs/models/NAME, evaluated as `petri evaluate` does, and
written here with recipe and evaluation in its metadata. As many are trained at a time as there are cores, on
a thread each, which does a fifth more than all threads for one, and on another `--device` than the CPU one at
a time; what they say goes to NAME.log beside the run. What was stopped goes on, what is finished is not
trained again. They are measured on the CPU. In the end the catalogue is written anew from the files.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from petri import devices, modelfile, models, targets, worn
from petri.datasets import pictures
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.graph.sphere import icosphere, nodes_of
from petri.models.catalogue import write_catalogue
from petri.targets import exemplar, several
from petri.tasks.classified import sampled
from petri.training.classes import make_classifier_recipe
from petri.training.meshes import make_mesh_recipe, make_wear_recipe
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe
from petri.training.runs import Run, has_finished
from petri.training.textures import make_texture_recipe

HERE = Path(__file__).parent
RUNS = Path("runs") / "models"
DAMAGE = ("pool.damage=1",)


@dataclass(frozen=True)
class Order:
    """How a model is trained: `petri VERB TARGET… --res RES --pixels PIXELS --set SETTING…`.

    A data set has its own size; on a sphere it is `petri mesh VERB sphere:LEVEL TARGET --set SETTING…`.
    """

    target: str  # several with spaces between them
    res: int  # of a sphere its vertices
    settings: tuple[str, ...] = ()
    verb: str = "grow"
    level: int | None = None  # of a sphere
    pixels: int | None = None  # along a side of what a decoder paints; None: there is none

    @property
    def recipe(self) -> Recipe:
        """What this comes to."""
        if self.level is not None:
            mesh = f"sphere:{self.level}"
            if self.verb == "texture":
                return make_wear_recipe(mesh, self.target, level=self.level, settings=self.settings)
            return make_mesh_recipe(mesh, self.target, icosphere(self.level), settings=self.settings)
        if self.verb == "classify":
            return make_classifier_recipe(self.target, settings=self.settings)
        if self.verb == "texture":
            drawn = exemplar.load(self.target, self.res, pixels=self.pixels)
            return make_texture_recipe(
                drawn.name,
                [self.target],
                res=self.res,
                settings=self.settings,
                pixels=self.pixels,
                maps=drawn.maps,
            )
        if len(self.targets) > 1:
            all_of_them = several.load(self.targets, self.res)
            return make_recipe(all_of_them, all_of_them.name, res=self.res, settings=self.settings)
        target = targets.load(self.target, self.res)
        return make_recipe(target, self.target, res=self.res, settings=self.settings, pixels=self.pixels)

    @property
    def targets(self) -> list[str]:
        """Each of them."""
        return self.target.split()

    @property
    def asked(self) -> list[str]:
        """The verb, and what of."""
        if self.level is not None:
            return ["mesh", self.verb, f"sphere:{self.level}", self.target]
        return [self.verb, *self.targets]

    @property
    def options(self) -> list[str]:
        """How."""
        size = ["--res", str(self.res)] if self.verb != "classify" else []
        if self.level is not None:
            size = ["--level", str(self.level)] if self.verb == "texture" else []
        if self.pixels is not None:
            size += ["--pixels", str(self.pixels)]
        return size + [word for setting in self.settings for word in ("--set", setting)]


def on_sphere(level: int, verb: str, target: str, *settings: str) -> Order:
    """How a model of a sphere is trained."""
    return Order(target, nodes_of(level), settings, verb, level)


FIGURES = {
    "butterfly": Order("emoji:🦋", 64, DAMAGE),
    "fish": Order("emoji:🐠", 64, DAMAGE),
    "lizard": Order("emoji:🦎", 64, DAMAGE),
    "logo": Order("logo", 64, DAMAGE),
    "mushroom": Order("emoji:🍄", 64, DAMAGE),
    "turtle": Order("emoji:🐢", 48, DAMAGE),
}
SEVERAL = {"five": Order("emoji:🦎 emoji:🦋 emoji:🐠 emoji:🍄 emoji:🐢", 48, DAMAGE)}
HEALING = ("braid", "checkerboard", "circle", "cross", "rings")  # of the patterns, with damage
PATTERNS = {
    name: Order(name, 256 if name in ("circle", "spiral") else 128, DAMAGE if name in HEALING else ())
    for name in targets.PATTERNS
}
TEXTURES = {
    name: Order(name, 96, (f"loss.scale={scale}",), "texture")
    for name, scale in {"brick": 2.5, "gravel": 2.5, "scales": 2.0}.items()
}
PAINTED = {
    "lizard-painted": Order("emoji:🦎", 64, (*DAMAGE, "phases.epochs=24000"), pixels=512),
    "logo-painted": Order("logo", 32, (*DAMAGE, "phases.epochs=24000"), pixels=512),
}
MATERIALS = {"scales-painted": Order("material:scales", 64, verb="texture", pixels=512)}
CLASSIFIERS = {"mnist": Order("mnist", 28, verb="classify")}
MESHES = {
    "harlequin": on_sphere(4, "grow", "harlequin", "phases.epochs=1200"),
    "mesh-scales": on_sphere(5, "texture", "scales", "loss.scale=4.0", "loss.pixels=32"),
}
RECOGNISED = 0.964  # share of the test pictures at every look: what NCAtorch reports after 449 steps
WOVEN = 5.0  # percent of the way from a material to its pixels in random order, at most, at every look
REGAINED = 99.0  # percent of what an emptied patch of a mesh takes
ORDERS = FIGURES | SEVERAL | PATTERNS | TEXTURES | PAINTED | MATERIALS | CLASSIFIERS | MESHES


def train(name: str, device: str = "cpu") -> Path:
    """Train a model on a device, as `petri grow` names it, to the end of its recipe; the run's folder."""
    folder, order = RUNS / name, ORDERS[name]
    if folder.exists():
        recipe, asked = Run.open(folder, lock=False).recipe, order.recipe
        if (recipe.spec, recipe.res, recipe.pool, recipe.loss) != (
            asked.spec,
            asked.res,
            asked.pool,
            asked.loss,
        ):
            raise SystemExit(f"{folder} is of another recipe: move it away")
        if _finished(folder, recipe):
            return folder
        verb = ["mesh", order.verb] if name in MESHES else [order.verb]
        command = [*verb, "--resume", str(folder)]
    else:
        command = [*order.asked, "--out", str(RUNS), "--name", name, *order.options]
    RUNS.mkdir(parents=True, exist_ok=True)
    print(f"{name}: training", flush=True)
    with (RUNS / f"{name}.log").open("a") as log:
        subprocess.run(
            [sys.executable, "-m", "petri", *command, "--device", device],
            env={**os.environ, **({"OMP_NUM_THREADS": "1"} if device == "cpu" else {})},
            stdout=log,
            stderr=log,
            # One that does not stand has results, which `ship` looks at.
            check=name in PATTERNS,
        )
    return folder


def _finished(folder: Path, recipe: Recipe) -> bool:
    try:
        training = modelfile.read(folder / models.MODEL).training
    except BadRequest:
        return False
    return has_finished(training, recipe)


def measured(evaluation: dict[str, Any]) -> dict[str, Any]:
    """What a model's file carries of its evaluation: not what the file says already, nor all details.

    Alpha is left out because the patterns have none. Of several targets it has each, and how each becomes
    another.
    """
    if evaluation.get("task") == "classify":
        said = ("task", "target", "architecture", "parameters")
        return {name: value for name, value in evaluation.items() if name not in said}
    if "each" in evaluation:
        kept = ("from", "to", "percent", "damaged", "healed")
        return {
            "seeds": evaluation["seeds"],
            "each": [{"condition": one["condition"], **measured(one)} for one in evaluation["each"]],
            "mutation": [{name: one[name] for name in kept} for one in evaluation["mutation"]],
        }
    healing = [
        {name: one[name] for name in ("kind", "percent", "damaged", "healed")}
        for one in evaluation["regeneration"]
    ]
    if evaluation.get("task") == "surface":
        seen = {name: evaluation[name] for name in ("seeds", "plain", "drift")}
        return seen | {"regeneration": healing}
    if evaluation.get("task") == "texture":
        distances = {name: evaluation[name] for name in ("floor", "floor_by", "ceiling")}
    else:
        distances = {"loss": {"seen": evaluation["loss"]["seen"]}}
    return {
        "seeds": evaluation["seeds"],
        **distances,
        "drift": evaluation["drift"],
        "regeneration": healing,
        "sizes": evaluation["sizes"],
    }


def ship(name: str, folder: Path) -> None:
    """Evaluate a run's model and put it among the shipped ones."""
    model = modelfile.read(folder / models.MODEL)
    trained = model.training.get("each", [model.training])
    looks = [look for one in trained for look in one.get("looks", ())]
    if name in FIGURES | SEVERAL | PAINTED and any(look["standing"] < look["seeds"] for look in looks):
        raise SystemExit(f"{name} does not stand in all of its rollouts, see {folder}: train it anew")
    if model.task == "wear":  # its run has measured it
        modelfile.write(HERE / f"{name}.safetensors", model)
        return
    print(f"{name}: measuring", flush=True)
    names = [] if name in MESHES else ORDERS[name].targets  # a mesh has its colours
    evaluation = evaluate(worn.on_its_mesh(model, folder), names).to_fields()
    model.training["evaluation"] = measured(evaluation)
    if model.task == "surface":
        patch = next(one for one in evaluation["regeneration"] if one["kind"] == "patch")
        if (patch["percent"] or 0) < REGAINED:
            raise SystemExit(f"{name} heals {patch['percent']} % of a patch, {REGAINED} % are asked for")
    if name in MATERIALS:
        most = max(look["way"] for look in evaluation["drift"])
        if most > WOVEN:
            raise SystemExit(f"{name} is {most} % of the way from its picture, at most {WOVEN} % will do")
    if name in CLASSIFIERS:
        least = min(one["pictures"] for one in evaluation["readings"])
        if least < RECOGNISED:
            raise SystemExit(f"{name} recognises {least:.2%} only, at least {RECOGNISED:.1%} are asked for")
        model.training.pop("found", None)  # of fewer pictures
        model.training["samples"] = sampled(pictures.load(ORDERS[name].target))
    modelfile.write(HERE / f"{name}.safetensors", model)


def main() -> None:
    """Make what is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a model of petri's own; all if left out")
    parser.add_argument("--device", default="cpu", choices=devices.DEVICES)
    asked = parser.parse_args()
    names, device = asked.names or list(ORDERS), devices.choose(asked.device).type
    if unknown := set(names) - set(ORDERS):
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    pool = ThreadPoolExecutor(os.cpu_count() if device == "cpu" else 1)
    try:
        for name, folder in zip(names, pool.map(partial(train, device=device), names), strict=True):
            ship(name, folder)
    finally:
        pool.shutdown(cancel_futures=True)
    write_catalogue(HERE)


if __name__ == "__main__":
    main()

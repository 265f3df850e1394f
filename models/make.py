"""Make the shipped models from nothing: python -m petri.models.make [NAME…]

Nine patterns, six figures with damage, and a classifier. Each is trained by the default
recipe in runs/models/NAME, evaluated as `petri evaluate` does, and written here with recipe and evaluation
in its metadata. As many are trained at a time as there are cores, on a thread each, which does a fifth more
than all threads for one; what they say goes to NAME.log beside the run. What was stopped goes on, what is
finished is not trained again. In the end the catalogue is written anew from the files.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from petri import modelfile, models, targets
from petri.datasets import pictures
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.modelfile import Model
from petri.models.catalogue import write_catalogue
from petri.tasks.classified import sampled
from petri.training.classes import make_classifier_recipe
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe
from petri.training.runs import Run, has_finished

FIGURES = {
    "butterfly": "emoji:🦋",
    "fish": "emoji:🐠",
    "lizard": "emoji:🦎",
    "logo": "logo",
    "mushroom": "emoji:🍄",
    "turtle": "emoji:🐢",
}
RES = {name: 48 if name == "turtle" else 64 for name in FIGURES}
RES |= {name: 256 if name in ("circle", "spiral") else 128 for name in targets.PATTERNS}
RUNS = Path("runs") / "models"
HERE = Path(__file__).parent
CLASSIFIERS = ("mnist",)  # data sets
RECOGNISED = 0.985  # share of the test pictures at every look, without which a classifier is not shipped
HEALING = ("braid", "checkerboard", "circle", "cross", "rings", *FIGURES)  # also trained with damage


def train(name: str) -> Path:
    """Train a pattern, a figure or a classifier to the end of its recipe; the run's folder."""
    if name in CLASSIFIERS:
        return _train_classifier(name)
    folder, target = RUNS / name, FIGURES.get(name, name)
    drawn = targets.load(target, RES[name])
    asked = make_recipe(drawn, target, res=RES[name])
    if folder.exists():
        recipe = Run.open(folder, lock=False).recipe
        found = (recipe.spec, recipe.res, recipe.pool.damage)
        if found != (asked.spec, RES[name], int(name in HEALING)):
            raise SystemExit(f"{folder} is of another recipe: move it away")
        if _finished(folder, recipe):
            return folder
        command = ["grow", "--resume", str(folder)]
    else:
        command = ["grow", target, "--res", str(RES[name]), "--out", str(RUNS), "--name", name]
        command += ["--set", "pool.damage=1"] if name in HEALING else []
    # One that does not stand has results, which `ship` looks at.
    _run(name, command, check=name not in FIGURES)
    return folder


def _train_classifier(name: str) -> Path:
    folder = RUNS / name
    command = ["classify", name, "--out", str(RUNS), "--name", name]
    if folder.exists():
        recipe = Run.open(folder, lock=False).recipe
        asked = make_classifier_recipe(name)
        if (recipe.target, recipe.spec) != (name, asked.spec):
            raise SystemExit(f"{folder} is of another recipe: move it away")
        if _finished(folder, recipe):
            return folder
        command = ["classify", "--resume", str(folder)]
    _run(name, command, check=False)
    return folder


def _run(name: str, command: list[str], *, check: bool) -> None:
    """Run petri; what it says goes to the log beside the run."""
    RUNS.mkdir(parents=True, exist_ok=True)
    print(f"{name}: training", flush=True)
    with (RUNS / f"{name}.log").open("a") as log:
        subprocess.run(
            [sys.executable, "-m", "petri", *command],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            check=check,
        )


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
    return {
        "seeds": evaluation["seeds"],
        "loss": {"seen": evaluation["loss"]["seen"]},
        "drift": evaluation["drift"],
        "regeneration": healing,
        "sizes": evaluation["sizes"],
    }


def ship(name: str, folder: Path) -> None:
    """Evaluate a run's model and put it among the shipped ones."""
    model = modelfile.read(folder / models.MODEL)
    if name in CLASSIFIERS:
        _ship_classifier(name, model)
        return
    looks = model.training.get("looks", ())
    if name in FIGURES and any(look["standing"] < look["seeds"] for look in looks):
        raise SystemExit(f"{name} does not stand in all of its rollouts, see {folder}: train it anew")
    print(f"{name}: measuring", flush=True)
    model.training["evaluation"] = measured(evaluate(model, FIGURES.get(name, name)).to_fields())
    modelfile.write(HERE / f"{name}.safetensors", model)


def _ship_classifier(name: str, model: Model) -> None:
    """Put a classifier among the shipped models, with pictures of its test set to try it with."""
    print(f"{name}: measuring", flush=True)
    found = evaluate(model, name).to_fields()
    least = min(one["pictures"] for one in found["readings"])
    if least < RECOGNISED:
        raise SystemExit(f"{name} recognises {least:.2%} only, at least {RECOGNISED:.1%} are asked for")
    training = {name: value for name, value in model.training.items() if name != "found"}
    training |= {"evaluation": found, "samples": sampled(pictures.load(name))}
    modelfile.write(HERE / f"{name}.safetensors", replace(model, training=training))


def main() -> None:
    """Make what is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of a pattern, a figure or a data set; all if left out"
    )
    known = [*RES, *CLASSIFIERS]
    names = parser.parse_args().names or known
    if unknown := set(names) - set(known):
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for name, folder in zip(names, pool.map(train, names), strict=True):
            ship(name, folder)
    finally:
        pool.shutdown(cancel_futures=True)
    write_catalogue(HERE)


if __name__ == "__main__":
    main()

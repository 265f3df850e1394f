"""All nine patterns at 256² by the default recipe, beside the shipped models: python benchmarks/patterns.py

Each row is a training with the settings of `petri.models.make`, damage for those that are to heal, then
measured as `petri evaluate` does. Beside it stands what the shipped model's own file says of its training and
measurement; where that is of 128² it is another task: the same pattern is finer and has a longer way to come
on 256². Grown is after the steps that it has, late after 2,000, and healed of that kind of damage that heals
worst. How rows are kept and what a minute is: benchmarks/rows.py.

    python benchmarks/patterns.py --results patterns.jsonl --device cuda --batch 8
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rows
import torch

from petri import devices, modelfile, models, targets
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.evaluation.report import SEEDS
from petri.losses import psnr
from petri.modelfile import Model
from petri.models.make import DAMAGE, HEALING, measured
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe

COLUMNS = (
    *("pattern", "cells", "trained", "batch", "epochs", "min", "loss", "grown, dB", "late, dB"),
    *("healed, dB", "regained, %", "machine"),
)


def recipe_of(row: dict[str, Any], device: torch.device) -> Recipe:
    """How a row is trained."""
    return rows.within(row["minutes"], row["asked_epochs"], functools.partial(_recipe, row), device)


def _recipe(row: dict[str, Any], epochs: int | None) -> Recipe:
    name, res = row["name"], row["res"]
    batch = () if row["batch"] is None else (f"phases.batch={row['batch']}",)
    settings = (*batch, *DAMAGE * (name in HEALING))
    return make_recipe(targets.load(name, res), name, res=res, settings=settings, epochs=epochs)


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    name = f"{row['name']}-{row['res']}-{row['device']}"
    name += "" if row["batch"] is None else f"-batch{row['batch']}"
    name += "" if row["minutes"] is None else f"-{row['minutes']:g}min"
    return name + ("" if row["asked_epochs"] is None else f"-{row['asked_epochs']}")


def facts(model: Model) -> dict[str, Any]:
    """What a model's file says of how it was trained."""
    training = model.training
    return {
        "cells": model.res,
        "trained_batch": training["recipe"]["phases"][-1]["batch"],
        "epochs": training["epochs"],
        "seconds": training["seconds"],
        "machine": training["machine"],
    }


def result(model: Model, row: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The same of a row's model, measured on a device, and which card that is."""
    model.automaton.to(device)
    evaluation = evaluate(model, row["name"], seeds=row["rollouts"]).to_fields()
    found = facts(model) | {"evaluation": measured(evaluation)}
    if device.type == "cuda":
        found["machine"] += f", {torch.cuda.get_device_name(device)}"
    return found


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown, those of a pattern below its shipped model."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * len(COLUMNS)
    for name in dict.fromkeys(row["name"] for row in found):
        model = modelfile.read(models.find(name))
        shipped = {"name": name, **facts(model), "evaluation": model.training["evaluation"]}
        yield line(shipped, "shipped")
        for row in found:
            if row["name"] == name:
                yield line(row, "here")


def line(row: dict[str, Any], trained: str) -> str:
    """A row of the table; of all kinds of damage it has the one that heals worst."""
    evaluation = row["evaluation"]
    loss = next(iter(evaluation["loss"].values()))  # of a plane over RGB, under either name
    worst = max(evaluation["regeneration"], key=lambda one: one["healed"]["loss"])
    errors = loss["pattern"], evaluation["drift"][-1]["loss"], worst["healed"]["loss"]
    cells = (
        row["name"],
        f"{row['cells']}²",
        trained,
        row["trained_batch"],
        f"{row['epochs']:,}",
        f"{row['seconds'] / 60:.1f}",
        f"{loss['loss']:.4f}",
        *(f"{psnr(error):.1f}" for error in errors),
        "-" if worst["percent"] is None else f"{worst['percent']:.1f}",
        row["machine"],
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Train and measure what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "patterns", help="folder of the runs")
    parser.add_argument("--names", nargs="+", default=list(targets.PATTERNS), choices=list(targets.PATTERNS))
    parser.add_argument("--device", default="auto", choices=devices.DEVICES)
    parser.add_argument("--batch", type=int, help="of every phase; the recipe's if left out")
    parser.add_argument("--epochs", type=int, help="of each row; as many as petri grow takes if left out")
    parser.add_argument("--minutes", type=float, help="of training instead, as measured before it begins")
    parser.add_argument("--res", type=int, default=256, help="cells along a side")
    parser.add_argument("--rollouts", type=int, default=SEEDS, help="a measurement")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    if asked.minutes is not None and asked.epochs is not None:
        parser.error("--minutes and --epochs contradict each other")
    if not asked.table:
        try:
            device = devices.choose(asked.device)
        except BadRequest as error:
            parser.error(str(error))
        train(asked, device)
    print("\n".join(table(rows.results(asked.results))))


def train(asked: argparse.Namespace, device: torch.device) -> None:
    """Train and measure what is missing."""
    rows.by_processor(device)
    for name in asked.names:
        row = {
            "name": name,
            "res": asked.res,
            "batch": asked.batch,
            "minutes": asked.minutes,
            "asked_epochs": asked.epochs,
            "rollouts": asked.rollouts,
            "device": device.type,
        }
        if rows.has(asked.results, row):
            continue
        path = rows.train(asked.runs / name_of(row), functools.partial(recipe_of, row, device), device=device)
        print(f"{name_of(row)}: measuring", flush=True)
        rows.keep(asked.results, row | result(modelfile.read(path), row, device))


if __name__ == "__main__":
    main()

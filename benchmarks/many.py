"""Five emoji by one rule, with each perception: python benchmarks/many.py --results many.jsonl

A row of the table is a training and its evaluation by the protocol of the NCAtorch paper: the state is
disturbed after 149 steps and looked at 300 later, half of the picture cut, or a circle, or another emoji
asked for. Rows of the paper have 80 hidden units and two layers; petri's own cell stands beside them. How
rows are kept and what a minute is: benchmarks/rows.py.

    python benchmarks/many.py --results many.jsonl --rows conv3 conv3+conv5d2 --seeds 0 1 2
    python benchmarks/many.py --results many.jsonl --rows conv3 --no-pool
    python benchmarks/many.py --results many.jsonl --minutes 30
    python benchmarks/many.py --results many.jsonl --table

The paper's emoji need the font Noto Color Emoji; --targets takes others.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import rows

from petri import modelfile
from petri.evaluation import ManyEvaluation, evaluate
from petri.evaluation.course import Course
from petri.files import write_whole
from petri.losses import psnr
from petri.modelfile import Model
from petri.targets import several
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe

PAPER = {"hidden": 80, "layers": 2, "residual": False, "gated": False}
ROWS: dict[str, dict[str, Any]] = {
    "sobel": PAPER,
    "conv3": PAPER,
    "conv5": PAPER,
    "deformable3": PAPER,
    "attention3": PAPER,
    "conv3+conv5d2": PAPER,
    "learned+dilated": {},  # petri's own cell
}
EMOJI = ("emoji:😭", "emoji:🔥", "emoji:🎉", "emoji:🍀", "emoji:🍎")
WITH_POOL = ("pool.damage=1",)
# Every batch is seeds, so that nothing that has grown is trained again.
WITHOUT_POOL = ("phases.turns=1", "phases.again=[]", "pool.damage=0", "pool.mutation=0.0")
DAMAGE_AT, HEAL_STEPS, LATE = 149, 300, 2000


def recipe_of(row: dict[str, Any]) -> Recipe:
    """How a row is trained; as many epochs as fit into its minutes, if it has any."""
    return rows.within(row["minutes"], row["asked_epochs"], lambda epochs: _recipe(row, epochs))


def _recipe(row: dict[str, Any], epochs: int | None) -> Recipe:
    drawn = several.load(row["targets"], row["res"])
    return make_recipe(
        drawn,
        drawn.name,
        res=row["res"],
        epochs=epochs,
        seed=row["seed"],
        architecture={"perception": row["perception"], **ROWS[row["perception"]]},
        settings=["patience=0", *(WITH_POOL if row["pool"] else WITHOUT_POOL), *row["set"]],
    )


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    budget = "" if row["minutes"] is None else f"-{row['minutes']:g}min"
    budget += "" if row["asked_epochs"] is None else f"-{row['asked_epochs']}"
    if tuple(row["targets"]) != EMOJI:
        budget += "-" + "-".join(several.labels(row["targets"]))
    words = [row["perception"], "pool" if row["pool"] else "nopool", f"{row['res']}{budget}", *row["set"]]
    return "-".join([*words, f"seed{row['seed']}"])


def measured(model: Model, found: ManyEvaluation) -> dict[str, Any]:
    """What the table has of a row: means over all targets, or pairs of them, and percentages of the means."""
    none = [one.regeneration[0] for one in found.each]
    late = [look.pattern.mean for one in found.each for look in one.drift if look.steps == LATE]
    stands = [one.drift[-1].standing for one in found.each]
    return {
        "parameters": model.spec.parameters,
        "epochs": model.training["epochs"],
        "seconds": model.training["seconds"],
        "machine": model.training["machine"],
        "mse": {
            str(DAMAGE_AT): mean(one.loss.before.mean for one in none),
            str(DAMAGE_AT + HEAL_STEPS): mean(one.loss.undamaged.mean for one in none),
            str(LATE): mean(late),
        },
        "vgg16": {
            str(DAMAGE_AT): mean(one.vgg16.before.mean for one in none),
            str(DAMAGE_AT + HEAL_STEPS): mean(one.vgg16.undamaged.mean for one in none),
        },
        "standing": [sum(one.standing for one in stands), sum(one.seeds for one in stands)],
        "half": together(cut for one in found.each for cut in one.regeneration if cut.kind == "half"),
        "circle": together(cut for one in found.each for cut in one.regeneration if cut.kind == "circle"),
        "mutation": together(found.mutation),
    }


def together(disturbances: Iterable[Any]) -> dict[str, Any]:
    """One disturbance of all targets: distances, and the share that is gone, by the means of all."""
    several = list(disturbances)
    return {
        "mse": pooled([one.loss for one in several]),
        "vgg16": pooled([one.vgg16 for one in several]),
    }


def pooled(courses: list[Course]) -> dict[str, float | None]:
    """Means over courses, and the percentage of these means; None if nothing had grown."""
    before, damaged, healed, undamaged = (
        mean(getattr(course, name).mean for course in courses)
        for name in ("before", "damaged", "healed", "undamaged")
    )
    grown = any(course.percent is not None for course in courses)
    return {
        "before": before,
        "damaged": damaged,
        "healed": healed,
        "undamaged": undamaged,
        "percent": 100 * (damaged - healed) / (damaged - before) if grown else None,
        "control": 100 * (damaged - undamaged) / (damaged - before) if grown else None,
    }


def mean(values: Iterable[float]) -> float:
    """Of at least one."""
    found = list(values)
    return sum(found) / len(found)


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown."""
    yield (
        "| perception | pool | seed | parameters | epochs | training, min | dB at 149 | at 449 | at 2,000 "
        "| standing | half healed, MSE | VGG16 | circle, MSE | VGG16 | mutation, MSE | VGG16 |"
    )
    yield "|" + "---|" * 16
    for row in found:
        ratios = (f"{psnr(value):.1f}" for value in row["mse"].values())
        healing = (
            "-" if row[what][by]["percent"] is None else f"{row[what][by]['percent']:.1f} %"
            for what in ("half", "circle", "mutation")
            for by in ("mse", "vgg16")
        )
        cells = (
            row["perception"],
            "yes" if row["pool"] else "no",
            row["seed"],
            f"{row['parameters']:,}",
            f"{row['epochs']:,}",
            f"{row['seconds'] / 60:.0f}",
            *ratios,
            "{} of {}".format(*row["standing"]),
            *healing,
        )
        yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Train and measure what is missing, or print the table."""
    rows.by_processor()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "many", help="folder of the runs")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="of each row; as many as petri grow takes if left out")
    parser.add_argument("--minutes", type=float, help="of training instead, as measured before it begins")
    parser.add_argument("--res", type=int, default=64, help="cells along a side")
    parser.add_argument("--targets", nargs="+", default=list(EMOJI))
    parser.add_argument("--no-pool", action="store_true", help="every batch from the seed")
    parser.add_argument("--set", nargs="+", default=[], help="values of the recipe, as of petri grow")
    parser.add_argument("--rollouts", type=int, default=8, help="a measurement")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    if asked.minutes is not None and asked.epochs is not None:
        parser.error("--minutes and --epochs contradict each other")
    for perception in asked.rows if not asked.table else ():
        for seed in asked.seeds:
            row = {
                "perception": perception,
                "seed": seed,
                "pool": not asked.no_pool,
                "minutes": asked.minutes,
                "asked_epochs": asked.epochs,
                "res": asked.res,
                "targets": asked.targets,
                "set": asked.set,
                "rollouts": asked.rollouts,
            }
            if rows.has(asked.results, row):
                continue
            path = rows.train(asked.runs / name_of(row), functools.partial(recipe_of, row))
            model = modelfile.read(path)
            print(f"{name_of(row)}: measuring", flush=True)
            found = evaluate(
                model,
                asked.targets,
                seeds=asked.rollouts,
                damage_at=DAMAGE_AT,
                heal_steps=HEAL_STEPS,
            )
            write_whole(path.with_name("evaluation.json"), json.dumps(found.to_fields(), indent=1))
            rows.keep(asked.results, row | measured(model, found))
    print("\n".join(table(rows.results(asked.results))))


if __name__ == "__main__":
    main()

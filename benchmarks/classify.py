"""Classifiers with other senses, seeds and data sets: python benchmarks/classify.py --results classify.jsonl

A row of the table is a training by the recipe of `petri classify` and what its cells say of test pictures,
early and late, and after each picture has become another. How rows are kept and what a minute is:
benchmarks/rows.py. The ordinary network beside them: benchmarks/convnet.py.

    python benchmarks/classify.py --results classify.jsonl --minutes 8 --seeds 0 1 2
    python benchmarks/classify.py --results classify.jsonl --minutes 8 --rows conv3 "conv3, no pool"
    python benchmarks/classify.py --results classify.jsonl --minutes 8 --data cifar10 \
        --rows residual3+conv5d2 --set phases.batch=8 --set "phases.1.steps=[12, 20]" \
        --set "phases.2.steps=[20, 32]"
    python benchmarks/classify.py --results classify.jsonl --table
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rows

from petri import modelfile
from petri.datasets import PICTURES, pictures
from petri.evaluation.classes import MARKS, classify
from petri.modelfile import Model
from petri.training.classes import make_classifier_recipe
from petri.training.recipe import Recipe

# Every batch begins from nothing, so that nothing that has decided is trained again.
WITHOUT_POOL = ("phases.turns=1", "pool.mutation=0.0")
PETRI = "petri"
ROWS: dict[str, dict[str, Any]] = {
    PETRI: {},  # the cell of `petri classify`
    "conv3": {"architecture": {"perception": "conv3"}},
    "conv3, no pool": {"architecture": {"perception": "conv3"}, "settings": WITHOUT_POOL},
    "residual3+conv5d2": {"architecture": {"perception": "residual3+conv5d2"}},
}
TENTHS = 10  # points of a learning curve


def recipe_of(row: dict[str, Any]) -> Recipe:
    """How a row is trained; as many epochs as fit into its minutes, if it has any."""
    return rows.within(row["minutes"], row["asked_epochs"], functools.partial(_recipe, row))


def _recipe(row: dict[str, Any], epochs: int | None) -> Recipe:
    how = ROWS[row["row"]]
    return make_classifier_recipe(
        row["data"],
        epochs=epochs,
        seed=row["seed"],
        architecture=how.get("architecture"),
        settings=["patience=0", *how.get("settings", ()), *row["settings"]],
    )


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    words = [row["data"], row["row"].replace(", ", "-").replace(" ", "")]
    words += [] if row["minutes"] is None else [f"{row['minutes']:g}min"]
    words += [] if row["asked_epochs"] is None else [str(row["asked_epochs"])]
    words += [f"{zlib.crc32(repr(row['settings']).encode()):08x}"] * bool(row["settings"])
    return "-".join([*words, f"seed{row['seed']}"])


def curve(folder: Path) -> list[tuple[int, float]]:
    """Share of the training pictures that were not recognised, in ten parts: epochs so far, and the mean."""
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as lines:
        wrong = [float(line["wrong"]) for line in csv.DictReader(lines)]
    ends = sorted({max(1, len(wrong) * tenth // TENTHS) for tenth in range(1, TENTHS + 1)})
    parts = itertools.pairwise([0, *ends])
    return [(last, sum(wrong[first:last]) / (last - first)) for first, last in parts]


def measured(model: Model, folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    """What the tables have of a row."""
    data = pictures.load(row["data"])
    found = classify(
        model.automaton,
        data.test.first(row["pictures"]),
        data.classes,
        marks=MARKS[model.spec.fixed],
        precision="auto",
    )
    return {
        "parameters": model.spec.parameters,
        "epochs": model.training["epochs"],
        "seconds": model.training["seconds"],
        "machine": model.training["machine"],
        "readings": [vars(one) for one in found.readings],
        "swap": None if found.swap is None else vars(found.swap) | {"recovery": found.swap.recovery},
        "curve": curve(folder),
    }


def titled(row: dict[str, Any]) -> str:
    """What a row is, and what was set."""
    return ", ".join([row["row"], *row["settings"]])


def tables(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown, a table for each kind of picture, and the curves of all."""
    for marks in MARKS.values():
        like = [row for row in found if tuple(one["steps"] for one in row["readings"]) == marks]
        if not like:
            continue
        asked = " | ".join(f"after {steps}" for steps in marks)
        said = "| row | data | seed | parameters | epochs | min"
        yield f"{said} | {asked} | cells, last | agreement | after a change | of before |"
        yield "|" + "---|" * (10 + len(marks))
        for row in like:
            last = row["readings"][-1]
            cells = (
                titled(row),
                row["data"],
                row["seed"],
                f"{row['parameters']:,}",
                f"{row['epochs']:,}",
                f"{row['seconds'] / 60:.0f}",
                *(f"{100 * one['pictures']:.1f} %" for one in row["readings"]),
                f"{100 * last['cells']:.1f} %",
                f"{100 * last['agreement']:.1f} %",
                f"{100 * row['swap']['after']:.1f} %",
                f"{row['swap']['recovery']:.1f} %",
            )
            yield "| " + " | ".join(map(str, cells)) + " |"
        yield ""
    yield "| row | data | seed | training pictures not recognised, by epochs so far |"
    yield "|---|---|---|---|"
    for row in found:
        points = ", ".join(f"{epochs:,}: {100 * wrong:.1f} %" for epochs, wrong in row["curve"])
        yield f"| {titled(row)} | {row['data']} | {row['seed']} | {points} |"


def main() -> None:
    """Train and measure what is missing, or print the tables."""
    rows.by_processor()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "classify", help="folder of the runs")
    parser.add_argument("--rows", nargs="+", default=[PETRI], choices=list(ROWS))
    parser.add_argument("--data", nargs="+", default=["mnist"], choices=PICTURES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="of each row; as many as petri classify takes if left out")
    parser.add_argument("--minutes", type=float, help="of training instead, as measured before it begins")
    parser.add_argument(
        "--set", action="append", default=[], help="a field of all recipes, as of petri classify"
    )
    parser.add_argument("--pictures", type=int, default=2000, help="of the test set, the first so many")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    if asked.minutes is not None and asked.epochs is not None:
        parser.error("--minutes and --epochs contradict each other")
    wanted = itertools.product(asked.data, asked.rows, asked.seeds)
    for data, kind, seed in wanted if not asked.table else ():
        row = {
            "row": kind,
            "data": data,
            "seed": seed,
            "minutes": asked.minutes,
            "asked_epochs": asked.epochs,
            "pictures": asked.pictures,
            "settings": asked.set,
        }
        if rows.has(asked.results, row):
            continue
        path = rows.train(asked.runs / name_of(row), functools.partial(recipe_of, row))
        print(f"{name_of(row)}: measuring", flush=True)
        rows.keep(asked.results, row | measured(modelfile.read(path), path.parent, row))
    print("\n".join(tables(rows.results(asked.results))))


if __name__ == "__main__":
    main()

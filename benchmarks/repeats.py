"""How strictly a texture repeats itself, with and without loss.correlation: python benchmarks/repeats.py

What repeats is like itself when it is shifted by its period. Each row is a training; then of eight textures
that it weaves the auto-correlation of the brightness is held against the exemplar's: how high it is where the
exemplar has its peaks, near and far, and how far from the nearest ones of the exemplar its own such peaks
lie. How rows are kept and what a minute is: benchmarks/rows.py.

    python benchmarks/repeats.py --results repeats.jsonl --pictures checkerboard bricks.jpg --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rows
import torch
import torch.nn.functional as F
from torch import Tensor

from petri import modelfile
from petri.evaluation.report import EVALUATION_SEED
from petri.losses.correlation import correlation
from petri.modelfile import Model
from petri.targets import exemplar
from petri.training.recipe import Recipe
from petri.training.textures import make_texture_recipe

PEAKS = 8  # of the shortest shifts, of which the distances are measured
HIGH = 0.5  # of the highest peak's height, at least: those of whole periods, not ripples between
STEPS = (64, 1000)  # after which a texture is looked at
ROLLOUTS = 8
GREY = (0.299, 0.587, 0.114)


def recipe_of(row: dict[str, Any]) -> Recipe:
    """How a row is trained."""

    def make(epochs: int | None) -> Recipe:
        return make_texture_recipe(
            row["picture"],
            [row["picture"]],
            res=row["res"],
            cut={"scale": row["scale"]} if row["scale"] else None,
            settings=["patience=0", f"loss.correlation={row['weight']}"],
            epochs=epochs,
            seed=row["seed"],
        )

    return rows.within(row["minutes"], row["asked_epochs"], make)


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    budget = "" if row["minutes"] is None else f"-{row['minutes']:g}min"
    budget += "" if row["asked_epochs"] is None else f"-{row['asked_epochs']}"
    return f"{Path(row['picture']).stem}-{row['res']}{budget}-weight{row['weight']:g}-seed{row['seed']}"


def likeness(rgb: Tensor, *, torus: bool) -> Tensor:
    """How alike the brightness is to itself, shifted: `[batch, down, right]`, no shift in the middle."""
    grey = torch.einsum("bchw,c->bhw", rgb, rgb.new_tensor(GREY))
    return correlation(grey[:, None], torus=torus)


def peaks(shifts: Tensor) -> Tensor:
    """Where it is higher than all around, the shortest shifts first: `[n, 2]`, rows and columns."""
    around = F.max_pool2d(shifts[None, None], 5, stride=1, padding=2)[0, 0]
    middle = torch.tensor(shifts.shape) // 2
    places = ((shifts == around) & (shifts > 0)).nonzero()
    places = places[((places - middle).abs() > 2).any(dim=1)]  # next to no shift it says nothing
    heights = shifts[places[:, 0], places[:, 1]]
    places = places[heights >= HIGH * heights.max()] if len(places) else places
    far = (places - middle).square().sum(dim=1)
    return places[far.argsort(stable=True)]


@torch.no_grad()
def measured(model: Model, row: dict[str, Any]) -> dict[str, Any]:
    """Heights and places of peaks beside the exemplar's."""
    res, found = row["res"], {}
    drawn = torch.from_numpy(exemplar.load(row["picture"], res, scale=row["scale"] or 0.0).pixels)
    wanted = likeness(drawn[None], torus=False)[0]
    there = peaks(wanted)
    heights = wanted[there[:, 0], there[:, 1]]
    state, before = model.automaton.seed_state(res, res, batch=ROLLOUTS), 0
    for steps in STEPS:
        state = model.automaton.rollout(state, steps - before, seed=EVALUATION_SEED, start=before)
        before = steps
        woven = likeness(model.automaton.view(state)[:, :3].clamp(0, 1), torus=True)
        high = torch.stack([one[there[:, 0], there[:, 1]] for one in woven])
        away = [
            torch.cdist(there[:PEAKS].float(), own[:PEAKS].float()).amin(dim=1).mean().item()
            for own in map(peaks, woven)
            if len(own)
        ]
        found[str(steps)] = {
            "height": high.mean().item(),
            "spread": high.mean(dim=1).std().item(),
            "away": sum(away) / len(away) if away else None,
        }
    return {
        "exemplar": heights.mean().item(),
        "epochs": model.training["epochs"],
        "seconds": model.training["seconds"],
        "looks": found,
    }


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown."""
    titles = "".join(f"| height after {steps:,} steps | away, cells " for steps in STEPS)
    yield f"| picture | weight | seed | epochs | min | exemplar's height {titles}|"
    yield "|" + "---|" * (6 + 2 * len(STEPS))
    for row in found:
        cells: list[Any] = [
            Path(row["picture"]).stem,
            f"{row['weight']:g}",
            row["seed"],
            f"{row['epochs']:,}",
        ]
        cells += [f"{row['seconds'] / 60:.0f}", f"{row['exemplar']:.2f}"]
        for look in row["looks"].values():
            cells += [f"{look['height']:.2f} ± {look['spread']:.2f}"]
            cells += ["-" if look["away"] is None else f"{look['away']:.1f}"]
        yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Train and measure what is missing, or print the table."""
    rows.by_processor()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "repeats", help="folder of the runs")
    parser.add_argument("--pictures", nargs="+", default=["checkerboard"])
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0, 10.0], help="of loss.correlation")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="of each row; as many as petri texture takes if left out")
    parser.add_argument("--minutes", type=float, help="of training instead, as measured before it begins")
    parser.add_argument("--res", type=int, default=64, help="cells along a side")
    parser.add_argument("--scale", type=float, help="pixels of a picture's file that a cell covers")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    if asked.minutes is not None and asked.epochs is not None:
        parser.error("--minutes and --epochs contradict each other")
    wanted = itertools.product(asked.pictures, asked.seeds, asked.weights)
    for picture, seed, weight in wanted if not asked.table else ():
        row = {
            "picture": picture,
            "weight": weight,
            "seed": seed,
            "minutes": asked.minutes,
            "asked_epochs": asked.epochs,
            "res": asked.res,
            "scale": asked.scale,
        }
        if rows.has(asked.results, row):
            continue
        path = rows.train(asked.runs / name_of(row), functools.partial(recipe_of, row))
        rows.keep(asked.results, row | measured(modelfile.read(path), row))
    print("\n".join(table(rows.results(asked.results))))


if __name__ == "__main__":
    main()

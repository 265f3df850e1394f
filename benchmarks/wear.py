"""What a vertex senses, and what that is worth to a texture: python benchmarks/wear.py --results wear.jsonl

A row is a training of `petri mesh texture` on the sphere, judged in layers that it was not trained by,
percent of the way from more of the same picture to its pixels in random order: on the sphere, and on each
mesh named, which no training has seen, cut as fine as `petri mesh wear` cuts it. On each as it is; turned by
60° about x before anything is woven; and with every edge halved and the surface left as it is. Views have as
many edges across as those of the sphere ("in edges"), or are as wide as those ("in space"): a texture that is
as large in edges as ever is half as large in space where edges are halved. With --by-length a rule that heeds
no lengths is judged a second time, as one that does.

Rows and results are as `benchmarks/rows.py` has them.

    python benchmarks/wear.py --results wear.jsonl --meshes bunny.obj teapot.obj dragon.ply
    python benchmarks/wear.py --results wear.jsonl --textures brick --scale 2.5 --senses slope slope-by-length
    python benchmarks/wear.py --results wear.jsonl --table
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rows

from petri import modelfile
from petri.evaluation.style import Judge
from petri.graph import named
from petri.graph.mesh import Surface
from petri.graph.views import views
from petri.nca import Automaton, Harmonics
from petri.tasks.wear import ELSEWHERE, JUDGED, Wearing, fine, wear
from petri.training.meshes import make_wear_recipe
from petri.training.recipe import Recipe

SENSES = ("slope", "slope-by-length", "harmonics2", "laplacian", "invariants")
TURN = np.deg2rad(60)  # about x


def recipe_of(row: dict[str, Any]) -> Recipe:
    """How a row is trained."""
    return make_wear_recipe(
        f"sphere:{row['level']}",
        row["texture"],
        level=row["level"],
        perception=row["sense"],
        settings=[f"loss.pixels={row['pixels']}"],
        cut={"scale": row["scale"]},
        epochs=row["epochs"],
        seed=row["seed"],
    )


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    budget = "" if row["epochs"] is None else f"-{row['epochs']}"
    return f"{Path(row['texture']).stem}-{row['sense']}-{row['level']}{budget}-seed{row['seed']}"


def turned(surface: Surface) -> Surface:
    """A surface that lies on its back."""
    cosine, sine = np.cos(TURN), np.sin(TURN)
    matrix = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return replace(surface, vertices=surface.vertices @ matrix.T)


@dataclass(frozen=True)
class Bench:
    """What textures are judged by, in views of half the side."""

    automaton: Automaton
    judge: Judge
    steps: int
    side: int  # pixels of a view
    edge: float  # of the sphere: a pixel in space

    def ways(self, surface: Surface) -> dict[str, dict[str, float | None]]:
        """How far what is woven on a surface lies from its picture, percent, by looks."""
        looks = {"plain": surface, "turned": turned(surface), "halved": surface.cut()}
        return {name: self.way(one) for name, one in looks.items()}

    def way(self, surface: Surface) -> dict[str, float | None]:
        """The same of it as it is; None where it is nowhere flat enough to say."""
        dressed = wear(self.automaton, surface, self.steps)
        found: dict[str, float | None] = {}
        for name, pixel in (("edges", surface.edge), ("space", self.edge)):
            seen = views(surface, JUDGED, width=self.side * pixel, side=self.side, seed=ELSEWHERE)
            distance = (
                self.judge.distance(seen.seen(dressed).to(self.judge.exemplar)).mean().item()
                if len(seen)
                else None
            )
            found[name] = None if distance is None else round(self.judge.way(distance), 2)
        return found


def measured(path: Path, meshes: dict[str, str], *, by_length: bool) -> dict[str, Any]:
    """What the table has of a row.

    Args:
        path: of its model.
        meshes: files by name.
        by_length: whether a rule that heeds no lengths is judged a second time, as one that does.
    """
    model = modelfile.read(path)
    task = Wearing.of(Recipe.from_fields(model.training["recipe"]))
    bench = Bench(
        model.automaton, task.judge_of(closer=True), 2 * task.steps, task.wanted.pixels // 2, task.sphere.edge
    )
    surfaces = {"sphere": task.sphere}
    surfaces |= {name: fine(named.load(file).surface, task.sphere.edge) for name, file in meshes.items()}
    found: dict[str, Any] = {
        "parameters": model.spec.parameters,
        "trained": model.training["epochs"],
        "seconds": model.training["seconds"],
        "machine": model.training["machine"],
        "sphere": round(task.likeness(model.automaton).way, 2),
        "ways": {name: bench.ways(surface) for name, surface in surfaces.items()},
    }
    (sense,) = model.spec.senses
    if by_length and isinstance(sense, Harmonics) and not sense.edge:
        heeding = Automaton(replace(model.spec, senses=(replace(sense, edge=task.sphere.edge),)))
        heeding.load_state_dict(model.automaton.state_dict())
        bench = replace(bench, automaton=heeding)
        found["by length"] = {name: bench.ways(surface) for name, surface in surfaces.items()}
    return found


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown."""
    surfaces = list(dict.fromkeys(name for row in found for name in row["ways"]))
    looks = [(look, by) for look in ("plain", "turned", "halved") for by in ("edges", "space")]
    heads = ("texture", "sense", "on", "epochs", "training, min", *(f"{look}, in {by}" for look, by in looks))
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in found:
        for sense, measured in (
            (row["sense"], row["ways"]),
            ("the same, by length", row.get("by length", {})),
        ):
            for number, name in enumerate(surface for surface in surfaces if surface in measured):
                what = (row["texture"], sense, name, f"{row['trained']:,}", f"{row['seconds'] / 60:.0f}")
                ways = (measured[name][look][by] for look, by in looks)
                shown = ("–" if way is None else f"{way:.1f} %" for way in ways)
                said = what if number == 0 else ("", "", name, "", "")
                yield "| " + " | ".join((*said, *shown)) + " |"


def main() -> None:
    """Train and judge what is missing, or print the table."""
    rows.by_processor()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "wear", help="folder of the runs")
    parser.add_argument("--textures", nargs="+", default=["scales"])
    parser.add_argument("--scale", type=float, default=4.0, help="pixels of the picture that an edge covers")
    parser.add_argument("--senses", nargs="+", default=list(SENSES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--level", type=int, default=5, help="of the sphere")
    parser.add_argument("--pixels", type=int, default=32, help="along a side of a view in training")
    parser.add_argument("--epochs", type=int, help="as many as petri mesh texture takes if left out")
    parser.add_argument("--meshes", nargs="*", default=[], help="files, and torus and knot")
    parser.add_argument("--by-length", action="store_true", help="judge rules as ones that heed lengths, too")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    asked_rows = (
        {
            "texture": texture,
            "scale": asked.scale,
            "sense": sense,
            "seed": seed,
            "level": asked.level,
            "pixels": asked.pixels,
            "epochs": asked.epochs,
            "meshes": [Path(mesh).stem for mesh in asked.meshes],
        }
        for texture in asked.textures
        for sense in asked.senses
        for seed in asked.seeds
    )
    meshes = {Path(mesh).stem: mesh for mesh in asked.meshes}
    for row in asked_rows if not asked.table else ():
        if rows.has(asked.results, row):
            continue
        path = rows.train(asked.runs / name_of(row), partial(recipe_of, row))
        print(f"{name_of(row)}: judging", flush=True)
        rows.keep(asked.results, row | measured(path, meshes, by_length=asked.by_length))
    print("\n".join(table(rows.results(asked.results))))


if __name__ == "__main__":
    main()

"""Which of VGG16's blocks a texture needs: python benchmarks/texture_blocks.py

The first three blocks, which petri ships and trains by, on pictures of three sizes, against all five
on one size, as in 2021: the same automaton, five textures, one thread and the same processor time for each.
The weights of blocks 4 and 5 must lie where petri looks for data (PETRI_DATA). What is compared is the way
from the floor, other crops of the picture, to the ceiling, its pixels shuffled, in layers that none has been
trained by. Writes a JSON file and a picture of each texture into --out; takes an hour or so, and goes on
where it was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petri import images, tasks
from petri.evaluation.style import Judge, woven
from petri.nca import show
from petri.tasks.texture import exemplar_of
from petri.training.textures import make_texture_recipe
from petri.training.trainer import Trainer

WAYS: dict[str, dict[str, Any]] = {
    "blocks 1-3, three sizes": {"blocks": 3, "sizes": 3},
    "blocks 1-5, one size": {"blocks": 5, "sizes": 1},
}
SECOND = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")  # what neither is trained by
WARM_UP, PACE = 4, 12  # epochs that do not count, and those by which the others are reckoned
# Picture of petri's and how many of its pixels a cell covers.
TEXTURES: dict[str, tuple[str, float]] = {
    "regular": ("brick", 2.5),
    "stochastic": ("gravel", 2.5),
    "line-like": ("grass", 1.5),
    "colourful": ("scales", 2.0),
    "near-random": ("clouds", 2.0),
}


def train(recipe: Any, seconds: float) -> tuple[Trainer, int, float]:
    """Train for about so many seconds of processor time; the trainer, its epochs and what it really took."""
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"))
    for _ in range(WARM_UP):
        trainer.train_epoch()
    begun = time.process_time()
    for _ in range(PACE):
        trainer.train_epoch()
    epochs = max(PACE, round(seconds * PACE / (time.process_time() - begun)))
    phase = dataclasses.replace(recipe.phases[0], epochs=epochs)
    recipe = dataclasses.replace(recipe, phases=(phase,))
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"))
    begun = time.process_time()
    for _ in range(epochs):
        trainer.train_epoch()
    return trainer, epochs, time.process_time() - begun


@torch.no_grad()
def judge(trainer: Trainer) -> tuple[dict[str, float], np.ndarray]:
    """How far textures of twice the size lie, by layers that were not trained by; and one of them."""
    task: Any = trainer.task
    automaton = trainer.result()
    held_out = Judge(task.exemplar, task.others, layers=SECOND, sizes=1)
    state = woven(automaton, (2 * task.grid[0], 2 * task.grid[1]), 2 * task.steps)
    distance = held_out.distance(show(state, automaton.spec)).item()
    found = {"distance": distance, "floor": held_out.floor, "ceiling": held_out.ceiling}
    return found | {"way": held_out.way(distance)}, images.picture(automaton, state[0], task.ground)


def main() -> None:
    """Train all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(".bench/texture_blocks"))
    parser.add_argument("--res", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TEXTURES, nargs="*", default=list(TEXTURES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "results.json"
    machine = f"{platform.machine()}, 1 thread, torch {torch.__version__}"
    made = {"machine": machine, "res": asked.res, "seconds": asked.seconds, "seed": asked.seed}
    kept = json.loads(file.read_text()) if file.is_file() else made | {"results": []}
    results = kept.pop("results") if made.items() <= kept.items() else []
    done = {(one["texture"], one["by"]) for one in results}
    for kind in asked.only:
        name, scale = TEXTURES[kind]
        for way in WAYS:
            if (kind, way) in done:
                continue
            cut = {"scale": scale, **WAYS[way]}
            recipe = make_texture_recipe(name, [name], res=asked.res, seed=asked.seed, cut=cut)
            trainer, epochs, seconds = train(recipe, asked.seconds)
            found, picture = judge(trainer)
            exemplar = images.drawn(torch.from_numpy(exemplar_of(recipe, recipe.target).pixels), "#ffffff")
            images.save_picture(asked.out / f"{kind}.png", exemplar)
            images.save_picture(asked.out / f"{kind}, {way}.png", picture)
            results.append({"texture": kind, "by": way, "epochs": epochs, "seconds": seconds, **found})
            took = f"{epochs:5,} epochs in {seconds:4.0f} s"
            print(f"{kind:12} {way:24} {took}  {found['way']:6.1f} % of the way", flush=True)
            file.write_text(json.dumps(made | {"results": results}, indent=1))
    for way in WAYS:
        median = statistics.median(one["way"] for one in results if one["by"] == way)
        print(f"{way}: median {median:.1f} % of the way")


if __name__ == "__main__":
    main()

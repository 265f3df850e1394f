"""Which of VGG16's blocks a texture needs: python benchmarks/texture_blocks.py FOLDER

The first three blocks, which petri ships and trains by, on pictures of three sizes or two, against all five
on one size, as in 2021: the same automaton, five textures, one thread and the same processor time for each.
FOLDER holds scikit-image's brick.png, gravel.png and grass.png; two more are drawn here. The weights of
blocks 4 and 5 must lie where petri looks for data (PETRI_DATA). What is compared is the way from the floor,
other crops of the picture, to the ceiling, its pixels shuffled, in layers that none has been trained by.
Writes a JSON file and a picture of each texture into --out; takes an hour or so, and goes on where it was
stopped.
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
from PIL import Image

from petri import images, tasks
from petri.evaluation.style import Judge, woven
from petri.nca import show
from petri.tasks.texture import exemplar_of
from petri.training.textures import make_texture_recipe
from petri.training.trainer import Trainer

WAYS: dict[str, dict[str, Any]] = {
    "blocks 1-3, three sizes": {"blocks": 3, "sizes": 3},
    "blocks 1-5, one size": {"blocks": 5, "sizes": 1},
    "blocks 1-3, two sizes": {"blocks": 3, "sizes": 2},
}
SECOND = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")  # what neither is trained by
WARM_UP, PACE = 4, 12  # epochs that do not count, and those by which the others are reckoned
DRAWN = 384  # pixels a side of what is drawn here
# Picture, pixels a cell and place of each.
TEXTURES: dict[str, tuple[str, float, tuple[float, float]]] = {
    "regular": ("brick.png", 2.5, (0.5, 0.5)),
    "stochastic": ("gravel.png", 2.5, (0.0, 0.0)),
    "line-like": ("grass.png", 1.5, (0.0, 0.0)),
    "colourful": ("scales.png", 2.0, (0.0, 0.0)),
    "near-random": ("clouds.png", 2.0, (0.0, 0.0)),
}


def scales() -> np.ndarray:
    """Overlapping discs in rows, each of a hue of its own near its row's."""
    chance = np.random.default_rng(0)
    picture = np.zeros((DRAWN, DRAWN, 3))
    y, x = np.mgrid[:DRAWN, :DRAWN]
    for row in range(-1, DRAWN // 16 + 2):
        for column in range(-1, DRAWN // 32 + 2):
            across, down = 32 * column + 16 * (row % 2), 16 * row
            far = np.hypot(x - across, y - down) / 18
            hue = 0.55 + 0.25 * chance.standard_normal() * 0.5
            colour = 0.5 + 0.5 * np.cos(2 * np.pi * (hue + np.array([0, 0.33, 0.67])))
            shade = np.where(far > 0.85, 0.15, 1.1 - 0.6 * far)
            inside = (far < 1) & (y >= down)
            picture[inside] = (colour * shade[..., None])[inside]
    return picture.clip(0, 1)


def clouds() -> np.ndarray:
    """Noise whose amplitude falls with its frequency, in three colours that go together somewhat."""
    chance = np.random.default_rng(1)
    rows, columns = np.fft.fftfreq(DRAWN)[:, None], np.fft.rfftfreq(DRAWN)[None]
    filtered = 1 / np.maximum(np.hypot(rows, columns), 4 / DRAWN)
    noise = np.fft.rfft2(chance.standard_normal((3, DRAWN, DRAWN))) * filtered
    planes = np.fft.irfft2(noise, s=(DRAWN, DRAWN))
    planes = (planes - planes.mean((1, 2), keepdims=True)) / planes.std((1, 2), keepdims=True)
    mixed = np.einsum("ij,jyx->yxi", [[0.9, 0.3, 0.0], [0.5, 0.7, 0.2], [0.1, 0.4, 0.8]], planes)
    return (0.5 + 0.17 * mixed).clip(0, 1)


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
    return found | {"way": held_out.way(distance)}, images.picture(state[0], automaton.spec, task.ground)


def main() -> None:
    """Train all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".bench/texture_blocks"))
    parser.add_argument("--res", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TEXTURES, nargs="*", default=list(TEXTURES))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, drawn in (("scales", scales()), ("clouds", clouds())):
        Image.fromarray((drawn * 255).round().astype(np.uint8)).save(asked.out / f"{name}.png")
    file = asked.out / "results.json"
    machine = f"{platform.machine()}, 1 thread, torch {torch.__version__}"
    made = {"machine": machine, "res": asked.res, "seconds": asked.seconds, "seed": asked.seed}
    kept = json.loads(file.read_text()) if file.is_file() else made | {"results": []}
    results = kept.pop("results") if made.items() <= kept.items() else []
    done = {(one["texture"], one["by"]) for one in results}
    for kind in asked.only:
        name, scale, crop = TEXTURES[kind]
        path = asked.folder / name if (asked.folder / name).is_file() else asked.out / name
        for way in WAYS:
            if (kind, way) in done:
                continue
            terms = WAYS[way]
            recipe = make_texture_recipe(
                name, [str(path)], res=asked.res, seed=asked.seed, cut={"scale": scale, "crop": crop, **terms}
            )
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

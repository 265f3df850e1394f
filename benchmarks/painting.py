"""Where the time of painting goes: python benchmarks/painting.py [MODEL]

An epoch of `petri grow logo --res 64 --pixels 512`, in its parts, by processor time, on one thread; and
pictures of a model, or of drawn weights, by `petri play --pixels`, with the most memory that they took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from petri import modelfile, models, targets, tasks
from petri.nca.decoder import Raster, interpolate
from petri.tasks.paint import Painting
from petri.training.presets import make_recipe
from petri.training.trainer import Trainer

PIXELS = (512, 1080, 2160, 4096)
TIMES = 9  # of which the median counts
# Asked of the process itself: what the system says of one that has ended counts what its parent held.
PLAY = """
import atexit, json, time
from petri import memory
from petri.__main__ import main
atexit.register(lambda: print(json.dumps((time.process_time(), memory.peak()))))
main()
"""


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of some work, the median."""
    work()
    found = []
    for _ in range(TIMES):
        begun = time.process_time()
        work()
        found.append(1e3 * (time.process_time() - begun))
    return sorted(found)[TIMES // 2]


def parts() -> None:
    """Of an epoch."""
    recipe = make_recipe(targets.load("logo", 64), "logo", res=64, pixels=512)
    task = tasks.make(recipe)
    assert isinstance(task, Painting)
    trainer = Trainer(recipe, task, torch.device("cpu"))
    automaton, steps = trainer.automaton, sum(recipe.phases[0].again) // 2
    chance = torch.Generator().manual_seed(0)
    state = torch.rand(1, recipe.spec.planes, 64, 64, generator=chance)
    state[:, :4] = torch.nn.functional.interpolate(task.target[None], 64, mode="area")
    down, right = task.draw_lines()
    whole = Raster.of(512, 512)
    raster = Raster(rows=whole.rows[down], columns=whole.columns[right])
    grown = state.clone().requires_grad_()

    def rollout(back: bool) -> None:
        begun = state.clone().requires_grad_(back)
        end = automaton.rollout(begun, steps, seed=1, precision="auto")
        if back:
            end.square().mean().backward()

    def losses(back: bool) -> None:
        found = task.losses([grown], {"state": grown})
        if back:
            (found["pattern"] + found["cells"] + found["overflow"]).sum().backward()

    points = len(down) * len(right)
    hidden = torch.randn(64, points)
    weight, half = torch.randn(64, 64), hidden.bfloat16()
    with torch.no_grad():
        forward = milliseconds(lambda: rollout(False))
    rows = {
        f"rollout of {steps} steps, forward": forward,
        "and back": milliseconds(lambda: rollout(True)) - forward,
        f"losses at {points:,} points, forward": (ahead := milliseconds(lambda: losses(False))),
        "and back ": milliseconds(lambda: losses(True)) - ahead,
        "of them: the state between the cells": milliseconds(
            lambda: interpolate(state, raster, padding="zero")
        ),
        "a layer's product, float32": milliseconds(lambda: weight @ hidden),
        "a layer's product, bfloat16": milliseconds(lambda: weight.bfloat16() @ half),
        "a layer's sines": milliseconds(lambda: hidden.sin()),
    }
    for name, value in rows.items():
        print(f"{name:42}{value:8.1f} ms")


def pictures(model: str | None) -> None:
    """Of each size: seconds and memory of a whole `petri play`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        if model is None:
            recipe = make_recipe(targets.load("logo", 64), "logo", res=64, pixels=512)
            trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"))
            made = modelfile.Model(
                automaton=trainer.result(), target="logo", training={"recipe": recipe.to_fields()}
            )
            modelfile.write(path, made)
        else:
            path = models.find(model)
        for pixels in PIXELS:
            out = Path(folder) / "picture.png"
            command = [sys.executable, "-c", PLAY, "play", path, "--pixels", str(pixels), "--out", out]
            played = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            seconds, memory = json.loads(played.stdout.splitlines()[-1])
            size = out.stat().st_size / 1e3
            print(f"{pixels:5}²  {seconds:6.1f} s of processor time, {memory / 1e9:.2f} GB, {size:,.0f} kB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parts()
    pictures(sys.argv[1] if len(sys.argv) > 1 else None)

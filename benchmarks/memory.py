"""Measure an epoch at 256², batch 2, as the way back is shortened: python benchmarks/memory.py

Plain (nothing is computed again), checkpointing every 16 steps and truncation to the last 16, by the native
step and by PyTorch alone, each in a process of its own. What PyTorch alone keeps for a plain epoch would not
fit into most machines, so it is only measured with --steps small enough. Prints a table of time and memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from multiprocessing import get_context

import torch

from petri import memory, targets, tasks
from petri.engine import native_status
from petri.tasks.catalogue import reports_architecture
from petri.training.ablation import KEEP_ALL
from petri.training.presets import make_recipe
from petri.training.trainer import Trainer

WAYS = {
    "plain": [f"checkpoint={KEEP_ALL}"],
    "checkpointing every 16": ["checkpoint=16"],
    "truncation to 16": [f"checkpoint={KEEP_ALL}", "phases.truncate=16"],
    "the engine's own choice": [],
}


def measure(engine: str, way: str, res: int, steps: int, repetitions: int) -> tuple[list[float], int]:
    """Seconds of each epoch, and the bytes that the process grew by at its peak."""
    settings = [*WAYS[way], f"phases.steps=[{steps}, {steps}]", "pool.size=2", "optimiser.warm_up=0"]
    file = {"phases": [{"res": res, "epochs": 100, "batch": 2, "steps": [steps, steps]}]}
    recipe = make_recipe(
        targets.load("spiral", res),
        "spiral",
        res=res,
        file=file,
        settings=settings,
        architecture=reports_architecture("spiral"),
    )
    precision = "auto" if engine == "native" else "float32"
    native_status()  # what compiling and trying the native step takes is no part of training
    memory.forget_peak()
    idle, seconds = memory.peak(), []
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"), engine=engine, precision=precision)
    for _ in range(repetitions):
        begun = time.monotonic()
        trainer.train_epoch()
        seconds.append(time.monotonic() - begun)
    return seconds, memory.peak() - idle


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--res", type=int, default=256)
    parser.add_argument("--steps", type=int, default=96, help="to grow; 32 more are held")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--engines", nargs="*", default=["native", "torch"])
    asked = parser.parse_args()
    print("| engine | the way back | seconds an epoch | peak memory, MB |\n|---|---|---|---|")
    for engine in asked.engines:
        for way in WAYS:
            if engine == "torch" and (
                way == "the engine's own choice" or (way == "plain" and asked.steps > 16)
            ):
                continue  # it chooses to checkpoint every 16; and a plain epoch would not fit
            with get_context("spawn").Pool(1) as pool:
                seconds, peak = pool.apply(measure, (engine, way, asked.res, asked.steps, asked.repetitions))
            spread = f"{statistics.median(seconds):.1f} ({min(seconds):.1f}–{max(seconds):.1f})"
            print(f"| {engine} | {way} | {spread} | {peak / 1e6:,.0f} |", flush=True)


if __name__ == "__main__":
    main()

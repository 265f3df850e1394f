"""Train with the native step and with the reference, and compare: python benchmarks/same_loss.py

The same recipes, several seeds each, once by the fused native step with the fastest products of this machine
and once by plain PyTorch in float32. What counts is the report's loss from the seed: the two means must lie
no further apart than seeds do. Prints a line a run and a table; takes an hour on two cores, nearly all of it
PyTorch's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from petri import targets, tasks
from petri.evaluation.report import report_loss
from petri.tasks.catalogue import reports_architecture
from petri.training.presets import make_recipe
from petri.training.trainer import Trainer

ENGINES = {"native": "auto", "torch": "float32"}  # and the precision of each
TARGETS = ("circle", "spiral")


def train(name: str, engine: str, seed: int, options: dict[str, int]) -> float:
    """Train once with one thread; the report's loss from the seed."""
    torch.set_num_threads(1)
    begun = time.monotonic()
    res, batch, epochs = options["res"], options["batch"], options["epochs"]
    one = {
        "phases": [{"res": res, "epochs": epochs, "batch": batch, "steps": [48, 96]}],
        "pool": {"size": 256},
    }
    cell = reports_architecture(name)
    target = targets.load(name, res)
    recipe = make_recipe(target, name, res=res, file=one, seed=seed, architecture=cell)
    trainer = Trainer(
        recipe, tasks.make(recipe), torch.device("cpu"), engine=engine, precision=ENGINES[engine]
    )
    for _ in range(recipe.epochs):
        trainer.train_epoch()
    loss = report_loss(trainer.result(), torch.from_numpy(target.pixels[:3])).loss
    print(f"{name} seed {seed} {engine}: {loss:.4f} in {time.monotonic() - begun:.0f} s", flush=True)
    return loss


def main() -> None:
    """Train all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--res", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    asked = vars(parser.parse_args())
    seeds, processes = asked.pop("seeds"), asked.pop("processes")
    # Other ways to start a process would take over threads that OpenMP does not find again.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        runs = {
            (name, engine): [pool.submit(train, name, engine, seed, asked) for seed in range(seeds)]
            for engine in ENGINES
            for name in TARGETS
        }
        losses = {key: [run.result() for run in group] for key, group in runs.items()}
    for name in TARGETS:
        means = {engine: statistics.mean(losses[name, engine]) for engine in ENGINES}
        spreads = {engine: statistics.stdev(losses[name, engine]) for engine in ENGINES}
        said = ", ".join(f"{engine} {means[engine]:.4f} ± {spreads[engine]:.4f}" for engine in ENGINES)
        apart = abs(means["native"] - means["torch"]) / max(spreads.values())
        print(f"{name}: {said}; the means lie {apart:.1f} of the larger standard deviation apart")


if __name__ == "__main__":
    main()

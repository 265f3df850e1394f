"""Compare the quick preset with the plain training it replaced, at equal work: python benchmarks/quick.py

The plain training is one phase with batches of eight, a lower rate and no average of the weights. Both take
as much work (petri.training.pace), which is about equal time; the times are printed. Three patterns,
three seeds each; what counts is the report's loss from the seed. It takes an hour and a half on two cores,
a quarter of an hour with --epochs 50.
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
from petri.training.pace import cell_steps
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe
from petri.training.trainer import Trainer

TARGETS = ("spiral", "checkerboard", "circle")
PLAIN = {"optimiser": {"learning_rate": 2e-3, "average": 0.0}, "pool": {"size": 256}}


def recipes(name: str, res: int, epochs: int, seed: int) -> dict[str, Recipe]:
    """Both, of as much work."""
    target = targets.load(name, res)
    phases = [{"res": res, "epochs": epochs, "batch": 8, "steps": [48, 96]}]
    same = {"res": res, "seed": seed, "architecture": reports_architecture(name)}
    plain = make_recipe(target, name, file={**PLAIN, "phases": phases}, **same)
    quick = make_recipe(target, name, **same)
    share = work(plain) / work(quick)
    return {
        "plain": plain,
        "quick": make_recipe(target, name, epochs=round(quick.epochs * share), **same),
    }


def work(recipe: Recipe) -> float:
    """Of a whole run."""
    return sum(phase.epochs * cell_steps(recipe, phase) for phase in recipe.phases)


def train(recipe: Recipe) -> tuple[float, float]:
    """Train with one thread; the report's loss from the seed, and the seconds of processor time."""
    torch.set_num_threads(1)
    begun = time.process_time()
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"))
    while trainer.epoch < recipe.epochs:
        trainer.train_epoch()
    seconds = time.process_time() - begun
    target = torch.from_numpy(targets.load(recipe.target, recipe.res).pixels[:3])
    return report_loss(trainer.result(), target).loss, seconds


def main() -> None:
    """Train all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--res", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=300, help="of the plain training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        runs = [
            (name, kind, seed, pool.submit(train, recipe))
            for seed in range(asked.seeds)
            for name in TARGETS
            for kind, recipe in recipes(name, asked.res, asked.epochs, seed).items()
        ]
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for name, kind, seed, run in runs:
            loss, seconds = run.result()
            print(f"{name} seed {seed} {kind}: {loss:.4f} in {seconds:.0f} s", flush=True)
            found.setdefault((name, kind), []).append((loss, seconds))
    print("\n| | training | loss, median (least–greatest) | processor time, s |\n|---|---|---|---|")
    for (name, kind), results in sorted(found.items()):
        losses = [loss for loss, _ in results]
        spread = f"{statistics.median(losses):.4f} ({min(losses):.4f}–{max(losses):.4f})"
        print(f"| {name} | {kind} | {spread} | {statistics.median(s for _, s in results):.0f} |")


if __name__ == "__main__":
    main()

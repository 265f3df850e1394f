"""What each part of the stability triad is worth: the same training with a part removed, seed by seed."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

from petri.datasets import Dataset
from petri.dni.experiment import Observer, Spread, diverged, spread
from petri.dni.recipe import Recipe
from petri.dni.trainer import Epoch, Trainer
from petri.verdict import clear

MATTERS = 0.1  # points of accuracy, about ten test images of ten thousand


@dataclass(frozen=True)
class Finding:
    """One variant beside the whole triad."""

    name: str
    first: Spread  # test accuracy after the first epoch, percent
    last: Spread  # after the last one
    change: Spread  # of the last, seed by seed, against the whole triad
    diverged: int  # seeds
    verdict: str


def variants(recipe: Recipe) -> dict[str, Recipe | None]:
    """The recipes that are compared, the whole triad first; None stands for plain backpropagation."""
    return {
        "warm-up, zero start, bounds": recipe,
        "without warm-up": replace(recipe, warm_up=0.0),
        "without zero start": replace(recipe, zero_init=False),
        "without bounds": replace(recipe, bounded=False),
        "without any of the three": replace(recipe, warm_up=0.0, zero_init=False, bounded=False),
        "graders that predict nothing": replace(recipe, grader="silent"),
        "backpropagation": None,
    }


def ablate(recipe: Recipe, data: Dataset, observer: Observer) -> list[Finding]:
    """Train every variant from every seed of the recipe; the whole triad comes first."""
    epochs: dict[str, list[list[Epoch]]] = {}
    for seed in range(recipe.seed, recipe.seed + recipe.seeds):
        for name, changed in variants(recipe).items():
            trainer = Trainer(changed or recipe, data, seed=seed, graded=changed is not None)
            trained: list[Epoch] = []
            for _ in range(recipe.epochs):
                trained.append(trainer.train_epoch())
                observer.epoch(f"seed {seed}  {name}", trained[-1])
            epochs.setdefault(name, []).append(trained)
    whole = next(iter(epochs.values()))
    return [find(name, runs, whole) for name, runs in epochs.items()]


def find(name: str, runs: list[list[Epoch]], whole: list[list[Epoch]]) -> Finding:
    """Compare a variant's runs with those of the whole triad from the same seeds.

    The verdict: `diverges` if a run ends at chance; else `ends lower` or `ends higher` if the last epoch's
    accuracy changes by more than `MATTERS` and by more than chance would (`petri.verdict`); else `slower` or
    `faster` if the first epoch's does so; else `does not care`.
    """
    first = [b[0].accuracy - a[0].accuracy for a, b in zip(whole, runs, strict=True)]
    last = [b[-1].accuracy - a[-1].accuracy for a, b in zip(whole, runs, strict=True)]
    lost = sum(map(diverged, runs))
    if runs is whole:
        verdict = f"diverges ({lost} of {len(runs)})" if lost else ""
    elif lost:
        verdict = f"diverges ({lost} of {len(runs)})"
    elif _changes(last):
        verdict = f"ends {'lower' if statistics.fmean(last) < 0 else 'higher'}"
    elif _changes(first):
        verdict = "slower at first" if statistics.fmean(first) < 0 else "faster at first"
    else:
        verdict = "does not care"
    return Finding(
        name,
        spread(run[0].accuracy for run in runs),
        spread(run[-1].accuracy for run in runs),
        spread(last),
        lost,
        verdict,
    )


def _changes(differences: list[float]) -> bool:
    mean = abs(statistics.fmean(differences))
    if len(differences) < 2:
        return mean > MATTERS
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return mean > max(MATTERS, clear(len(differences) - 1) * error)

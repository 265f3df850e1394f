"""What each part of the stability triad is worth: the same training with a part removed, seed by seed."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from petri import checks
from petri.datasets import Dataset
from petri.dni.experiment import Observer, Spread, count_fates, spread
from petri.dni.recipe import DniRecipe
from petri.dni.trainer import NetworkEpoch, NetworkTrainer
from petri.errors import BadRequest, RunFailed
from petri.record import Record, not_none
from petri.verdict import clear

MATTERS = 0.1  # points of accuracy, about ten test images of ten thousand
WAYS = ("clean", "chained")  # that have the whole triad


@dataclass(frozen=True)
class AblationTrial:
    """One trained network."""

    variant: str
    seed: int
    epochs: list[NetworkEpoch]


@dataclass(frozen=True)
class Finding:
    """One variant beside the whole triad."""

    name: str
    first: Spread  # test accuracy after the first epoch, percent
    last: Spread  # after the last one
    change: Spread  # of the last, seed by seed, against the whole triad
    verdict: str


def variants(recipe: DniRecipe) -> dict[str, DniRecipe | None]:
    """The recipes that are compared, the whole triad first; None stands for plain backpropagation.

    Raises:
        BadRequest: a recipe in which there is nothing to remove.
    """
    checks.choice("way", recipe.way, WAYS)
    for name in ("beta_max", "warm_up"):
        if not getattr(recipe, name):
            raise BadRequest(f"{name} must be above 0: an ablation tells what is lost without it")
    return {
        "warm-up, zero start, bounds": recipe,
        "without warm-up": replace(recipe, warm_up=0.0),
        "without zero start": replace(recipe, zero_init=False),
        "without bounds": replace(recipe, bounded=False),
        "without any of the three": replace(recipe, warm_up=0.0, zero_init=False, bounded=False),
        "graders that predict nothing": replace(recipe, grader="silent"),
        "backpropagation": None,
    }


def open_record(path: Path, recipe: DniRecipe) -> Record[AblationTrial]:
    """The record of an ablation, which may have more seeds later.

    Raises:
        BadRequest: see `petri.record.Record`.
    """
    fields = recipe.to_fields()
    asked = {name: fields[name] for name in fields if name not in ("seed", "seeds")}

    def restore(fields: dict[str, Any]) -> AblationTrial:
        epochs = [NetworkEpoch(**{**one, "loss": not_none(one["loss"])}) for one in fields.pop("epochs")]
        if len(epochs) != recipe.epochs:
            raise ValueError(f"{len(epochs)} epochs")
        trial = AblationTrial(**fields, epochs=epochs)
        checks.printable("variant", trial.variant)
        checks.whole("seed", trial.seed, 0, 2**31)
        return trial

    return Record(path, {"recipe": asked}, restore, kind="an ablation of graders")


def ablate(
    recipe: DniRecipe, data: Dataset, observer: Observer, record: Record[AblationTrial]
) -> list[Finding]:
    """Train every variant from every seed of the recipe, unless the record has it.

    Returns:
        The whole triad first.

    Raises:
        BadRequest: a recipe in which there is nothing to remove.
        RunFailed: the record cannot be written; what it has is kept.
    """
    epochs: dict[str, list[list[NetworkEpoch]]] = {}
    for seed in range(recipe.seed, recipe.seed + recipe.seeds):
        for name, changed in variants(recipe).items():
            known = (one.epochs for one in record.trials if (one.variant, one.seed) == (name, seed))
            trained = next(known, None)
            if trained is None:
                trainer = NetworkTrainer(changed or recipe, data, seed=seed, graded=changed is not None)
                trained = []
                for _ in range(recipe.epochs):
                    trained.append(trainer.train_epoch())
                    observer.epoch(f"seed {seed}  {name}", trained[-1])
                try:
                    record.add(AblationTrial(name, seed, trained))
                except OSError as error:
                    raise RunFailed(f"cannot write {record.path}: {error.strerror or error}") from None
            epochs.setdefault(name, []).append(trained)
    whole = next(iter(epochs.values()))
    return [find(name, runs, whole) for name, runs in epochs.items()]


def find(name: str, runs: list[list[NetworkEpoch]], whole: list[list[NetworkEpoch]]) -> Finding:
    """Compare a variant's runs with those of the whole triad from the same seeds.

    The verdict: how many runs came to nothing, if any (`petri.dni.experiment.fate`); else, if there are
    several seeds, `ends lower` or `ends higher` if the last epoch's accuracy changes by more than `MATTERS`
    and by more than chance would (`petri.verdict`); else `slower at first` or `faster at first` if the first
    epoch's does so; else `does not care`.
    """
    first = [b[0].accuracy - a[0].accuracy for a, b in zip(whole, runs, strict=True)]
    last = [b[-1].accuracy - a[-1].accuracy for a, b in zip(whole, runs, strict=True)]
    verdict = count_fates(runs)
    if not verdict and runs is not whole:
        if len(runs) < 2:
            verdict = "one seed says nothing"
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
        verdict,
    )


def _changes(differences: list[float]) -> bool:
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return abs(statistics.fmean(differences)) > max(MATTERS, clear(len(differences) - 1) * error)

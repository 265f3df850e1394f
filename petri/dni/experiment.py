"""The experiment: pairs of networks, one by plain backpropagation and one with graders, seed by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from petri.datasets import Dataset
from petri.dni import modelfile, plots
from petri.dni.recipe import DniRecipe
from petri.dni.runs import NETWORKS, DniRun
from petri.dni.trainer import CLASSES, NetworkEpoch, NetworkTrainer
from petri.errors import BadRequest, RunFailed

CHANCE = 20.0  # percent; a network that ends below has learned nothing worth the name
START = math.log(CLASSES)  # the loss of a network that does not prefer any class: about that of first weights
DIVERGES, AT_CHANCE = "diverges", "stays at chance"


class Observer(Protocol):
    """Whoever watches an experiment."""

    def epoch(self, what: str, epoch: NetworkEpoch) -> None:
        """A network, such as `seed 0 baseline`, has trained one epoch."""


@dataclass(frozen=True)
class Spread:
    """The mean of some runs, and how far they lie apart."""

    mean: float
    deviation: float  # standard deviation of the sample, n − 1; NaN of a single value

    def __str__(self) -> str:
        return f"{self.mean:.2f}" + ("" if math.isnan(self.deviation) else f" ± {self.deviation:.2f}")


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation."""
    values = list(values)
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan)


@dataclass(frozen=True)
class Summary:
    """What the finished seeds have come to, after the last epoch of each."""

    seeds: int
    baseline: Spread  # accuracy in percent
    dni: Spread
    gap: Spread  # baseline − DNI, seed by seed, in points
    synthetic_ratio: float  # of what the hidden layers were given at last, by length, 0..1
    baseline_ms: float  # a step; the median over all epochs
    dni_ms: float
    fates: str  # how many seeds' DNI networks came to nothing, and how; empty if none


def check(recipe: DniRecipe, data: Dataset) -> None:
    """Refuse a recipe that does not fit the data.

    Raises:
        BadRequest: the batch is larger than the data set.
    """
    if recipe.batch > len(data.train):
        raise BadRequest(f"batch must be at most the {len(data.train):,} images, got {recipe.batch}")


def train(run: DniRun, data: Dataset, observer: Observer) -> None:
    """Train the seeds of a run that are not finished; each is kept as soon as it is.

    The two networks of a seed take turns, an epoch each, so that their times can be compared.

    Raises:
        RunFailed: the results cannot be written; finished seeds are kept.
    """
    for seed in run.unfinished:
        pair = {
            "baseline": NetworkTrainer(run.recipe, data, seed=seed, graded=False),
            "dni": NetworkTrainer(run.recipe, data, seed=seed, graded=True),
        }
        epochs: dict[str, list[NetworkEpoch]] = {name: [] for name in pair}
        for _ in range(run.recipe.epochs):
            for name, trainer in pair.items():
                epochs[name].append(trainer.train_epoch())
                observer.epoch(f"seed {seed}  {name}", epochs[name][-1])
        try:
            if seed == run.recipe.seed:
                for name, trainer in pair.items():
                    model = modelfile.TrainedNetwork(
                        trainer.network, trainer.graders, run.recipe, seed, epochs[name][-1].accuracy,
                        data.mean, data.deviation,
                    )  # fmt: skip
                    modelfile.write(run.path(f"{name}.safetensors"), model)
            run.add(seed, epochs, pair["dni"].looks)
        except OSError as error:
            raise RunFailed(f"cannot write to {run.folder}: {error.strerror or error}") from None


def conclude(run: DniRun) -> Summary:
    """Draw the plots of the finished seeds, at least one, and sum them up.

    Raises:
        RunFailed: the plots cannot be written.
    """
    try:
        plots.save_all(run)
    except OSError as error:
        raise RunFailed(f"cannot write to {run.folder}: {error.strerror or error}") from None
    return summarise(run)


def summarise(run: DniRun) -> Summary:
    """Sum up the finished seeds, at least one."""
    last = {name: [networks[name][-1].accuracy for networks in run.epochs.values()] for name in NETWORKS}
    times = {
        name: statistics.median(epoch.step_ms for networks in run.epochs.values() for epoch in networks[name])
        for name in NETWORKS
    }
    shares = [share for looks in run.looks.values() for share in looks[-1].shares]
    return Summary(
        seeds=len(run.epochs),
        baseline=spread(last["baseline"]),
        dni=spread(last["dni"]),
        gap=spread(a - b for a, b in zip(last["baseline"], last["dni"], strict=True)),
        synthetic_ratio=statistics.fmean(shares),
        baseline_ms=times["baseline"],
        dni_ms=times["dni"],
        fates=count_fates(networks["dni"] for networks in run.epochs.values()),
    )


def fate(epochs: list[NetworkEpoch]) -> str:
    """How training came to nothing: `DIVERGES`, `AT_CHANCE`, or empty if it did not.

    It diverges if the loss ends not finite, or above its start by a tenth, which chance does not account for.
    """
    if not epochs[-1].loss <= 1.1 * START:  # also if it is not a number
        return DIVERGES
    return AT_CHANCE if epochs[-1].accuracy < CHANCE else ""


def count_fates(runs: Iterable[list[NetworkEpoch]]) -> str:
    """Such as `diverges (2 of 3), stays at chance (1 of 3)`; empty if all have learned something."""
    fates = [fate(epochs) for epochs in runs]
    return ", ".join(
        f"{what} ({fates.count(what)} of {len(fates)})" for what in (DIVERGES, AT_CHANCE) if what in fates
    )

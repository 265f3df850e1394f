"""The folder of a run: its recipe, its metrics and what came of it."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple
from pathlib import Path

from petri.dni.agreement import Agreement
from petri.dni.recipe import DniRecipe
from petri.dni.trainer import GraderLook, NetworkEpoch
from petri.errors import BadRequest
from petri.files import write_whole
from petri.runfolder import RunFolder

EPOCHS = ("seed", "network", "epoch", "beta", "loss", "accuracy", "step_ms")  # columns of metrics.csv
LOOKS = (
    "seed", "step", "beta", "layer", "cosine", "explained_variance", "mse", "mse_of_zero", "length",
    "synthetic_share",
)  # of graders.csv  # fmt: skip
NETWORKS = ("baseline", "dni")
NEEDED = 50_000_000  # bytes


class DniRun(RunFolder):
    """The folder of an experiment.

    Attributes:
        epochs: of each finished seed and each network, `baseline` and `dni`, all epochs.
        looks: of each finished seed, how well its graders predicted.
    """

    recipes = DniRecipe

    def __init__(self, folder: Path, recipe: DniRecipe) -> None:
        super().__init__(folder, recipe)
        self.epochs: dict[int, dict[str, list[NetworkEpoch]]] = {}
        self.looks: dict[int, list[GraderLook]] = {}

    @classmethod
    def create(cls, parent: Path, name: str | None, recipe: DniRecipe) -> DniRun:
        """Make a new folder, called after the data set if no name is given; see `make`."""
        return cls.make(parent, name, recipe, default=f"dni-{recipe.data}", room=NEEDED)

    @classmethod
    def open(cls, folder: Path, *, lock: bool = True) -> DniRun:
        """Open a run's folder to go on with it; the seeds that it has finished are read.

        Raises:
            BadRequest: not such a run, damaged, or another process works in it.
        """
        run = super().open(folder, lock=lock)
        run._read()
        return run

    @property
    def unfinished(self) -> list[int]:
        """Seeds that are still to be trained."""
        first = self.recipe.seed
        return [seed for seed in range(first, first + self.recipe.seeds) if seed not in self.epochs]

    def add(self, seed: int, epochs: dict[str, list[NetworkEpoch]], looks: list[GraderLook]) -> None:
        """Keep what a finished seed has given, and write all metrics anew.

        Raises:
            OSError: the disk is full or cannot be written; what was there before is as it was.
        """
        self.epochs[seed], self.looks[seed] = epochs, looks
        rows = [
            (number, look.step, look.beta, layer, *astuple(one), share)
            for number, all_looks in self.looks.items()
            for look in all_looks
            for layer, (one, share) in enumerate(zip(look.graders, look.shares, strict=True), 1)
        ]
        write_whole(self.path("graders.csv"), _table(LOOKS, rows))
        rows = [
            (number, network, one.number, one.beta, one.loss, one.accuracy, one.step_ms)
            for number, networks in self.epochs.items()
            for network, all_epochs in networks.items()
            for one in all_epochs
        ]
        write_whole(self.path("metrics.csv"), _table(EPOCHS, rows))  # last: it says which seeds are finished

    def _read(self) -> None:
        if not self.path("metrics.csv").is_file():
            return
        try:
            for row in _rows(self.path("metrics.csv"), EPOCHS):
                epoch = NetworkEpoch(int(row["epoch"]), *(float(row[name]) for name in EPOCHS[3:]))
                self.epochs.setdefault(int(row["seed"]), {}).setdefault(row["network"], []).append(epoch)
            for row in _rows(self.path("graders.csv"), LOOKS):
                seed, step = int(row["seed"]), int(row["step"])
                looks = self.looks.setdefault(seed, [])
                if not looks or looks[-1].step != step:
                    looks.append(GraderLook(step, float(row["beta"]), [], []))
                *values, share = (float(row[name]) for name in LOOKS[4:])
                looks[-1].graders.append(Agreement(*values))
                looks[-1].shares.append(share)
            for seed in self.looks.keys() - self.epochs.keys():
                del self.looks[seed]  # of a seed that was not finished when the process was killed
            self._check()
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            self.close()
            raise BadRequest(f"the metrics in {self.folder} are damaged: {error}") from None

    def _check(self) -> None:
        """Refuse with a ValueError what a whole file would not hold."""
        numbers = list(range(1, self.recipe.epochs + 1))
        layers = len(self.recipe.widths)
        longest = max((len(looks) for looks in self.looks.values()), default=0)
        for seed, networks in self.epochs.items():
            for name in NETWORKS:
                if [epoch.number for epoch in networks.get(name, [])] != numbers:
                    raise ValueError(f"metrics.csv must have {len(numbers)} epochs of seed {seed}, {name}")
            looks = self.looks.get(seed, [])
            if not looks or len(looks) != longest or any(len(look.graders) != layers for look in looks):
                raise ValueError(f"graders.csv lacks lines of seed {seed}")


def _table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)
    return text.getvalue()


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        if reader.fieldnames is None or tuple(reader.fieldnames) != columns:
            raise ValueError(f"{path.name} must have the columns {', '.join(columns)}")
    return rows

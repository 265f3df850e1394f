"""The folder of a run that trains an automaton: its metrics and its checkpoint."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from petri import checks, tensorfile
from petri.errors import BadRequest
from petri.files import replacing, write_whole
from petri.ground import AUTO, check
from petri.modelfile import renamed
from petri.runfolder import RECIPE, RunFolder
from petri.targets import split_time
from petri.tasks import TASKS
from petri.training.recipe import Recipe

CHECKPOINT, SCHEMA = "checkpoint.safetensors", "5"
Row = tuple[float, ...]  # the values of a run's columns
ROWS = "rows"  # the metrics' name in a checkpoint
SAME = (
    "target",
    "targets",
    "name",
    "task",
    "spec",
    "seed",
)  # what another recipe may not change under a checkpoint


# What is not measured in every epoch: the loss from the seed.
PERHAPS = ("from_seed",)


def columns(recipe: Recipe) -> tuple[str, ...]:
    """Names of a run's metrics, an epoch each; `died` is a share of the batch."""
    losses = TASKS[recipe.task].weigh(recipe.loss)
    return ("epoch", "loss", *losses, "learning_rate", "steps", "seconds", "died", *PERHAPS)


class Run(RunFolder):
    """The folder of a run that trains an automaton.

    Attributes:
        recipe: how it trains.
        columns: names of its metrics.
        rows: metrics of each epoch so far, in the order of the columns.
        ground: what its pictures show a figure on; see `petri.ground`.
    """

    recipes = Recipe

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        super().__init__(folder, recipe)
        self.columns = columns(recipe)
        self.rows: list[Row] = []
        self.ground = AUTO

    @property
    def looks(self) -> list[tuple[int, float]]:
        """Epochs after which the run was measured from the seed, and the loss then."""
        found = zip(self.column("epoch"), self.column("from_seed"), strict=True)
        return [(int(epoch), loss) for epoch, loss in found if not math.isnan(loss)]

    def column(self, name: str) -> list[float]:
        """A metric of all epochs so far."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    @classmethod
    def create(cls, parent: Path, name: str | None, recipe: Recipe, *, room: int) -> Run:
        """Make a new folder, called after the target and the resolution if no name is given; see `make`."""
        return cls.make(parent, name, recipe, default=slug(recipe), room=room)

    def lengthen(self, recipe: Recipe) -> None:
        """Go on by another recipe, which begins as this one does.

        Raises:
            BadRequest: it cannot be written.
        """
        try:
            write_whole(self.path(RECIPE), recipe.to_toml())
        except OSError as error:
            raise BadRequest(f"cannot write to {self.folder}: {error.strerror or error}") from None
        self.recipe = recipe

    def write_checkpoint(self, tensors: dict[str, Tensor], epoch: int, seconds: float) -> None:
        """Save what training needs to go on, then the metrics, each whole or not at all.

        Raises:
            OSError: the disk is full or cannot be written; what was there before is as it was.
        """
        metadata = {
            "format": "petri checkpoint",
            "schema": SCHEMA,
            "epoch": str(epoch),
            "seconds": repr(seconds),
            "recipe": self.recipe.to_toml(),
            "ground": self.ground,
        }
        rows = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(self.columns))
        saved = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()} | {ROWS: rows}
        with replacing(self.path(CHECKPOINT)) as temporary:
            try:
                save_file(saved, temporary, metadata)
            except SafetensorError as error:  # it says so of a full disk
                raise OSError(str(error)) from None
        self.write_metrics()

    def read_checkpoint(
        self, like_at: Callable[[int], dict[str, Tensor]]
    ) -> tuple[dict[str, Tensor], int, float] | None:
        """Read what `write_checkpoint` saved; None if there is none yet.

        Args:
            like_at: of an epoch gives tensors of the same names, shapes and types, as the recipe makes them.

        Returns:
            Tensors, epoch, seconds trained. `rows` and `ground` are then those of the checkpoint.

        Raises:
            BadRequest: damaged, or does not fit the recipe; the message names the field.
        """
        path = self.path(CHECKPOINT)
        if not path.is_file():
            return None
        metadata, tensors = tensorfile.read(path, "checkpoint")
        schema = metadata.get("schema")
        if metadata.get("format") != "petri checkpoint" or schema not in ("3", "4", SCHEMA):
            raise BadRequest(f"{path} is not a checkpoint of schema {SCHEMA}")
        try:
            trained = Recipe.from_toml(metadata["recipe"])
            if schema == "3":
                tensors = _upgraded(tensors, trained)
            if schema != SCHEMA:
                tensors = _named_anew(tensors, self.columns)
            (epoch, seconds), rows = read_progress(metadata), tensors.pop(ROWS)
            ground = check(metadata.get("ground", AUTO))
        except (KeyError, ValueError) as error:
            raise BadRequest(f"{path} is not a checkpoint: {error}") from None
        for name in SAME:
            if getattr(trained, name) != getattr(self.recipe, name):
                raise BadRequest(f"{path} is of another recipe: its {name} is not that of {RECIPE}")
        if not 0 <= epoch <= self.recipe.epochs:
            raise BadRequest(f"{path} is of epoch {epoch}, the recipe has {self.recipe.epochs}")
        like = like_at(epoch)
        for name in sorted(like.keys() ^ tensors.keys()):
            raise BadRequest(f"{path}: {name} is {'missing' if name in like else 'not known'}")
        for name, tensor in like.items():
            # The state of a generator differs between kinds of device; the trainer sees to it.
            fits = tensors[name].shape == tensor.shape or name == "draws"
            if not fits or tensors[name].dtype != tensor.dtype:
                raise BadRequest(f"{path}: {name} does not fit the recipe")
        if rows.shape != (epoch, len(self.columns)):
            raise BadRequest(f"{path}: {ROWS} does not fit the epoch {epoch}")
        if rows.isinf().any() or not rows[:, : self.columns.index(PERHAPS[0])].isfinite().all():
            raise BadRequest(f"{path}: {ROWS} has values that are not finite")
        self.rows = [tuple(row) for row in rows.tolist()]
        self.ground = ground
        return tensors, epoch, seconds

    def has_metrics(self) -> bool:
        """Whether metrics.csv has a line for every one of `rows`."""
        try:
            return self.path("metrics.csv").read_bytes().count(b"\n") == len(self.rows) + 1
        except OSError:
            return False

    def write_metrics(self) -> None:
        """Write metrics.csv: a line of names, then one an epoch."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if value != value else f"{value:.6g}" for value in row] for row in self.rows)
        write_whole(self.path("metrics.csv"), text.getvalue())


def has_finished(training: dict[str, Any], recipe: Recipe) -> bool:
    """Whether a model is what a recipe comes to in the end: all its epochs, or an early stop.

    Args:
        training: of the model file in the run's folder.
        recipe: of the run as it is now.
    """
    planned = training.get("planned", training.get("epochs"))  # petri 0.1 did not stop early
    return planned == recipe.epochs and training.get("finished") is not False


def _upgraded(tensors: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """What a checkpoint of schema 3, of petri 0.1, holds, as this version names it.

    It kept a target a phase, not one a size, did not count what died and did not measure from the seed.
    """
    upgraded = {name: tensor for name, tensor in tensors.items() if not name.startswith("target.")}
    for number, phase in enumerate(recipe.phases, 1):
        if (target := tensors.get(f"target.{number}")) is not None:
            upgraded[f"target.{phase.res}"] = target
    upgraded["guard.dying"] = torch.zeros((), dtype=torch.float64)
    rows = upgraded[ROWS]
    if rows.ndim == 2:
        died, from_seed = rows.new_zeros(len(rows), 1), rows.new_full((len(rows), 1), float("nan"))
        upgraded[ROWS] = torch.cat([rows, died, from_seed], dim=1)
    return upgraded


def _named_anew(tensors: dict[str, Tensor], columns: tuple[str, ...]) -> dict[str, Tensor]:
    """What a checkpoint of schema 4 holds, as this version names it; the perceptual loss had no column."""
    named = {renamed(name): tensor for name, tensor in tensors.items() if name != "guard.reach"}
    rows = named[ROWS]
    if "perceptual" in columns and rows.ndim == 2 and rows.shape[1] == len(columns) - 1:
        at = columns.index("perceptual")
        named[ROWS] = torch.cat([rows[:, :at], torch.zeros_like(rows[:, :1]), rows[:, at:]], dim=1)
    return named


def read_progress(metadata: dict[str, str]) -> tuple[int, float]:
    """The epoch of a checkpoint, and the seconds trained until then.

    Raises:
        KeyError: one is missing.
        ValueError: one is no such number.
    """
    epoch = checks.whole("epoch", int(metadata["epoch"]), 0, 2**53)
    return epoch, checks.number("seconds", float(metadata["seconds"]), 0, 1e9)


def slug(recipe: Recipe) -> str:
    """A folder name for a recipe: `circle-64`; of a file its stem, of symbols their codes."""
    name = recipe.name
    if not recipe.targets and not name.startswith(("emoji:", "text:")):
        file, _ = split_time(name)
        name = Path(file).stem + name[len(file) :]
    letters = [c if _fits(c) or c in "-_" else f"-{ord(c):x}" if ord(c) > 127 else "-" for c in name]
    words = re.sub("-+", "-", "".join(letters)).strip("-").lower()[:60]
    return f"{words or 'run'}-{recipe.res}"


def _fits(letter: str) -> bool:
    try:
        os.fsencode(letter)  # in the C locale nothing beyond ASCII can be in a name
    except UnicodeEncodeError:
        return False
    return letter.isalnum()

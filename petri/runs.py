"""The folder of a run that trains an automaton: its metrics and its checkpoint."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from petri import tensorfile
from petri.errors import BadRequest
from petri.files import replacing, write_whole
from petri.growth.recipe import Recipe
from petri.runfolder import RECIPE, RunFolder

COLUMNS = ("epoch", "loss", "pattern", "stability", "overflow", "learning_rate", "steps", "seconds")
CHECKPOINT, SCHEMA = "checkpoint.safetensors", "3"
Row = tuple[float, ...]  # the values of COLUMNS
ROWS = "rows"  # the metrics' name in a checkpoint
SAME = ("target", "name", "spec", "seed")  # what another recipe may not change under a checkpoint


class Run(RunFolder):
    """The folder of a run that trains an automaton.

    Attributes:
        recipe: how it trains.
        rows: metrics of each epoch so far, in the order of `COLUMNS`.
    """

    recipes = Recipe

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        super().__init__(folder, recipe)
        self.rows: list[Row] = []

    @classmethod
    def create(cls, parent: Path, name: str | None, recipe: Recipe, *, room: int) -> Run:
        """Make a new folder, called after the target and the resolution if no name is given; see `make`."""
        return cls.make(parent, name, recipe, default=slug(recipe), room=room)

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
        }
        rows = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(COLUMNS))
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
            Tensors, epoch, seconds trained. `rows` is then that of the checkpoint's epoch.

        Raises:
            BadRequest: damaged, or does not fit the recipe; the message names the field.
        """
        path = self.path(CHECKPOINT)
        if not path.is_file():
            return None
        metadata, tensors = tensorfile.read(path, "checkpoint")
        if metadata.get("format") != "petri checkpoint" or metadata.get("schema") != SCHEMA:
            raise BadRequest(f"{path} is not a checkpoint of schema {SCHEMA}")
        try:
            epoch, seconds, rows = int(metadata["epoch"]), float(metadata["seconds"]), tensors.pop(ROWS)
            trained = Recipe.from_toml(metadata["recipe"])
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
        if rows.shape != (epoch, len(COLUMNS)):
            raise BadRequest(f"{path}: {ROWS} does not fit the epoch {epoch}")
        self.rows = [tuple(row) for row in rows.tolist()]
        return tensors, epoch, seconds

    def write_metrics(self) -> None:
        """Write metrics.csv: a line of names, then one an epoch."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f"{value:.6g}" for value in row] for row in self.rows)
        write_whole(self.path("metrics.csv"), text.getvalue())


def slug(recipe: Recipe) -> str:
    """A folder name for a recipe: `circle-64`; of a file its stem, of symbols their codes."""
    name = recipe.name if recipe.name.startswith(("emoji:", "text:")) else Path(recipe.name).stem
    letters = [c if _fits(c) or c in "-_" else f"-{ord(c):x}" if ord(c) > 127 else "-" for c in name]
    words = re.sub("-+", "-", "".join(letters)).strip("-").lower()[:60]
    return f"{words or 'run'}-{recipe.res}"


def _fits(letter: str) -> bool:
    try:
        os.fsencode(letter)  # in the C locale nothing beyond ASCII can be in a name
    except UnicodeEncodeError:
        return False
    return letter.isalnum()

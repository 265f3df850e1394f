"""A run's folder: its recipe, metrics, checkpoint and results."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from petri.errors import BadRequest
from petri.files import replacing, write_whole
from petri.growth.recipe import Recipe

COLUMNS = ("epoch", "loss", "pattern", "stability", "overflow", "learning_rate", "steps", "seconds")
SCHEMA = "1"  # of the checkpoint


class Run:
    """A folder that one process at a time works in.

    Attributes:
        recipe: how it trains.
        rows: metrics of each epoch so far, in the order of `COLUMNS`.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder = folder
        self.recipe = recipe
        self.rows: list[tuple[float, ...]] = []
        self._lock = FileLock(folder / ".lock")

    @classmethod
    def create(cls, parent: Path, name: str | None, recipe: Recipe, *, room: int) -> Run:
        """Make a new folder for a run.

        Args:
            parent: folder that holds runs.
            name: of the folder; made from the target and the resolution if None, with a number if taken.
            recipe: written into it at once.
            room: bytes that the run will need.

        Raises:
            BadRequest: the name is taken or unusable, the disk is too full or cannot be written.
        """
        if name is not None and (not name.strip(". ") or set(name) & set('/\\:*?"<>|\0')):
            raise BadRequest(f"name must be that of a folder, without slashes and the like, got {name!r}")
        folder = parent / (name or slug(recipe))
        number = 1
        try:
            parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(parent).free
            if free < room:
                raise BadRequest(
                    f"a run of this size needs {megabytes(room)} in {parent}, {megabytes(free)} are free"
                )
            while True:
                try:
                    folder.mkdir()
                    break
                except FileExistsError:
                    if name is not None:
                        raise BadRequest(
                            f"{folder} is there already: choose another --name, or --resume {folder}"
                        ) from None
                    number += 1
                    folder = parent / f"{slug(recipe)}-{number}"
            run = cls(folder, recipe)
            run._acquire()
            write_whole(folder / "recipe.toml", recipe.to_toml())
        except OSError as error:
            raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a run's folder to go on with it.

        Raises:
            BadRequest: not a run, or another process works in it.
        """
        path = folder / "recipe.toml"
        if not path.is_file():
            raise BadRequest(f"{folder} is not a run: it has no recipe.toml")
        try:
            recipe = Recipe.from_toml(path.read_text(encoding="utf-8"))
        except (BadRequest, UnicodeDecodeError) as error:
            raise BadRequest(f"{path}: {error}") from None
        run = cls(folder, recipe)
        run._acquire()
        return run

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadRequest(f"{self.folder} is in use by another process") from None
        except OSError as error:
            raise BadRequest(f"cannot write to {self.folder}: {error.strerror or error}") from None

    def close(self) -> None:
        """Let other processes have the folder."""
        self._lock.release()

    def path(self, name: str) -> Path:
        """A file of this run."""
        return self.folder / name

    def write_checkpoint(self, tensors: dict[str, Tensor], epoch: int, seconds: float) -> None:
        """Save the metrics, then what training needs to go on, each whole or not at all."""
        self.write_metrics()
        metadata = {
            "format": "petri checkpoint",
            "schema": SCHEMA,
            "epoch": str(epoch),
            "seconds": repr(seconds),
        }
        with replacing(self.path("checkpoint.safetensors")) as temporary:
            save_file(
                {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, temporary, metadata
            )

    def read_checkpoint(self, like: dict[str, Tensor]) -> tuple[dict[str, Tensor], int, float] | None:
        """Read what `write_checkpoint` saved; None if there is none yet.

        Args:
            like: tensors of the same names, shapes and types as the recipe makes them.

        Returns:
            Tensors, epoch, seconds trained. `rows` is then that of the checkpoint's epoch.

        Raises:
            BadRequest: damaged, or does not fit the recipe; the message names the field.
        """
        path = self.path("checkpoint.safetensors")
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise BadRequest(f"{path} is not a checkpoint: {error}") from None
        if metadata.get("format") != "petri checkpoint" or metadata.get("schema") != SCHEMA:
            raise BadRequest(f"{path} is not a checkpoint of schema {SCHEMA}")
        for name in like.keys() ^ tensors.keys():
            raise BadRequest(f"{path}: {name} is {'missing' if name in like else 'not known'}")
        for name, tensor in like.items():
            if tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
                raise BadRequest(f"{path}: {name} does not fit the recipe")
        epoch, seconds = int(metadata["epoch"]), float(metadata["seconds"])
        self.rows = self._read_metrics()[:epoch]
        return tensors, epoch, seconds

    def write_metrics(self) -> None:
        """Write metrics.csv: a line of names, then one an epoch."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f"{value:.6g}" for value in row] for row in self.rows)
        write_whole(self.path("metrics.csv"), text.getvalue())

    def _read_metrics(self) -> list[tuple[float, ...]]:
        with self.path("metrics.csv").open(newline="", encoding="utf-8") as file:
            return [tuple(map(float, row)) for row in list(csv.reader(file))[1:]]


def slug(recipe: Recipe) -> str:
    """A folder name for a recipe: `circle-64`; of a file only its stem, of symbols their codes."""
    target = recipe.target
    if os.sep in target or "/" in target or Path(target).is_file():
        target = Path(target).stem
    words = [c if c.isalnum() or c in "-_" else f"-{ord(c):x}" if ord(c) > 127 else "-" for c in target]
    return re.sub("-+", "-", "".join(words)).strip("-").lower()[:60] + f"-{recipe.res}"


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.0f} MB"

"""A run as it trains: the weights of its last checkpoint, read without disturbing it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from petri import modelfile, models, tensorfile
from petri.datasets import pictures
from petri.datasets.files import default_root
from petri.datasets.sources import SOURCES
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Automaton
from petri.targets import name_of
from petri.tasks.classified import sampled
from petri.training.recipe import Recipe
from petri.training.runs import CHECKPOINT, ROWS, columns, has_finished, read_progress

RECIPE = "recipe.toml"
WEIGHTS = "weights."  # what a checkpoint's tensors of weights begin with
AVERAGES = "average."  # their moving averages, which a run may keep too: they grow better


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint's part that matters to a viewer."""

    version: str  # another one for every checkpoint; "0" before the first
    epoch: int
    loss: float | None  # of the last epoch
    model: Model


class Follower:
    """Reads a run's folder again and again; another process may be training in it.

    Raises:
        BadRequest: not a run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / RECIPE
        try:
            self.recipe = Recipe.from_toml(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, BadRequest) as error:
            raise BadRequest(f"{path}: {error}") from None
        self._lock = threading.Lock()
        self._last: Snapshot | None = None

    @property
    def finished(self) -> bool:
        """Whether the run has trained to its end and left its model."""
        try:
            training = modelfile.read(self.folder / models.MODEL).training
        except BadRequest:
            return False
        return has_finished(training, self.recipe)

    def model(self) -> Model:
        """The model as of the last checkpoint."""
        return self.snapshot().model

    def snapshot(self) -> Snapshot:
        """Read the last checkpoint, unless it is the one that was read before.

        A checkpoint takes its name only when it is whole, so there is never half of one to be read.

        Raises:
            BadRequest: what is there is no checkpoint of this recipe.
        """
        path = self.folder / CHECKPOINT
        with self._lock:
            try:
                found = path.stat()
                version = f"{found.st_mtime_ns:x}-{found.st_size:x}"
            except OSError:
                version = "0"
            if self._last is None or self._last.version != version:
                self._last = self._read(path, version)
            return self._last

    def _read(self, path: Path, version: str) -> Snapshot:
        automaton = Automaton(self.recipe.spec, generator=torch.Generator().manual_seed(self.recipe.seed))
        if version == "0":
            return Snapshot(version, 0, None, self._model(automaton, 0, 0.0, {}))
        try:
            with tensorfile.opened(path) as file:  # the pool, most of it, is not read
                metadata = file.metadata() or {}
                names = {modelfile.renamed(name): name for name in file.keys()}  # noqa: SIM118
                for name, place in modelfile.weights(automaton).items():
                    kept = AVERAGES + name
                    found = names[kept if kept in names else WEIGHTS + name]
                    self._copy(file.get_tensor(found), place, name)
                rows = file.get_tensor(ROWS)
            epoch, seconds = read_progress(metadata)
            loss = float(rows[-1, columns(self.recipe).index("loss")]) if len(rows) else None
        except (SafetensorError, OSError, KeyError, ValueError, IndexError) as error:
            raise BadRequest(f"{path} is not a checkpoint of this run: {error}") from None
        return Snapshot(version, epoch, loss, self._model(automaton, epoch, seconds, metadata))

    @staticmethod
    def _copy(tensor: Tensor, place: Tensor, name: str) -> None:
        if tensor.shape != place.shape:
            raise ValueError(f"{name} must be {list(place.shape)}, got {list(tensor.shape)}")
        place.data.copy_(tensor)

    def _model(self, automaton: Automaton, epoch: int, seconds: float, metadata: dict[str, str]) -> Model:
        # As far as it has come: it has never seen the larger grids.
        names = {"target": self.recipe.name, "targets": [name_of(asked) for asked in self.recipe.targets]}
        recipe = self.recipe.so_far(epoch).to_fields() | names
        training = {"recipe": recipe, "epochs": epoch, "seconds": round(seconds)}
        if self.recipe.classes:
            training["samples"] = _samples(self.recipe.target, self.recipe.loss.data)
            recipe["loss"]["data"] = ""
        if "ground" in metadata:
            training["ground"] = metadata["ground"]
        return Model(
            automaton=automaton,
            target=self.recipe.name,
            training=training,
            conditions=self.recipe.conditions,
            classes=self.recipe.classes,
        )


@lru_cache(maxsize=4)
def _samples(data: str, folder: str) -> dict[str, Any]:
    """Pictures for a classifier, as its file has them when it is trained; none if the data set has gone."""
    root = Path(folder) if folder else default_root()
    if data in SOURCES and not (root / SOURCES[data].place).is_dir():
        return {}  # a page is no reason to fetch it
    try:
        return sampled(pictures.load(data, root))
    except BadRequest:
        return {}

"""Model files of trained networks: safetensors, and in the metadata how they were trained.

Reading one executes nothing, and refuses whatever does not fit its recipe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from petri import checks, tensorfile
from petri.datasets import NAMES
from petri.datasets.dataset import normalise
from petri.dni.grader import Graders
from petri.dni.network import Network
from petri.dni.recipe import DniRecipe
from petri.dni.trainer import CLASSES, make_graders
from petri.errors import BadRequest
from petri.files import write_whole
from petri.version import __version__

FORMAT, SCHEMA = "petri dni", "1"
PIXELS = dict.fromkeys(NAMES, 28 * 28)


@dataclass(frozen=True)
class TrainedNetwork:
    """What a model file holds."""

    network: Network
    graders: Graders | None  # None of the baseline
    recipe: DniRecipe
    seed: int
    accuracy: float  # on the test images after the last epoch, in percent
    mean: float  # of the training images' pixels, black 0 and white 255
    deviation: float

    @torch.no_grad()
    def classify(self, images: np.ndarray) -> list[int]:
        """What the network takes images for.

        Args:
            images: uint8 `[n, 28, 28]`, white on black.
        """
        return self.network(normalise(images, self.mean, self.deviation)).argmax(1).tolist()


def write(path: Path, model: TrainedNetwork) -> None:
    """Write a model file, whole or not at all.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    metadata = {
        "format": FORMAT,
        "schema": SCHEMA,
        "version": __version__,
        "network": "baseline" if model.graders is None else "dni",
        "recipe": json.dumps(model.recipe.to_fields(), sort_keys=True),
        "seed": str(model.seed),
        "accuracy": repr(model.accuracy),
        "mean": repr(model.mean),
        "deviation": repr(model.deviation),
    }
    tensors = {name: tensor.float().cpu().contiguous() for name, tensor in _whole(model).state_dict().items()}
    write_whole(path, tensorfile.to_bytes(tensors, metadata))


def _whole(model: TrainedNetwork) -> nn.ModuleDict:
    parts: dict[str, nn.Module] = {"network": model.network}
    return nn.ModuleDict(parts if model.graders is None else parts | {"graders": model.graders})


def read(path: Path) -> TrainedNetwork:
    """Read a model file.

    Raises:
        BadRequest: not there, not such a file, or its weights do not fit its recipe.
    """
    path = Path(path)
    metadata, tensors = tensorfile.read(path, "model file")
    try:
        return _check(metadata, tensors)
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def _check(metadata: dict[str, str], tensors: dict[str, Tensor]) -> TrainedNetwork:
    if metadata.get("format") != FORMAT or metadata.get("schema") != SCHEMA:
        raise BadRequest(f"not a network of `petri dni`, schema {SCHEMA}")
    try:
        fields = json.loads(metadata["recipe"])
        seed = int(metadata["seed"])
        accuracy, mean, deviation = (float(metadata[name]) for name in ("accuracy", "mean", "deviation"))
        recipe = DniRecipe(**fields)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the metadata is damaged: {error}") from None
    checks.number("accuracy", accuracy, 0, 100)
    checks.number("mean", mean, 0, 255)
    checks.number("deviation", deviation, 0, 255, low_open=True)
    network = Network((PIXELS[recipe.data], *recipe.widths, CLASSES), torch.Generator())
    graders = make_graders(recipe, recipe.widths, 0) if metadata.get("network") == "dni" else None
    model = TrainedNetwork(network, graders, recipe, seed, accuracy, mean, deviation)
    places = _whole(model).state_dict()
    for name in sorted(places.keys() ^ tensors.keys()):
        raise BadRequest(f"the recipe {'needs' if name in places else 'has no place for'} the tensor {name}")
    for name, place in places.items():
        if tensors[name].shape != place.shape or tensors[name].dtype != place.dtype:
            raise BadRequest(f"{name} must be {list(place.shape)} of {place.dtype} by the recipe")
        place.copy_(tensors[name])
    return model

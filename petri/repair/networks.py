"""The classifiers that are damaged: one hidden layer, trained without any trick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from petri import checks, tensorfile
from petri.datasets import Dataset
from petri.dni.network import Network
from petri.errors import BadRequest
from petri.files import write_whole

SIDE = 28  # pixels of an image
PIXELS, CLASSES = SIDE * SIDE, 10
BATCH, RATE = 128, 1e-3  # of Adam
WIDEST = 1024


@dataclass(frozen=True)
class Making:
    """How one network was made; the same gives the same weights on one CPU."""

    width: int  # hidden units
    epochs: int
    seed: int
    data: str = "mnist"

    def __post_init__(self) -> None:
        checks.whole("width", self.width, 1, WIDEST)
        checks.whole("epochs", self.epochs, 0, 1000)
        checks.whole("seed", self.seed, 0, 2**31)

    @property
    def name(self) -> str:
        """Such as `mnist-64-10-0`: the data, the width, the epochs and the seed."""
        return f"{self.data}-{self.width}-{self.epochs}-{self.seed}"


@dataclass(frozen=True)
class Weights:
    """A network of one hidden layer: what is stored of it."""

    first: Tensor  # [width, 784]
    first_bias: Tensor  # [width]
    second: Tensor  # [10, width]
    second_bias: Tensor  # [10]

    def before(self, images: Tensor) -> Tensor:
        """What the hidden units are given, `[image, width]`, of images `[image, 784]` in 0..1."""
        return images @ self.first.T + self.first_bias

    def outputs(self, images: Tensor) -> Tensor:
        """Logits, `[image, 10]`."""
        return self.before(images).relu() @ self.second.T + self.second_bias


@dataclass(frozen=True)
class Images:
    """A data set in the form that these networks are given."""

    train: Tensor  # float32 [image, 784] in 0..1
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor

    @classmethod
    def of(cls, data: Dataset) -> Images:
        """Of a data set as petri loads it, which has mean 0 and deviation 1."""
        train, test = (
            (part.images * data.deviation + data.mean).div_(255).clamp_(0, 1)
            for part in (data.train, data.test)
        )
        return cls(train, data.train.labels, test, data.test.labels)


def make(making: Making, images: Images) -> Weights:
    """Train a network.

    Source: the settings of the comparison in docs/repair.md: PyTorch's default start, Adam, no weight decay.
    """
    chance = torch.Generator().manual_seed(making.seed)
    network = Network((PIXELS, making.width, CLASSES), chance)
    adam = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for _ in range(making.epochs):
        for chosen in torch.randperm(len(images.train), generator=chance).split(BATCH):
            loss = F.cross_entropy(network(images.train[chosen]), images.train_labels[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
    return Weights(*(parameter.detach() for parameter in network.parameters()))


def kept(
    makings: Sequence[Making],
    folder: Path,
    images: Callable[[], Images],
    tell: Callable[[str], None] = lambda text: None,
) -> list[Weights]:
    """Networks from a folder; those that are not there yet are trained and written.

    Args:
        makings: of each.
        folder: of the files, one a network.
        images: gives what they are trained on; asked only if one is missing.
        tell: told of each network that is trained.

    Raises:
        BadRequest: a file there is no such network.
    """
    found = []
    for number, making in enumerate(makings, 1):
        path = folder / f"{making.name}.safetensors"
        if not path.is_file():
            tell(f"training network {number} of {len(makings)}: {making.name}")
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, tensorfile.to_bytes(vars(make(making, images())), {}))
        tensors = tensorfile.read(path, "network")[1]
        shapes = {
            "first": (making.width, PIXELS),
            "first_bias": (making.width,),
            "second": (CLASSES, making.width),
            "second_bias": (CLASSES,),
        }
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
            raise BadRequest(f"{path} is not a network of {making.width} hidden units: remove it")
        found.append(Weights(**tensors))
    return found

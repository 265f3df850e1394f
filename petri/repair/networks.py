"""The classifiers that are damaged, of one hidden layer or convolutional, trained without any trick."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks, tensorfile
from petri.datasets import Dataset
from petri.dni.network import Network, linear
from petri.errors import BadRequest
from petri.files import write_whole
from petri.repair.layers import CLASSES, Classifier, Layer

SIDE = 28  # pixels of an image
PIXELS = SIDE * SIDE
HIDDEN = {"first": "the only hidden layer", "second": "the layer after it, which gives the classes"}
CONVOLUTIONAL = {
    "conv1": "8 filters of 5×5 pixels",
    "conv2": "16 filters of 8 maps and 5×5 places",
    "linear": "the last layer, of 16 maps of 4×4 places",
}
FILTERS, KERNEL = (8, 16), 5
BATCH, RATE = 128, 1e-3  # of Adam
WIDEST = 1024


@dataclass(frozen=True)
class Making:
    """How one network was made; the same gives the same weights on one CPU."""

    width: int | None  # hidden units; None: it is the convolutional network
    epochs: int
    seed: int
    data: str = "mnist"

    def __post_init__(self) -> None:
        if self.width is not None:
            checks.whole("width", self.width, 1, WIDEST)
        checks.whole("epochs", self.epochs, 0, 1000)
        checks.whole("seed", self.seed, 0, 2**31)

    @property
    def name(self) -> str:
        """Such as `mnist-64-10-0`: the data, the width or `conv`, the epochs and the seed."""
        return f"{self.data}-{'conv' if self.width is None else self.width}-{self.epochs}-{self.seed}"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the weights of its layers, by name, first to last."""
        if self.width is not None:
            return {"first": (self.width, PIXELS), "second": (CLASSES, self.width)}
        one, two = FILTERS
        return {
            "conv1": (one, 1, KERNEL, KERNEL),
            "conv2": (two, one, KERNEL, KERNEL),
            "linear": (CLASSES, two * _shrunk(_shrunk(SIDE)) ** 2),
        }


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


def make(making: Making, images: Images) -> Classifier:
    """Train a network.

    Source: the settings of the comparison in docs/repair.md: PyTorch's default start, Adam, no weight decay.
    """
    chance = torch.Generator().manual_seed(making.seed)
    network = _start(making, chance)
    adam = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for _ in range(making.epochs):
        for chosen in torch.randperm(len(images.train), generator=chance).split(BATCH):
            loss = F.cross_entropy(network(images.train[chosen]), images.train_labels[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
    found = [parameter.detach() for parameter in network.parameters()]
    layers = zip(making.shapes, found[::2], found[1::2], strict=True)
    return Classifier({name: Layer(weights, bias) for name, weights, bias in layers})


def _start(making: Making, chance: torch.Generator) -> nn.Module:
    """A network that has not been trained."""
    if making.width is not None:
        return Network((PIXELS, making.width, CLASSES), chance)
    stages: list[nn.Module] = [nn.Unflatten(1, (1, SIDE, SIDE))]
    *filters, last = making.shapes.values()
    for units, channels, *kernel in filters:
        layer = nn.utils.skip_init(nn.Conv2d, channels, units, tuple(kernel))
        bound = 1 / math.sqrt(channels * math.prod(kernel))
        for values in layer.parameters():
            nn.init.uniform_(values, -bound, bound, generator=chance)
        stages += [layer, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*stages, nn.Flatten(), linear(last[1], last[0], chance))


def _shrunk(side: int) -> int:
    """Of a map's side, what a convolution and the maximum of 2×2 places leave."""
    return (side - KERNEL + 1) // 2


def blank(making: Making) -> Classifier:
    """A network of that shape, all zeros: to ask what can be done with its layers."""
    return Classifier(
        {name: Layer(torch.zeros(shape), torch.zeros(shape[0])) for name, shape in making.shapes.items()}
    )


def kept(
    makings: Sequence[Making],
    folder: Path,
    images: Callable[[], Images],
    tell: Callable[[str], None] = lambda text: None,
) -> list[Classifier]:
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
            layers = make(making, images()).layers
            stored = {name: layer.weights for name, layer in layers.items()}
            stored |= {f"{name}_bias": layer.bias for name, layer in layers.items()}
            write_whole(path, tensorfile.to_bytes(stored, {}))
        tensors = tensorfile.read(path, "network")[1]
        shapes = making.shapes | {f"{name}_bias": shape[:1] for name, shape in making.shapes.items()}
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
            kind = (
                "convolutional network" if making.width is None else f"network of {making.width} hidden units"
            )
            raise BadRequest(f"{path} is not a {kind}: remove it")
        found.append(
            Classifier({name: Layer(tensors[name], tensors[f"{name}_bias"]) for name in making.shapes})
        )
    return found

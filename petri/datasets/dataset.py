"""A data set as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri import checks
from petri.datasets import cifar, files, idx, mini
from petri.datasets.sources import (
    CIFAR10,
    IDX,
    SOURCES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)

NAMES = (*(source.name for source in IDX), "mini")  # grey pictures that networks are trained on


@dataclass(frozen=True)
class Split:
    """Images and what they show."""

    images: Tensor  # float32 [n, 784], row by row, of the training images' mean 0 and deviation 1
    labels: Tensor  # int64 [n], 0..9

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """What is trained on and what is tested on."""

    name: str
    title: str  # for tables
    mean: float  # of the training images' pixels, black 0 and white 255
    deviation: float
    train: Split
    test: Split

    def to(self, device: torch.device) -> Dataset:
        """The same on a device."""
        moved = [Split(part.images.to(device), part.labels.to(device)) for part in (self.train, self.test)]
        return Dataset(self.name, self.title, self.mean, self.deviation, *moved)


def title(name: str) -> str:
    """What a data set is called in tables: one of `NAMES`, by its own name and what it is of."""
    if name == "mini":
        return f"mini ({10 * mini.TRAIN_EACH:,} images of MNIST)"
    return SOURCES[name].title


def normalise(images: np.ndarray, mean: float, deviation: float) -> Tensor:
    """Images as networks are given them.

    Args:
        images: uint8 `[n, height, width]`.
        mean, deviation: of the training images' pixels.

    Returns:
        float32 `[n, height · width]`.
    """
    pixels = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32))
    return pixels.sub_(mean).div_(deviation)


def load(name: str, root: Path | None = None, note: Callable[[str], None] = lambda text: None) -> Dataset:
    """Read a data set; fetch it first if it is not there.

    Args:
        name: one of `NAMES`.
        root: folder that holds data sets in torchvision's layout; `files.default_root()` if None.
        note: told what is fetched from where, a line each.

    Raises:
        BadRequest: no such data set, a damaged file, or it cannot be fetched.
    """
    checks.choice("data", name, NAMES)
    return _dataset(name, **arrays(name, root, note))


def arrays(
    name: str, root: Path | None = None, note: Callable[[str], None] = lambda text: None
) -> dict[str, np.ndarray]:
    """What a data set holds, as it is; see `load`.

    Returns:
        `train_images` and `test_images` uint8 `[n, height, width]`, or `[n, 3, height, width]` of colours;
        `train_labels` and `test_labels`.
    """
    checks.choice("data", name, (*SOURCES, "mini"))
    if name == "mini":
        return mini.read()
    source, root = SOURCES[name], root or files.default_root()
    contents = files.read(source, root)
    if contents is None:
        files.fetch(source, root, note)
        contents = files.read(source, root)
        assert contents is not None
    if name == CIFAR10.name:
        parts = [cifar.parse(contents[name]) for name in cifar.TRAIN]
        images, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
        test_images, test_labels = cifar.parse(contents[cifar.TEST])
        return {
            "train_images": images,
            "train_labels": labels,
            "test_images": test_images,
            "test_labels": test_labels,
        }
    return {
        "train_images": idx.parse(contents[TRAIN_IMAGES]),
        "train_labels": idx.parse(contents[TRAIN_LABELS]),
        "test_images": idx.parse(contents[TEST_IMAGES]),
        "test_labels": idx.parse(contents[TEST_LABELS]),
    }


def _dataset(
    name: str,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
) -> Dataset:
    mean, deviation = float(train_images.mean()), float(train_images.std())

    def split(images: np.ndarray, labels: np.ndarray) -> Split:
        return Split(normalise(images, mean, deviation), torch.from_numpy(labels.astype(np.int64)))

    train, test = split(train_images, train_labels), split(test_images, test_labels)
    return Dataset(name, title(name), mean, deviation, train, test)

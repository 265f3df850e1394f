"""A data set as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri import checks
from petri.datasets import files, idx, mini
from petri.datasets.sources import SOURCES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

NAMES = (*SOURCES, "mini")


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
    train: Split
    test: Split

    def to(self, device: torch.device) -> Dataset:
        """The same on a device."""
        moved = [Split(part.images.to(device), part.labels.to(device)) for part in (self.train, self.test)]
        return Dataset(self.name, self.title, *moved)


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
    if name == "mini":
        arrays = mini.read()
        title = f"mini ({len(arrays['train_labels']):,} images of MNIST)"
        return _dataset(name, title, **arrays)
    source, root = SOURCES[name], root or files.default_root()
    contents = files.read(source, root)
    if contents is None:
        files.fetch(source, root, note)
        contents = files.read(source, root)
        assert contents is not None
    return _dataset(
        name,
        source.title,
        idx.parse(contents[TRAIN_IMAGES]),
        idx.parse(contents[TRAIN_LABELS]),
        idx.parse(contents[TEST_IMAGES]),
        idx.parse(contents[TEST_LABELS]),
    )


def _dataset(
    name: str,
    title: str,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
) -> Dataset:
    mean, deviation = float(train_images.mean()), float(train_images.std())

    def split(images: np.ndarray, labels: np.ndarray) -> Split:
        pixels = torch.from_numpy(images.reshape(len(images), -1).astype(np.float32))
        return Split(pixels.sub_(mean).div_(deviation), torch.from_numpy(labels.astype(np.int64)))

    return Dataset(name, title, split(train_images, train_labels), split(test_images, test_labels))

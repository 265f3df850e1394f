"""A data set as pictures with labels: what is trained on, what choices are made by, and what is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri.datasets.dataset import arrays, title
from petri.datasets.sources import CLASSES

HELD_BACK = 5000  # of the training images, the last ones, or a tenth of a smaller set: for choices


@dataclass(frozen=True)
class Labelled:
    """Pictures and what they show."""

    images: Tensor  # uint8 [n, channel, height, width]: grey, or RGB
    labels: Tensor  # int64 [n], numbers of classes

    def __len__(self) -> int:
        return len(self.labels)

    def planes(self, which: Tensor | slice = slice(None)) -> Tensor:
        """Some of the pictures as an automaton's fixed planes: float32 in 0..1."""
        return self.images[which].float() / 255

    def first(self, count: int) -> Labelled:
        """The first so many; all, if there are fewer."""
        return Labelled(self.images[:count], self.labels[:count])

    def parts(self, size: int) -> Iterator[tuple[int, Labelled]]:
        """All of them, so many at a time: the number of the first one, and the pictures."""
        for first in range(0, len(self), size):
            yield first, Labelled(self.images[first : first + size], self.labels[first : first + size])

    def to(self, device: torch.device) -> Labelled:
        """The same on a device."""
        return Labelled(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Pictures:
    """A data set in three parts, of which no two share a picture."""

    name: str
    title: str
    classes: tuple[str, ...]  # what the labels stand for
    train: Labelled
    validation: Labelled  # held back of the training images
    test: Labelled

    def to(self, device: torch.device) -> Pictures:
        """The same on a device."""
        parts = (part.to(device) for part in (self.train, self.validation, self.test))
        return Pictures(self.name, self.title, self.classes, *parts)


def load(name: str, root: Path | None = None, note: Callable[[str], None] = lambda text: None) -> Pictures:
    """Read a data set; fetch it first if it is not there.

    Args:
        name: one of `petri.datasets.PICTURES`.
        root, note: as for `petri.datasets.load`.

    Raises:
        BadRequest: no such data set, a damaged file, or it cannot be fetched.
    """
    held = arrays(name, root, note)
    whole = _labelled(held["train_images"], held["train_labels"])
    kept = len(whole) - min(HELD_BACK, len(whole) // 10)
    return Pictures(
        name,
        title(name),
        CLASSES[name],
        train=whole.first(kept),
        validation=Labelled(whole.images[kept:], whole.labels[kept:]),
        test=_labelled(held["test_images"], held["test_labels"]),
    )


def _labelled(images: np.ndarray, labels: np.ndarray) -> Labelled:
    pixels = torch.from_numpy(np.array(images))  # a copy: what comes of a file cannot be written
    return Labelled(
        pixels[:, None] if pixels.ndim == 3 else pixels, torch.from_numpy(labels.astype(np.int64))
    )

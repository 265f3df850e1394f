"""Which networks the comparison is made on, and which ones an automaton learns from."""

from __future__ import annotations

from petri.repair.networks import CONVOLUTIONAL, Making

ZOO = 50  # networks that an automaton learns from
UNSEEN = 1000  # seeds from here on are of networks that none has seen


def zoo(count: int = ZOO, data: str = "mnist", layer: str = "first") -> list[Making]:
    """Networks to learn from, each of its own seed: 32 and 64 units, short and long training.

    For a layer of the convolutional network those are convolutional, of one or two epochs.
    """
    if layer in CONVOLUTIONAL:
        return [Making(None, (1, 2)[seed % 2], seed, data) for seed in range(count)]
    return [Making((32, 64)[seed % 2], (3, 10)[seed // 2 % 2], seed, data) for seed in range(count)]


def judged(data: str = "mnist", layer: str = "first") -> list[Making]:
    """Networks to compare on: three widths, two lengths of training, seeds that no zoo has."""
    shapes: tuple[tuple[int | None, int], ...] = ((64, 10), (64, 10), (32, 10), (128, 10), (64, 3))
    if layer in CONVOLUTIONAL:
        shapes = ((None, 3), (None, 3), (None, 3), (None, 3), (None, 1))
    return [Making(width, epochs, UNSEEN + number, data) for number, (width, epochs) in enumerate(shapes)]

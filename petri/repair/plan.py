"""Which networks the comparison is made on, and which ones an automaton learns from."""

from __future__ import annotations

from petri.repair.networks import Making

ZOO = 50  # networks that an automaton learns from
UNSEEN = 1000  # seeds from here on are of networks that none has seen


def zoo(count: int = ZOO, data: str = "mnist") -> list[Making]:
    """Networks to learn from: 32 and 64 units, short and long training, each of its own seed."""
    return [Making((32, 64)[seed % 2], (3, 10)[seed // 2 % 2], seed, data) for seed in range(count)]


def judged(data: str = "mnist") -> list[Making]:
    """Networks to compare on: three widths, two lengths of training, seeds that no zoo has."""
    shapes = ((64, 10), (64, 10), (32, 10), (128, 10), (64, 3))
    return [Making(width, epochs, UNSEEN + number, data) for number, (width, epochs) in enumerate(shapes)]

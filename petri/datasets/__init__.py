"""MNIST and its like: where they come from, checked, as tensors."""

from __future__ import annotations

from petri.datasets.dataset import NAMES, Dataset, load, title
from petri.datasets.sources import SHAPES

PICTURES = tuple(SHAPES)  # what a classifier can learn

__all__ = ["NAMES", "PICTURES", "Dataset", "load", "title"]

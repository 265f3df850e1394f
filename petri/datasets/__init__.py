"""MNIST and its like: where they come from, checked, as tensors."""

from __future__ import annotations

from petri.datasets.dataset import NAMES, Dataset, load, title

__all__ = ["NAMES", "Dataset", "load", "title"]

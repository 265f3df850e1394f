"""A small balanced part of MNIST that comes with petri: enough to try things, too little to claim any.

`mini.npz` holds, of MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. Burges; CC BY-SA 3.0), the first
300 training and the first 100 test images of each digit, in the order in which MNIST has them.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

TRAIN_EACH, TEST_EACH = 300, 100  # images of a digit


def balanced(labels: np.ndarray, each: int) -> np.ndarray:
    """Indices of the first `each` of every digit, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(labels == digit)[:each] for digit in range(10)]))


def read() -> dict[str, np.ndarray]:
    """The arrays: `train_images` and `test_images` uint8 [n, 28, 28], `train_labels` and `test_labels`."""
    with (files("petri.datasets") / "mini.npz").open("rb") as file, np.load(file) as arrays:
        return dict(arrays)

import pytest
import torch

from petri.datasets.dataset import Dataset, Split
from petri.dni.recipe import DniRecipe


@pytest.fixture
def digits():
    """A data set of 96 training and 32 test images, easy to learn: each class is a pattern and some noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(10, 28 * 28, generator=generator)

    def split(count):
        labels = torch.arange(count) % 10
        return Split(patterns[labels] + 0.5 * torch.randn(count, 784, generator=generator), labels)

    return Dataset("mini", "test", 0.0, 1.0, split(96), split(32))


@pytest.fixture
def recipe():
    """Make a recipe of a small network."""

    def make(**changes):
        return DniRecipe(**{"data": "mini", "widths": (24, 16, 12), "epochs": 2, "batch": 32, **changes})

    return make

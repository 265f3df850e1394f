from __future__ import annotations

import pytest
import torch

from petri.repair.calibration import Sight, statistics
from petri.repair.damage import mask
from petri.repair.damaged import Damaged
from petri.repair.layers import Classifier, Layer
from petri.repair.networks import Images


def smooth(units, side, chance):
    """Weights whose pictures are smooth, `[units, side²]`."""
    noise = torch.randn(units, 1, side + 2, side + 2, generator=chance)
    return torch.nn.functional.avg_pool2d(noise, 3, stride=1).reshape(units, -1)


@pytest.fixture
def toy():
    """The first layer of a network of 12 units that see 4×4 pixels."""
    chance = torch.Generator().manual_seed(3)
    first = Layer(smooth(12, 4, chance), torch.randn(12, generator=chance))
    second = Layer(torch.randn(10, 12, generator=chance), torch.randn(10, generator=chance))
    return Classifier({"first": first, "second": second}).part("first")


@pytest.fixture
def toy_conv():
    """A network of 3 filters of 3×3, 4 of 3 maps, and a last layer of 4 maps of 2×2; images of 14×14."""
    chance = torch.Generator().manual_seed(6)
    shapes = {"conv1": (3, 1, 3, 3), "conv2": (4, 3, 3, 3), "linear": (10, 16)}
    return Classifier(
        {
            name: Layer(torch.randn(shape, generator=chance), torch.randn(shape[0], generator=chance))
            for name, shape in shapes.items()
        }
    )


@pytest.fixture
def toy_sight():
    return Sight.of(torch.rand(300, 16, generator=torch.Generator().manual_seed(4)))


@pytest.fixture
def toy_damaged(toy, toy_sight):
    """The toy without half of its weights."""
    known = mask("random", toy.matrix.shape, 0.5, 0)
    return Damaged.of(toy, known, statistics(toy, toy_sight), toy_sight)


@pytest.fixture
def few_images():
    """A data set of blobs at ten places, 28×28, enough for a network to learn something."""
    chance = torch.Generator().manual_seed(5)
    labels = torch.arange(300) % 10
    images = 0.1 * torch.rand(300, 28, 28, generator=chance)
    for number, label in enumerate(labels.tolist()):
        row, column = 4 + 10 * (label // 5), 2 + 5 * (label % 5)
        images[number, row : row + 6, column : column + 4] += 0.8
    flat = images.reshape(300, -1)
    return Images(flat[:200], labels[:200], flat[200:], labels[200:])

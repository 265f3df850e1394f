from __future__ import annotations

import pytest
import torch

from petri.repair.calibration import Sight, statistics
from petri.repair.damage import mask
from petri.repair.damaged import Damaged
from petri.repair.networks import Images, Weights


def smooth(units, side, chance):
    """Weights whose pictures are smooth, `[units, side²]`."""
    noise = torch.randn(units, 1, side + 2, side + 2, generator=chance)
    return torch.nn.functional.avg_pool2d(noise, 3, stride=1).reshape(units, -1)


@pytest.fixture
def toy():
    """A network of 12 units that see 4×4 pixels."""
    chance = torch.Generator().manual_seed(3)
    first = smooth(12, 4, chance)
    return Weights(
        first,
        torch.randn(12, generator=chance),
        torch.randn(10, 12, generator=chance),
        torch.randn(10, generator=chance),
    )


@pytest.fixture
def toy_sight():
    return Sight.of(torch.rand(300, 16, generator=torch.Generator().manual_seed(4)))


@pytest.fixture
def toy_damaged(toy, toy_sight):
    """The toy without half of its weights."""
    known = mask("random", toy.first.shape, 0.5, 0)
    return Damaged.of(toy, known, statistics(toy.first, toy.first_bias, toy_sight), toy_sight)


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

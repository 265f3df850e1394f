"""The network that is trained: fully connected layers with ReLU between them."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with PyTorch's usual start, U(±1/√inputs), drawn from `generator`."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class Network(nn.Module):
    """Layers that can be run one by one: what comes out of a hidden one is its activation.

    Args:
        sizes: inputs, width of each hidden layer, classes.
        generator: of the first weights.
    """

    def __init__(self, sizes: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.sizes = sizes
        pairs = pairwise(sizes)
        self.layers = nn.ModuleList([linear(inputs, outputs, generator) for inputs, outputs in pairs])

    @property
    def hidden(self) -> range:
        """Indices of the layers that have an activation; the last layer gives logits."""
        return range(len(self.layers) - 1)

    def layer(self, index: int, inputs: Tensor) -> Tensor:
        """Run one layer: `[batch, sizes[index]]` to `[batch, sizes[index + 1]]`."""
        outputs = self.layers[index](inputs)
        return outputs.relu() if index in self.hidden else outputs

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[batch, classes]` of images `[batch, sizes[0]]`."""
        for index in range(len(self.layers)):
            images = self.layer(index, images)
        return images

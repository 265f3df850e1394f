"""A full convolution: what a cell senses is a mixture of all channels of all cells around it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.nca.padding import convolve
from petri.nca.senses.sense import WIDEST, check_dilation, check_size, drawn


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution with a bias, and the rule's activation (ReLU) behind it.

    Raises:
        BadRequest: a size, dilation or width out of range.

    Source: Spitznagel and Keuper, NCAtorch, "Perception".
    """

    size: int = 3  # cells along a side
    dilation: int = 1  # cells from tap to tap
    width: int = 64  # features

    def __post_init__(self) -> None:
        check_size("a convolution", self.size)
        check_dilation("a convolution", self.dilation)
        checks.whole("the width of a convolution", self.width, 1, WIDEST)

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis."""
        return self.size // 2 * self.dilation

    def features(self, channels: int) -> int:
        """Numbers that a cell is given."""
        return self.width

    def parameters(self, channels: int) -> int:
        """Weights and biases."""
        return channels * self.width * self.size**2 + self.width

    def word(self, width: int) -> str:
        """Its name on the command line."""
        return (
            f"conv{self.size}"
            + f"d{self.dilation}" * (self.dilation > 1)
            + f"w{self.width}" * (self.width != width)
        )

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Convolution:
        """The module that computes it."""
        return Convolution(self, channels, padding, generator)


class Convolution(nn.Module):
    """What a `Conv` describes.

    Attributes:
        weight: `[width, channels, size, size]`.
        bias: `[width]`.
    """

    def __init__(
        self, conv: Conv, channels: int, padding: str, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.kind, self.padding = conv, padding
        inputs = channels * conv.size**2
        self.weight = drawn((conv.width, channels, conv.size, conv.size), inputs, generator)
        self.bias = drawn((conv.width,), inputs, generator)

    def forward(self, state: Tensor) -> Tensor:
        """Sense; from `[batch, channel, height, width]` to `[batch, width, height, width]`."""
        return F.relu(convolve(state, self.weight, self.bias, self.padding, dilation=self.kind.dilation))

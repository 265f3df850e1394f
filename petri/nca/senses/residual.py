"""A small residual block: two convolutions and a way past them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.nca.padding import convolve
from petri.nca.senses.sense import WIDEST, check_size, drawn


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Convolution, ReLU, convolution; what came in is added, through a 1×1 layer; ReLU.

    Raises:
        BadRequest: a size or width out of range.

    Source: Spitznagel and Keuper, NCAtorch, "Perception".
    """

    size: int = 3  # cells along a side, of each of the two
    width: int = 64  # features

    def __post_init__(self) -> None:
        check_size("a residual sense", self.size)
        checks.whole("the width of a residual sense", self.width, 1, WIDEST)

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis: the second reads what the first has read."""
        return self.size // 2 * 2

    def features(self, channels: int) -> int:
        """Numbers that a cell is given."""
        return self.width

    def parameters(self, channels: int) -> int:
        """Weights and biases of both convolutions, and of the way past them where widths differ."""
        count = (channels + self.width) * self.width * self.size**2 + 2 * self.width
        return count + (channels * self.width + self.width) * (channels != self.width)

    def word(self, width: int) -> str:
        """Its name on the command line."""
        return f"residual{self.size}" + f"w{self.width}" * (self.width != width)

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Block:
        """The module that computes it."""
        return Block(self, channels, padding, generator)


class Block(nn.Module):
    """What a `Residual` describes.

    Attributes:
        first, second: `[width, in, size, size]`, with `first_bias` and `second_bias`, `[width]`.
        past: `[width, channels, 1, 1]`, with `past_bias`; None where nothing need be widened.
    """

    def __init__(
        self, kind: Residual, channels: int, padding: str, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.kind, self.padding = kind, padding
        width, size = kind.width, kind.size
        self.first = drawn((width, channels, size, size), channels * size**2, generator)
        self.first_bias = drawn((width,), channels * size**2, generator)
        self.second = drawn((width, width, size, size), width * size**2, generator)
        self.second_bias = drawn((width,), width * size**2, generator)
        widens = channels != width
        self.past = drawn((width, channels, 1, 1), channels, generator) if widens else None
        self.past_bias = drawn((width,), channels, generator) if widens else None

    def forward(self, state: Tensor) -> Tensor:
        """Sense; from `[batch, channel, height, width]` to `[batch, width, height, width]`."""
        inner = F.relu(convolve(state, self.first, self.first_bias, self.padding))
        inner = convolve(inner, self.second, self.second_bias, self.padding)
        return F.relu(inner + (state if self.past is None else F.conv2d(state, self.past, self.past_bias)))

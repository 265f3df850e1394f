"""Attention: a cell weighs its neighbours by what they are and where they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest
from petri.nca.padding import pad
from petri.nca.senses.sense import WIDEST, check_dilation, check_size, drawn, exact


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Softmax over the cells around, itself included, with a learned bias for every relative position.

    Beyond the edge of a grid padded with zeros lie cells of zero keys and values; they have their share.

    Raises:
        BadRequest: a size, dilation or width out of range, or a width that the heads do not divide.

    Source: Spitznagel and Keuper, NCAtorch, "Perception".
    """

    size: int = 3  # cells along a side
    dilation: int = 1  # cells from one that is read to the next
    heads: int = 4
    width: int = 64  # features, shared out among the heads

    def __post_init__(self) -> None:
        check_size("attention", self.size)
        check_dilation("attention", self.dilation)
        checks.whole("the heads of attention", self.heads, 1, 64)
        checks.whole("the width of attention", self.width, 1, WIDEST)
        if self.width % self.heads:
            raise BadRequest(
                f"the width of attention must be a multiple of its {self.heads} heads, got {self.width}"
            )

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis."""
        return self.size // 2 * self.dilation

    def features(self, channels: int) -> int:
        """Numbers that a cell is given."""
        return self.width

    def parameters(self, channels: int) -> int:
        """Queries, keys, values, the layer behind them and the positions."""
        width = self.width
        return 3 * channels * width + width**2 + width + self.heads * self.size**2

    def word(self, width: int) -> str:
        """Its name on the command line."""
        name = f"attention{self.size}" + f"d{self.dilation}" * (self.dilation > 1)
        name += f"w{self.width}" * (self.width != width)
        return name if self.heads == 4 else f"{name}({self.heads} heads)"

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Attending:
        """The module that computes it."""
        return Attending(self, channels, padding, generator)


class Attending(nn.Module):
    """What an `Attention` describes.

    Attributes:
        queries, keys, values: `[width, channels, 1, 1]`.
        positions: `[heads, size²]`, what is added to the agreement of query and key; zero at first.
        out, out_bias: `[width, width, 1, 1]` and `[width]`.
    """

    def __init__(
        self, kind: Attention, channels: int, padding: str, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.kind, self.padding = kind, padding
        width = kind.width
        self.queries, self.keys, self.values = (
            drawn((width, channels, 1, 1), channels, generator) for _ in range(3)
        )
        self.positions = nn.Parameter(torch.zeros(kind.heads, kind.size**2))
        self.out = drawn((width, width, 1, 1), width, generator)
        self.out_bias = drawn((width,), width, generator)

    def forward(self, state: Tensor) -> Tensor:
        """Sense; from `[batch, channel, height, width]` to `[batch, width, height, width]`."""
        kind, (batch, _, height, width) = self.kind, state.shape
        each = kind.width // kind.heads
        around = pad(state, kind.reach, self.padding)
        # The sums over the channels of a head are twice as fast where cells lie side by side.
        query, key, value = (
            F.conv2d(cells, weights).contiguous().unflatten(1, (kind.heads, each))
            for cells, weights in ((state, self.queries), (around, self.keys), (around, self.values))
        )
        query = query * each**-0.5

        def windows(of: Tensor) -> list[Tensor]:
            places = range(0, kind.size * kind.dilation, kind.dilation)
            return [of[..., y : y + height, x : x + width] for y in places for x in places]

        # One product a position keeps no more than the sums; the windows are views.
        agreement = torch.stack([(query * near).sum(2) for near in windows(key)], dim=2)
        weights = (exact(agreement) + self.positions[:, :, None, None]).softmax(dim=2).to(value.dtype)
        parts = (weights[:, :, place, None] * near for place, near in enumerate(windows(value)))
        mixed = sum(parts, start=value.new_zeros(()))
        return F.relu(F.conv2d(mixed.reshape(batch, kind.width, height, width), self.out, self.out_bias))

"""A convolution that chooses for every cell where it reads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.nca.padding import convolve, pad
from petri.nca.senses.sense import WIDEST, check_size, drawn, exact


@dataclass(frozen=True, kw_only=True)
class Deformable:
    """A convolution whose taps are moved and weighed by what a cell sees; ReLU behind it.

    A tap moves by a quarter of the grid's longer side at most and reads between cells (bilinear); beyond the
    edge it reads what the Spec's padding says.

    Raises:
        BadRequest: a size or width out of range.

    Source: Zhu et al. 2019 (Deformable ConvNets v2); Spitznagel and Keuper, NCAtorch, "Perception".
    """

    size: int = 3  # cells along a side
    width: int = 64  # features

    def __post_init__(self) -> None:
        check_size("a deformable sense", self.size)
        checks.whole("the width of a deformable sense", self.width, 1, WIDEST)

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis, before the taps are moved."""
        return self.size // 2

    def features(self, channels: int) -> int:
        """Numbers that a cell is given."""
        return self.width

    def parameters(self, channels: int) -> int:
        """Of the convolutions that move and weigh the taps, and of the taps."""
        taps = self.size**2
        return 3 * taps * (taps * channels + 1) + channels * self.width * taps

    def word(self, width: int) -> str:
        """Its name on the command line."""
        return f"deformable{self.size}" + f"w{self.width}" * (self.width != width)

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Moving:
        """The module that computes it."""
        return Moving(self, channels, padding, generator)


class Moving(nn.Module):
    """What a `Deformable` describes.

    Attributes:
        guide, guide_bias: `[3 · size², channels, size, size]` and `[3 · size²]`: how far every tap is moved
            in y and in x, and the logit of its weight; zero at first, when it is a plain convolution.
        weight: `[width, channels · size², 1, 1]`, a channel's taps side by side.
    """

    def __init__(
        self, kind: Deformable, channels: int, padding: str, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.kind, self.padding = kind, padding
        size, taps = kind.size, kind.size**2
        self.guide = nn.Parameter(torch.zeros(3 * taps, channels, size, size))
        self.guide_bias = nn.Parameter(torch.zeros(3 * taps))
        self.weight = drawn((kind.width, channels * taps, 1, 1), channels * taps, generator)

    def forward(self, state: Tensor) -> Tensor:
        """Sense; from `[batch, channel, height, width]` to `[batch, width, height, width]`."""
        size, far = self.kind.size, self.kind.size // 2
        height, width = state.shape[-2:]
        guide = exact(convolve(state, self.guide, self.guide_bias, self.padding))
        most = max(height, width) / 4
        down, right, logits = guide.unflatten(1, (3, size**2)).unbind(1)  # each [batch, tap, height, width]
        numbers = torch.arange(size, device=state.device) - far
        rows = torch.arange(height, device=state.device)[:, None] + down.clamp(-most, most)
        columns = torch.arange(width, device=state.device) + right.clamp(-most, most)
        rows = rows + numbers.repeat_interleave(size)[:, None, None]
        columns = columns + numbers.repeat(size)[:, None, None]
        if self.padding == "wrap":  # as far as the taps go lies the opposite side
            margin = int(most) + far + 2
            state, rows, columns = pad(state, margin, "wrap"), rows + margin, columns + margin
        tall, wide = state.shape[-2:]
        places = torch.stack(
            [(2 * columns + 1) / wide - 1, (2 * rows + 1) / tall - 1], dim=-1
        )  # in -1..1 from edge to edge
        read = F.grid_sample(state, places.flatten(1, 2), align_corners=False, padding_mode="zeros")
        read = read.unflatten(2, (size**2, height)) * (2 * logits.sigmoid())[:, None]
        return F.relu(F.conv2d(read.flatten(1, 2), self.weight))

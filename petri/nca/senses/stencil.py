"""Depthwise taps: the same filters over every channel, or, where trained, each channel's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest
from petri.nca.padding import apart, pad
from petri.nca.senses.sense import check_dilation, check_size

# x grows to the right and y downwards, so a value that grows to the right has a positive slope in x.
FILTERS: dict[str, Tensor] = {
    "identity": torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
    "sobel_x": torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8,
    "sobel_y": torch.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]) / 8,
    "laplacian": torch.tensor([[1.0, 2.0, 1.0], [2.0, -12.0, 2.0], [1.0, 2.0, 1.0]]) / 8,
}
SLOPES = (
    "identity",
    "sobel_x",
    "sobel_y",
)  # the report's bank


@dataclass(frozen=True, kw_only=True)
class Stencil:
    """A bank of filters, applied to every channel.

    Features: filters · channels, channel by channel and filters within.

    Raises:
        BadRequest: an unknown filter, one named twice, or a size or dilation out of range.

    Source: the report, "Perception"; Mordvintsev et al. 2020 and Niklasson et al. 2021 (the Laplacian).
    """

    filters: tuple[str, ...] = SLOPES  # of FILTERS; where the bank is trained, what it starts from
    size: int = 3  # cells along a side; taps beyond the filters' 3×3 are zero at first
    dilation: int = 1  # cells from tap to tap
    trained: bool = False  # every channel has taps of its own, and they are trained

    def __post_init__(self) -> None:
        if not isinstance(self.filters, (tuple, list)) or not self.filters:
            raise BadRequest(f"the filters of a stencil must be a list of names, got {self.filters!r}")
        for name in self.filters:
            checks.choice("each filter of a stencil", name, tuple(FILTERS))
        if len(set(self.filters)) < len(self.filters):
            raise BadRequest(f"each filter of a stencil may stand once, got {', '.join(self.filters)}")
        object.__setattr__(self, "filters", tuple(self.filters))
        check_size("a stencil", self.size)
        if self.size < 3:
            raise BadRequest(f"the size of a stencil must be at least 3, got {self.size}")
        check_dilation("a stencil", self.dilation)
        checks.truth("trained", self.trained)

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis."""
        return self.size // 2 * self.dilation

    def features(self, channels: int) -> int:
        """Numbers that a cell is given: one a filter and channel."""
        return len(self.filters) * channels

    def parameters(self, channels: int) -> int:
        """All taps of a bank that is trained or, as the report counts, dilated; a fixed near one has none."""
        return self.features(channels) * self.size**2 if self.trained or self.dilation > 1 else 0

    def word(self, width: int) -> str:
        """Its name on the command line."""
        if self.trained:
            base, own = "learned", self.filters == SLOPES
        else:
            bank = {SLOPES: "sobel", ("identity",): "identity", ("identity", "laplacian"): "laplacian"}
            bank[(*SLOPES, "laplacian")] = "sobel+laplacian"
            base, own = bank.get(self.filters, ""), self.size == 3
            if self.filters == SLOPES and own and self.dilation == 2:
                return "dilated"
        if not own or self.dilation > 1 or not base:
            kind = "learned" if self.trained else "stencil"
            return f"{kind}{self.size}d{self.dilation}({','.join(self.filters)})"
        return base if self.size == 3 else f"{base}{self.size}"

    def taps(self) -> Tensor:
        """The filters, `[filter, size, size]`."""
        return F.pad(torch.stack([FILTERS[name] for name in self.filters]), [self.size // 2 - 1] * 4)

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Bank:
        """The module that computes it; no chance is needed."""
        return Bank(self, channels, padding)


class Bank(nn.Module):
    """The filters of a `Stencil` over a number of channels.

    Attributes:
        bank: `[filters · channels, 1, size, size]`, channel by channel; a parameter if it is trained.
    """

    def __init__(self, stencil: Stencil, channels: int, padding: str) -> None:
        super().__init__()
        self.kind, self.channels, self.padding = stencil, channels, padding
        filters = stencil.taps().repeat(channels, 1, 1)[:, None]
        if stencil.trained:
            self.bank = nn.Parameter(filters.clone())
        else:
            self.register_buffer("bank", filters, persistent=False)

    def forward(self, state: Tensor) -> Tensor:
        """Sense; from `[batch, channel, height, width]` to `[batch, features, height, width]`."""
        around = apart(pad(state, self.kind.reach, self.padding), self.kind.dilation)
        return F.conv2d(around, self.bank, groups=self.channels, dilation=self.kind.dilation)

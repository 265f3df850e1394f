"""What a cell senses: itself and its slopes in x and y, near and, if dilated, two cells away."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri.nca.spec import FILTERS, Spec


def sobel_filters() -> Tensor:
    """The three filters of a bank, `[3, 3, 3]`: the cell itself, slope in x, slope in y (Sobel / 8).

    x grows to the right and y downwards, so a value that grows to the right has a positive slope in x.
    """
    slope = torch.tensor([-1.0, 0.0, 1.0])
    smooth = torch.tensor([1.0, 2.0, 1.0])
    identity = torch.zeros(3, 3)
    identity[1, 1] = 1.0
    return torch.stack([identity, torch.outer(smooth, slope) / 8, torch.outer(slope, smooth) / 8])


def pad(state: Tensor, distance: int, padding: str) -> Tensor:
    """Surround the grid with `distance` cells: empty ones (`zero`) or the opposite side's (`wrap`)."""
    if padding == "wrap":
        height, width = state.shape[-2:]
        rows = torch.arange(-distance, height + distance, device=state.device) % height
        columns = torch.arange(-distance, width + distance, device=state.device) % width
        return state.index_select(-2, rows).index_select(-1, columns)
    return F.pad(state, [distance] * 4)


class Perception(nn.Module):
    """The banks of a Spec, applied to every channel alike or, where trained, to each in its own way.

    Attributes:
        bank: `[3 · channels, 1, 3, 3]`, the nearest-neighbour filters, channel by channel. A parameter
            if the Spec trains it, else fixed.

    Source: the report, "Perception".
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        filters = sobel_filters().repeat(spec.channels, 1, 1)[:, None]
        if spec.trains_bank:
            self.bank = nn.Parameter(filters.clone())
        else:
            self.register_buffer("bank", filters, persistent=False)
        self.register_buffer("far_bank", filters if spec.dilated else None, persistent=False)

    def forward(self, state: Tensor) -> Tensor:
        """Sense.

        Args:
            state: `[batch, channel, height, width]`.

        Returns:
            `[batch, features, height, width]`, channel by channel and filters within: itself, slope in
            x, slope in y, and the same three of the dilated bank if there is one.
        """
        channels, padding = self.spec.channels, self.spec.padding
        near = F.conv2d(pad(state, 1, padding), self.bank, groups=channels)
        if self.far_bank is None:
            return near
        far = F.conv2d(pad(state, 2, padding), self.far_bank, dilation=2, groups=channels)
        both = [bank.unflatten(1, (channels, FILTERS)) for bank in (near, far)]
        return torch.cat(both, dim=2).flatten(1, 2)

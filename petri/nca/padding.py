"""What lies beyond the edge of a grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PADDINGS = ("zero", "wrap")


def pad(state: Tensor, distance: int, padding: str) -> Tensor:
    """Surround the grid with `distance` cells: empty ones (`zero`) or the opposite side's (`wrap`)."""
    if padding == "wrap":
        height, width = state.shape[-2:]
        rows = torch.arange(-distance, height + distance, device=state.device) % height
        columns = torch.arange(-distance, width + distance, device=state.device) % width
        return state.index_select(-2, rows).index_select(-1, columns)
    return F.pad(state, [distance] * 4)

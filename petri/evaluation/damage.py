"""Damage: cells emptied, to see whether a pattern heals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

AREA = 0.25  # share of the grid


def cut_circle(state: Tensor, *, x: float, y: float, area: float = AREA) -> Tensor:
    """Empty all cells in a circle.

    Args:
        state: `[batch, channel, height, width]`.
        x, y: its centre, as fractions of the grid.
        area: its share of the grid, in (0, 1].

    Returns:
        A new state of the same shape.
    """
    height, width = state.shape[-2:]
    rows = (torch.arange(height, device=state.device) + 0.5)[:, None] - y * height
    columns = (torch.arange(width, device=state.device) + 0.5) - x * width
    keep = rows.square() + columns.square() > area * height * width / math.pi
    return state * keep

"""The single cell that growth starts from."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.nca.life import ALPHA
from petri.nca.spec import Spec


def seed_cell(spec: Spec, height: int, width: int) -> tuple[int, int]:
    """Row and column of the Spec's seed on a grid of this size; the centre is `(height // 2, width // 2)`."""
    x, y = spec.seed
    return min(int(y * height), height - 1), min(int(x * width), width - 1)


def seed_state(
    spec: Spec, height: int, width: int, *, batch: int = 1, device: torch.device | str = "cpu"
) -> Tensor:
    """An empty grid with one cell in it: alpha and all hidden channels 1, colour 0.

    Returns:
        float32 `[batch, channel, height, width]`.

    Source: Mordvintsev et al. 2020.
    """
    state = torch.zeros(batch, spec.channels, height, width, device=device)
    row, column = seed_cell(spec, height, width)
    state[:, ALPHA:, row, column] = 1.0
    return state

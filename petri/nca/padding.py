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


def convolve(
    state: Tensor, weight: Tensor, bias: Tensor | None, padding: str, *, dilation: int = 1
) -> Tensor:
    """A convolution that leaves a grid as large as it is; the weight is `[out, in, size, size]`, size odd."""
    far = weight.shape[-1] // 2 * dilation
    if padding == "zero":  # it knows empty cells itself, without a copy of the state
        return F.conv2d(apart(state, dilation), weight, bias, padding=far, dilation=dilation)
    return F.conv2d(apart(pad(state, far, padding), dilation), weight, bias, dilation=dilation)


def apart(state: Tensor, dilation: int) -> Tensor:
    """What a dilated convolution is given: channel after channel in memory, on the CPU.

    Where a cell's channels lie side by side, PyTorch 2.13 computes the gradients of a dilated convolution's
    weights from memory that nobody has written, in bfloat16 and for most numbers of channels.
    """
    return state.contiguous() if dilation > 1 and state.device.type == "cpu" else state

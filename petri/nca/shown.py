"""What is seen of a state."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.nca.life import ALPHA
from petri.nca.spec import Spec


def show(state: Tensor, spec: Spec) -> Tensor:
    """The colours of a state, and of a figure its alpha behind them.

    Args:
        state: `[..., channel, height, width]`; of a ring or a mesh also `[..., channel, node]`.

    Returns:
        `[..., 3 or 4, height, width]`, not bounded: the offset and the scale of the Spec are applied to RGB,
        and a figure's colours are premultiplied by alpha. Without offset and scale a view of the state.
    """
    if spec.space.on_graph and state.shape[-2] != 1:
        return show(state.unsqueeze(-2), spec).squeeze(-2)
    seen = state[..., : ALPHA + spec.living, :, :]
    if spec.colour_offset == 0.0 and spec.colour_scale == 1.0:
        return seen
    colours = spec.colour_offset + spec.colour_scale * seen[..., :3, :, :]
    if not spec.living:
        return colours
    return torch.cat([colours, seen[..., 3:, :, :]], dim=-3)

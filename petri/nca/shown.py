"""What is seen of a state."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.nca.colours import COLOURS, UNDECIDED
from petri.nca.life import ALPHA, THRESHOLD
from petri.nca.spec import Spec


def show(state: Tensor, spec: Spec) -> Tensor:
    """The colours of a state, and of a figure its alpha behind them; of a classifier those of its votes.

    Args:
        state: `[..., channel, height, width]`; of a ring or a mesh also `[..., channel, node]`.

    Returns:
        `[..., 3 or 4, height, width]`, not bounded: the offset and the scale of the Spec are applied to RGB,
        and a figure's colours are premultiplied by alpha. Without offset and scale a view of the state.
    """
    if spec.space.on_graph and state.shape[-2] != 1:
        return show(state.unsqueeze(-2), spec).squeeze(-2)
    if spec.classes:
        return votes_shown(state, spec)
    seen = state[..., : ALPHA + spec.living, :, :]
    if spec.colour_offset == 0.0 and spec.colour_scale == 1.0:
        return seen
    colours = spec.colour_offset + spec.colour_scale * seen[..., :3, :, :]
    if not spec.living:
        return colours
    return torch.cat([colours, seen[..., 3:, :, :]], dim=-3)


def votes_shown(state: Tensor, spec: Spec) -> Tensor:
    """The colour of every cell's greatest vote, RGB `[..., 3, height, width]`; black where there is no cell.

    A cell whose votes are all alike has not decided and is grey.
    """
    votes = state[..., : spec.classes, :, :]
    most, which = votes.max(dim=-3)
    which = torch.where(most == votes.amin(dim=-3), len(COLOURS), which)
    palette = torch.tensor(
        [list(bytes.fromhex(colour[1:])) for colour in (*COLOURS, UNDECIDED)], device=state.device
    )
    seen = (palette / 255).to(state.dtype)[which].movedim(-1, -3)
    if not spec.masked:
        return seen
    return seen * (state[..., spec.channels : spec.channels + 1, :, :] > THRESHOLD)

"""The reference step, rolled out by PyTorch on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton


def rollout(
    automaton: Automaton, state: Tensor, steps: int, *, seeds: Tensor, start: int, bfloat16: bool
) -> Tensor:
    """Take `steps` steps; see `Automaton.rollout`.

    Args:
        bfloat16: whether the products are computed in bfloat16.
    """
    with torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16):
        for step in range(start, start + steps):
            state = automaton.step(state, step=step, seeds=seeds)
    return state

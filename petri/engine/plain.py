"""The reference step, rolled out by PyTorch on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton

CHECKPOINT_EVERY = 16  # steps: the backward pass keeps the states between and computes the rest again


def rollout(
    automaton: Automaton, state: Tensor, steps: int, *, seeds: Tensor, start: int, bfloat16: bool
) -> Tensor:
    """Take `steps` steps; see `Automaton.rollout`.

    Args:
        bfloat16: whether the products are computed in bfloat16.
    """

    def segment(state: Tensor, first: int, last: int) -> Tensor:
        with torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16):
            for step in range(first, last):
                state = automaton.step(state, step=step, seeds=seeds)
        return state

    for first in range(start, start + steps, CHECKPOINT_EVERY):
        last = min(first + CHECKPOINT_EVERY, start + steps)
        if torch.is_grad_enabled():
            # Who fires is a function of the step's number, so computing again gives the same cells.
            state = checkpoint(segment, state, first, last, use_reentrant=False, preserve_rng_state=False)
        else:
            state = segment(state, first, last)
    return state

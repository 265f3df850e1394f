"""The reference step, rolled out by PyTorch on any device."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from petri.nca.automaton import Automaton
    from petri.nca.spec import Spec


def rollout(
    automaton: Automaton,
    state: Tensor,
    steps: int,
    *,
    seeds: Tensor,
    start: int,
    bfloat16: bool,
    compiled: bool = False,
) -> Tensor:
    """Take `steps` steps; see `Automaton.rollout`.

    Args:
        bfloat16: whether the products are computed in bfloat16.
        compiled: whether torch.compile makes the step, which takes a while before the first one.
    """
    step_of = _compiled(automaton.spec, state.device.type) if compiled else type(automaton).step
    if bfloat16:  # its convolutions are twice as fast with the channels of a cell side by side
        state = state.contiguous(memory_format=torch.channels_last)
    with torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16):
        for step in range(start, start + steps):
            number = torch.tensor(step, device=state.device) if compiled else step
            state = step_of(automaton, state, step=number, seeds=seeds)
    return state.contiguous()


@cache
def _compiled(spec: Spec, device: str) -> Callable[..., Tensor]:
    """The step of a Spec, compiled at its first call, for any size of grid."""
    from petri.nca.automaton import Automaton

    return torch.compile(Automaton.step, dynamic=False)

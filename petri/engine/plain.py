"""The reference step, rolled out by PyTorch on any device."""

from __future__ import annotations

from functools import cache, partial
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
    step_of = _compiled(automaton, state.device.type) if compiled else automaton.step
    if bfloat16:  # its convolutions are twice as fast with the channels of a cell side by side
        state = state.contiguous(memory_format=torch.channels_last)
    with torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16):
        for step in range(start, start + steps):
            number = torch.tensor(step, device=state.device) if compiled else step
            state = step_of(state, step=number, seeds=seeds)
    return state.contiguous()


def _compiled(automaton: Automaton, device: str) -> Callable[..., Tensor]:
    """An automaton's step, compiled at its first call for its Spec and any size of grid."""
    function = getattr(automaton.step, "__func__", None)
    if function is None:  # put in the place of the method
        return _compile(automaton.step, automaton.spec, device)
    return partial(_compile(function, automaton.spec, device), automaton)


@cache
def _compile(step: Callable[..., Tensor], spec: Spec, device: str) -> Callable[..., Tensor]:
    return torch.compile(step, dynamic=False)

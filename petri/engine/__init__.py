"""How a rollout is computed: plain PyTorch, on any device."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from petri.errors import BadRequest

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton

ENGINES = ("auto", "torch")
PRECISIONS = ("auto", "float32", "bfloat16")
CHECKPOINT_EVERY = 16  # steps: the backward pass keeps the states between and computes the rest again


def rollout(
    automaton: Automaton,
    state: Tensor,
    steps: int,
    *,
    seeds: Tensor,
    start: int = 0,
    engine: str = "auto",
    precision: str = "float32",
) -> Tensor:
    """Take `steps` steps; see `Automaton.rollout` for the arguments."""
    if engine not in ENGINES:
        raise BadRequest(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    if precision not in PRECISIONS:
        raise BadRequest(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    bfloat16 = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(state.device.type))

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


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether this kind of device multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("bf16"))
    return False

"""How a rollout is computed: by PyTorch on any device, or by the native step on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as compute_again

from petri.engine import native, plain
from petri.engine.native import native_status
from petri.errors import BadRequest
from petri.nca.automaton import departure

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton
    from petri.nca.spec import Spec

__all__ = ["ENGINES", "PRECISIONS", "multiplies_bfloat16", "native_status", "rollout"]

ENGINES = ("auto", "torch", "compiled", "native")
PRECISIONS = ("auto", "float32", "bfloat16")
SEGMENT = 16  # steps: the report's gradient checkpointing
KEPT_BYTES = 1_000_000_000  # of states that the native step may keep


def rollout(
    automaton: Automaton,
    state: Tensor,
    steps: int,
    *,
    seeds: Tensor,
    start: int = 0,
    engine: str = "auto",
    precision: str = "float32",
    checkpoint: int = 0,
) -> Tensor:
    """Take `steps` steps; see `Automaton.rollout` for the arguments."""
    if engine not in ENGINES:
        raise BadRequest(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    if precision not in PRECISIONS:
        raise BadRequest(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    bfloat16 = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(state.device.type))
    if checkpoint < 0:
        raise BadRequest(f"checkpoint must be at least 0, got {checkpoint}")
    reason = "" if engine in ("torch", "compiled") else _obstacle(automaton, state)
    if engine == "native" and reason:
        raise BadRequest(f"the native engine cannot take this rollout: {reason}")
    if steps == 0 or state.numel() == 0:
        return state
    chosen = plain if engine in ("torch", "compiled") or reason else native
    how = {"compiled": True} if engine == "compiled" else {}

    def segment(state: Tensor, first: int, last: int) -> Tensor:
        return chosen.rollout(
            automaton, state, last - first, seeds=seeds, start=first, bfloat16=bfloat16, **how
        )

    end = start + steps
    length = steps
    if torch.is_grad_enabled():
        length = checkpoint or segment_length(automaton.spec, state.shape, chosen is native)
    if length >= steps:
        return segment(state, start, end)
    for first in range(start, end, length):
        # Who fires is a function of the step's number, so computing again gives the same cells.
        last = min(first + length, end)
        state = compute_again(segment, state, first, last, use_reentrant=False, preserve_rng_state=False)
    return state


def segment_length(spec: Spec, shape: Sequence[int], natively: bool) -> int:
    """Steps after which the backward pass keeps a state and computes the others again.

    The native step keeps nothing but states, so it can afford more of them.

    Args:
        shape: of the state, `[batch, planes, height, width]`.
        natively: whether the native step takes it.
    """
    if not natively:
        return SEGMENT
    batch, _, height, width = shape
    return max(SEGMENT, KEPT_BYTES // native.state_bytes(spec, batch, height, width))


def takes(spec: Spec) -> bool:
    """Whether the native step is here and takes a Spec."""
    return not native.obstacle(spec) and native_status()[0]


def _obstacle(automaton: Automaton, state: Tensor) -> str:
    """Why the native step cannot take this rollout; empty if it can."""
    for tensor in (state, *automaton.parameters()):
        if tensor.device.type != "cpu" or tensor.dtype != torch.float32:
            return f"it takes float32 on the CPU, got {tensor.dtype} on {tensor.device}".replace("torch.", "")
    if departed := departure(automaton):
        return departed
    if found := native.obstacle(automaton.spec):
        return found
    available, status = native_status()
    return "" if available else status


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether this kind of device multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("bf16"))
    return False

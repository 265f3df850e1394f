"""How a rollout is computed: by PyTorch anywhere, the native step on a CPU, the fused one on a GPU."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as compute_again

from petri.engine import fused, native, plain
from petri.engine.native import native_status
from petri.errors import BadRequest
from petri.nca.automaton import departure

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton
    from petri.nca.spec import Spec

__all__ = ["ENGINES", "PRECISIONS", "multiplies_bfloat16", "native_status", "rollout"]

ENGINES = ("auto", "torch", "compiled", "native", "triton")
PRECISIONS = ("auto", "float32", "bfloat16")
SEGMENT = 16  # steps: the report's gradient checkpointing
KEPT_BYTES = 1_000_000_000  # of states that an engine which keeps nothing else may keep
FAST = {"native": native, "triton": fused}


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
    chosen: ModuleType = plain
    if name := _meant(engine, state.device):
        reason = _obstacle(name, automaton, state, bfloat16)
        if engine in FAST and reason:
            raise BadRequest(f"the {engine} engine cannot take this rollout: {reason}")
        chosen = plain if reason else FAST[name]
    if steps == 0 or state.numel() == 0:
        return state
    how = {"compiled": True} if engine == "compiled" else {}

    def segment(state: Tensor, first: int, last: int) -> Tensor:
        return chosen.rollout(
            automaton, state, last - first, seeds=seeds, start=first, bfloat16=bfloat16, **how
        )

    end = start + steps
    length = steps
    if torch.is_grad_enabled():
        batch, _, height, width = state.shape
        kept = None if chosen is plain else chosen.state_bytes(automaton.spec, batch, height, width)
        length = checkpoint or segment_length(kept)
    if length >= steps:
        return segment(state, start, end)
    for first in range(start, end, length):
        # Who fires is a function of the step's number, so computing again gives the same cells.
        last = min(first + length, end)
        state = compute_again(segment, state, first, last, use_reentrant=False, preserve_rng_state=False)
    return state


def segment_length(state_bytes: int | None) -> int:
    """Steps after which the backward pass keeps a state and computes the others again.

    Args:
        state_bytes: what an engine keeps of a step that keeps nothing but states, and so can afford more of
            them; None of PyTorch, which keeps more.
    """
    return SEGMENT if state_bytes is None else max(SEGMENT, KEPT_BYTES // state_bytes)


class Keeps(NamedTuple):
    """Bytes that an engine keeps for the way back, if it keeps nothing but states."""

    state: int  # of each state of a batch
    room: int  # once, for what of a step is computed again


def keeps(
    spec: Spec, batch: int, height: int, width: int, device: torch.device, *, engine: str = "auto"
) -> Keeps | None:
    """What the engine that takes a Spec keeps for the way back; None of PyTorch, which keeps more.

    Args:
        spec: of an automaton that departs from it in nothing.
        batch, height, width: of its states.
        device: where they are; that the fused step agrees there is found out now, if it is not known yet.
        engine: as for `rollout`; products are those that are fastest there.
    """
    name, bfloat16 = _meant(engine, device), multiplies_bfloat16(device.type)
    if not name or device.type != _home(name) or _unable(name, spec, device, bfloat16):
        return None
    room = fused.room_bytes(spec, batch * height * width, bfloat16) if name == "triton" else 0
    return Keeps(FAST[name].state_bytes(spec, batch, height, width), room)


def left_to_pytorch(spec: Spec, device: torch.device) -> str:
    """Why `auto` leaves a Spec on a device to PyTorch, with the products that are fastest there.

    Empty if it does not; and where PyTorch is all there is, as on MPS.
    """
    if device.type not in ("cpu", "cuda"):
        return ""
    name = "native" if device.type == "cpu" else "triton"
    return _unable(name, spec, device, multiplies_bfloat16(device.type))


def _unable(name: str, spec: Spec, device: torch.device, bfloat16: bool) -> str:
    """Why an engine other than PyTorch cannot take a Spec on its device; empty if it can."""
    if found := FAST[name].obstacle(spec):
        return str(found)
    if name == "triton":
        return fused.trouble(spec, device, bfloat16)
    available, status = native_status()
    return "" if available else status


def _meant(engine: str, device: torch.device) -> str:
    """The engine other than PyTorch that is to take a rollout on a device, if it can; empty if none is."""
    if engine in FAST:
        return engine
    return "" if engine in ("torch", "compiled") else "native" if device.type == "cpu" else "triton"


def _home(name: str) -> str:
    """The kind of device that an engine other than PyTorch is for."""
    return "cpu" if name == "native" or fused.interpreted() else "cuda"


def _obstacle(name: str, automaton: Automaton, state: Tensor, bfloat16: bool) -> str:
    """Why an engine other than PyTorch cannot take this rollout; empty if it can."""
    kind = _home(name)
    said = {"cpu": "the CPU", "cuda": "CUDA"}[kind]
    for tensor in (state, *automaton.parameters()):
        if tensor.device.type != kind or tensor.dtype != torch.float32:
            return f"it takes float32 on {said}, got {tensor.dtype} on {tensor.device}".replace("torch.", "")
        if tensor.device != state.device:  # a kernel would read the wrong GPU's memory
            return f"it takes all on one device, got a state on {state.device} and weights on {tensor.device}"
    return departure(automaton) or _unable(name, automaton.spec, state.device, bfloat16)


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether this kind of device multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("bf16"))
    return False

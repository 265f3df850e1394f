"""How much memory there is, and how much a training run will want."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from petri.errors import BadRequest
from petri.growth.recipe import Phase, Recipe

if TYPE_CHECKING:
    import torch

    from petri.growth.ranks import Ranks


def installed() -> int | None:
    """Bytes of memory in this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def peak() -> int:
    """The most bytes that this process has held so far; 0 where the system does not say."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # unlike getrusage's, not inherited from who started the process
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Let `peak` count from here on, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def wanted(recipe: Recipe, device: torch.device, *, engine: str = "auto", ranks: Ranks | None = None) -> int:
    """Bytes that training will hold at its peak, roughly: those of its hungriest phase.

    Args:
        recipe, device, engine, ranks: as for `Trainer`; of several processes on this machine all are counted.
    """
    from petri.engine import native_status

    native = device.type == "cpu" and engine in ("auto", "native") and native_status()[0]
    size = ranks.size if ranks else 1
    return size * (500_000_000 + max(_wanted(recipe, phase, native, size) for phase in recipe.phases))


def _wanted(recipe: Recipe, phase: Phase, native: bool, size: int) -> int:
    """Of a phase: the pool, its copy while a checkpoint is written, and what the backward pass keeps.

    That is the states at the ends of segments and, within one segment, every state; PyTorch alone also
    keeps there what the rule computed.
    """
    from petri.engine import KEPT_BYTES, SEGMENT

    spec = recipe.spec
    entry = spec.channels * phase.res**2 * 4
    batch = max(1, phase.batch // size)
    rolls = [min(steps, phase.truncate or steps) for steps in (phase.steps[1], recipe.hold)]
    segment = recipe.checkpoint or (max(SEGMENT, KEPT_BYTES // (batch * entry)) if native else SEGMENT)
    whole = sum(roll for roll in rolls if roll <= segment)  # kept as they are
    again = [roll for roll in rolls if roll > segment]  # of these only ends, and one segment at a time
    within = whole + (segment if again else 0)
    kept = (within + sum(roll // segment for roll in again)) * batch * entry
    if not native:
        numbers = spec.features + 2 * spec.hidden * (spec.layers - 1) + 4 * spec.channels
        kept += within * batch * phase.res**2 * numbers * 4
    if recipe.loss.perceptual:
        kept += batch * phase.res**2 * 3_000  # features of VGG16 and their gradients
    return 2 * recipe.pool_size(phase) * entry + kept


def check(recipe: Recipe, device: torch.device, *, engine: str = "auto", ranks: Ranks | None = None) -> None:
    """Refuse a recipe that this machine cannot hold; of a GPU's memory nothing is known.

    Raises:
        BadRequest: it wants more memory than there is.
    """
    there, needed = installed(), wanted(recipe, device, engine=engine, ranks=ranks)
    if device.type == "cpu" and there is not None and needed > there:
        last = recipe.phases[-1]
        raise BadRequest(
            f"training {last.batch} × {last.res}×{last.res} cells wants about {needed / 1e9:.0f} GB "
            f"of memory, this machine has {there / 1e9:.0f}: lower --res, or --set phases.batch=… or "
            "checkpoint=16"
        )

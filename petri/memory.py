"""How much memory there is, and how much a training run will want."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from petri.errors import BadRequest
from petri.growth.recipe import Phase, Recipe


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


def wanted(recipe: Recipe) -> int:
    """Bytes that training on the CPU will hold at its peak, roughly: those of its hungriest phase."""
    return max(_wanted(recipe, phase) for phase in recipe.phases) + 500_000_000


def pool_bytes(recipe: Recipe) -> int:
    """Bytes of the largest pool of all phases."""
    return max(recipe.pool_size(phase) * recipe.spec.channels * phase.res**2 * 4 for phase in recipe.phases)


def _wanted(recipe: Recipe, phase: Phase) -> int:
    """Of a phase: the pool, its copy while a checkpoint is written, and what the backward pass keeps.

    That is the states at the ends of segments and, within one segment, every state; PyTorch alone also
    keeps there what the rule computed.
    """
    from petri.engine import KEPT_BYTES, SEGMENT, native_status

    spec = recipe.spec
    entry = spec.channels * phase.res**2 * 4
    states = phase.batch * entry
    steps = (recipe.truncate or phase.steps[1]) + recipe.hold
    native = native_status()[0]
    segment = recipe.checkpoint or (max(SEGMENT, KEPT_BYTES // states) if native else SEGMENT)
    segment = min(segment, steps)
    kept = (segment + steps // segment) * states
    if not native:
        numbers = spec.features + 2 * spec.hidden * (spec.layers - 1) + 4 * spec.channels
        kept += segment * phase.batch * phase.res**2 * numbers * 4
    if recipe.loss.perceptual:
        kept += phase.batch * phase.res**2 * 3_000  # features of VGG16 and their gradients
    return 2 * recipe.pool_size(phase) * entry + 2 * kept


def check(recipe: Recipe) -> None:
    """Refuse a recipe that this machine cannot hold.

    Raises:
        BadRequest: it wants more memory than there is.
    """
    there, needed = installed(), wanted(recipe)
    if there is not None and needed > there:
        last = recipe.phases[-1]
        raise BadRequest(
            f"training {last.batch} × {last.res}×{last.res} cells wants about {needed / 1e9:.0f} GB "
            f"of memory, this machine has {there / 1e9:.0f}: lower --res, or --set phases.batch=… or "
            "checkpoint=16"
        )

"""How much memory there is, how much will be wanted, and what to say when it is at an end."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from petri.errors import BadRequest, RunFailed
from petri.growth.recipe import Phase, Recipe

if TYPE_CHECKING:
    import torch

    from petri.growth.ranks import Ranks
    from petri.nca import Automaton

BASE = 500_000_000  # bytes that Python and PyTorch take


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
    """Bytes that training will hold at its peak, roughly: those of its hungriest phase, and all targets.

    Args:
        recipe, device, engine, ranks: as for `Trainer`; of several processes on this machine all are counted.
    """
    from petri.engine import takes
    from petri.growth.grow import seen_channels

    native = device.type == "cpu" and engine in ("auto", "native") and takes(recipe.spec)
    size = ranks.size if ranks else 1
    # Every phase's from the start, and their copies while a checkpoint is written or read.
    targets = 2 * sum(seen_channels(recipe) * phase.res**2 * 4 for phase in recipe.phases)
    return size * (BASE + targets + max(_wanted(recipe, phase, native, size) for phase in recipe.phases))


def _wanted(recipe: Recipe, phase: Phase, native: bool, size: int) -> int:
    """Of a phase: the pool, its copy while a checkpoint is written, and what the backward pass keeps.

    That is the states at the ends of segments and, within one segment, every state; PyTorch alone also
    keeps there what the rule computed.
    """
    from petri.engine import segment_length
    from petri.engine.native import state_bytes

    spec, res = recipe.spec, phase.res
    entry = spec.planes * res**2 * 4
    batch = max(1, phase.batch // size)
    rolls = [min(steps, phase.truncate or steps) for steps in (phase.steps[1], recipe.hold)]
    segment = recipe.checkpoint or segment_length(spec, (batch, spec.planes, res, res), native)
    whole = sum(roll for roll in rolls if roll <= segment)  # kept as they are
    again = [roll for roll in rolls if roll > segment]  # of these only ends, and one segment at a time
    within = whole + (segment if again else 0)
    state = state_bytes(spec, batch, res, res) if native else batch * entry
    kept = within * state + sum(roll // segment for roll in again) * batch * entry
    if not native:
        numbers = spec.features + 2 * spec.rule.hidden * (spec.rule.layers - 1) + 4 * spec.channels
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
        last, count = recipe.phases[-1], len(recipe.phases)
        phases = f" in {count} phases" if count > 1 else ""
        raise BadRequest(
            f"training {last.batch} × {last.res}×{last.res} cells{phases} wants about {needed / 1e9:.0f} GB "
            f"of memory, this machine has {there / 1e9:.0f}: lower --res, or --set phases.batch=… or "
            "checkpoint=16"
        )


def check_growing(automaton: Automaton, res: int) -> None:
    """Refuse a grid that this machine cannot hold; of a GPU's memory nothing is known.

    Raises:
        BadRequest: growing on `res` × `res` cells wants more memory than there is.
    """
    from petri.engine import takes
    from petri.engine.native import state_bytes

    there, spec, cells = installed(), automaton.spec, res**2
    if automaton.device.type != "cpu" or there is None:
        return
    needed = BASE + 2 * spec.planes * cells * 4  # before and after
    if takes(spec):
        needed += 2 * state_bytes(spec, 1, res, res)
    else:
        needed += 2 * (spec.planes + spec.features) * cells * 4  # what is perceived, apart and together
    if needed > there:
        raise BadRequest(
            f"growing {res}×{res} cells wants about {needed / 1e9:.0f} GB of memory, this machine has "
            f"{there / 1e9:.0f}: lower --res"
        )


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that memory is at an end; PyTorch says so in as many ways as it has devices."""
    said = re.search("out of memory|(can't|cannot|could not) allocate|not enough memory", str(error), re.I)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said is not None)


@contextlib.contextmanager
def explained(advice: str) -> Iterator[None]:
    """Say in one line that memory is at an end, and what to do about it.

    Raises:
        RunFailed: it is.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        raise RunFailed(f"not enough memory: {advice}") from None

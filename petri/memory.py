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

if TYPE_CHECKING:
    import torch

    from petri.nca import Automaton

BASE = 500_000_000  # bytes that Python and PyTorch take; on a GPU CUDA's context takes about as many


def installed(device: torch.device | None = None) -> int | None:
    """Bytes of memory in this machine, or of a GPU's own; None where the system does not say."""
    if device is not None and device.type != "cpu":
        import torch

        return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
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


def check_growing(automaton: Automaton, res: int) -> None:
    """Refuse a grid that this machine cannot hold; of a GPU's memory nothing is reckoned.

    Raises:
        BadRequest: growing on `res` × `res` cells wants more memory than there is.
    """
    from petri.engine import keeps

    there, spec, cells = installed(), automaton.spec, res**2
    if automaton.device.type != "cpu" or there is None:
        return
    needed = BASE + 2 * spec.planes * cells * 4  # before and after
    if kept := keeps(spec, 1, res, res, automaton.device):
        needed += 2 * kept.state
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

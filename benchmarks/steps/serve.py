"""What every measured program shares: the work, and answering the benchmark that started it.

Runs in a peer's own environment, so it knows nothing but the standard library.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Setting(NamedTuple):
    """What is computed."""

    side: int  # of the grid
    batch: int
    steps: int
    perception: str
    hidden: int
    fixed: int = 0  # planes behind the channels
    living: bool = False  # has the living mask; else states are clamped


SETTINGS = {
    "growing": Setting(72, 8, 64, "sobel", 128, living=True),  # Mordvintsev et al. 2020
    "dilated": Setting(256, 2, 16, "dilated", 128),
    "conv3": Setting(48, 8, 40, "conv3", 80, fixed=5),
    "conv3+conv5d2": Setting(48, 8, 40, "conv3+conv5d2", 80, fixed=5),
}
CHANNELS, HIDDEN = 16, SETTINGS["growing"].hidden
LEARNING_RATE = 2e-3
TEXTURE = (128, 48, 96, 32, 3)  # of a texture: grid side, steps, width, directions a layer, sizes
SENSED = (48, 8, 8, 16, 80)  # of the senses in PyTorch: grid side, batch, steps, channels, width


def peak() -> int:
    """The most memory the process has had, in bytes; getrusage would count what its parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def serve(works: dict[str, Callable[[], None]]) -> None:
    """Do one work for each line that comes in; answer its seconds, those it was busy, and memory.

    Args:
        works: by name, each a function that returns when everything is computed.
    """
    idle = peak()
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        begun, busy = time.perf_counter(), time.process_time()
        works[line.strip()]()
        took = {"seconds": time.perf_counter() - begun, "busy": time.process_time() - busy}
        print(json.dumps(took | {"memory": peak() - idle}), file=answers, flush=True)

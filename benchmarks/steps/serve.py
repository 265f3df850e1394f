"""What every measured program shares: the work, and answering the benchmark that started it.

Runs in a peer's own environment, so it knows nothing but the standard library.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

# name: (grid side, batch, steps, perceives far cells too, has the living mask)
SETTINGS = {
    "growing": (72, 8, 64, False, True),  # Mordvintsev et al. 2020
    "dilated": (256, 2, 16, True, False),
}
CHANNELS, HIDDEN = 16, 128
LEARNING_RATE = 2e-3


def peak() -> int:
    """The most memory the process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(works: dict[str, Callable[[], None]]) -> None:
    """Do one work for each line that comes in; answer its seconds and the most memory it has taken so far.

    Args:
        works: by name, each a function that returns when everything is computed.
    """
    idle = peak()
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        works[line.strip()]()
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "memory": peak() - idle}), file=answers, flush=True)

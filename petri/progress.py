"""How the library tells what it is doing; `petri.console` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Progress:
    """Where a training run stands."""

    epoch: int
    epochs: int
    phase: str  # such as "2 of 3, 128×128"
    loss: float  # mean of the epochs since the last report
    died: int  # rollouts so far that ended without a living cell
    seconds: float  # trained, over all sessions of the run
    seconds_left: float
    steps_per_second: float  # of the whole batch
    picture: np.ndarray  # uint8 [height, width, 3]: what the newest weights grew from the seed
    said: tuple[str, str] | None = None  # what the task tells beside the loss: a name and a value


class Observer(Protocol):
    """Whoever watches a run."""

    def progress(self, progress: Progress) -> None:
        """The run has come this far."""

    def note(self, text: str) -> None:
        """Something the user should know, one line."""

"""What is seen of a training run in a terminal: one line that changes, or a line every few seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from petri.console import PLAIN_EVERY, out

if TYPE_CHECKING:
    from petri.dni.trainer import NetworkEpoch


class Watch:
    """Shows the epochs of an experiment as they come."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._status = out.status("training") if out.is_terminal else None
        self._printed = time.monotonic()

    def __enter__(self) -> Watch:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def epoch(self, what: str, epoch: NetworkEpoch) -> None:
        """Show one epoch."""
        share = f"  β {epoch.beta:.2f}" if epoch.beta else ""
        self.show(
            f"{what}  epoch {epoch.number}/{self._epochs}  loss {epoch.loss:.4f}  "
            f"test accuracy {epoch.accuracy:.2f} %  {epoch.step_ms:.1f} ms a step{share}"
        )

    def show(self, text: str) -> None:
        """Show one line."""
        if self._status:
            self._status.update(text)
        elif time.monotonic() - self._printed >= PLAIN_EVERY:
            self._printed = time.monotonic()
            out.print(text, soft_wrap=True)

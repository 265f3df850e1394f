"""Tables whose rows are trainings: what they have in common.

A row is a line of JSON in a results file as soon as there is one; a script that was stopped goes on with
what is missing, and a training with its last checkpoint. Minutes are of the processor, all threads together,
so that other work beside it does not count; OMP_NUM_THREADS=1 makes them those of one core. On another device
than the CPU, where the processor waits, they are of the clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from petri import modelfile
from petri.errors import BadRequest
from petri.files import write_whole
from petri.models import MODEL
from petri.progress import Progress
from petri.training import loop
from petri.training import plan as planning
from petri.training.recipe import Recipe
from petri.training.runs import Run, has_finished
from petri.training.trainer import Trainer

CPU = torch.device("cpu")

Make = Callable[[int | None], Recipe]  # a recipe of so many epochs, or of as many as it has by itself


class Quiet:
    """Says a word every few minutes."""

    def __init__(self, name: str) -> None:
        self.name, self.said = name, 0.0

    def progress(self, progress: Progress) -> None:
        """Print where it is."""
        if progress.seconds - self.said > 300:
            self.said = progress.seconds
            print(
                f"{self.name}: epoch {progress.epoch:,} of {progress.epochs:,}, loss {progress.loss:.4f}",
                flush=True,
            )

    def note(self, text: str) -> None:
        """Print what happened."""
        print(f"{self.name}: {text}", flush=True)


def by_processor(device: torch.device = CPU) -> None:
    """Count the processor's time, not the clock's, in what trainings on the CPU print, plan and keep."""
    if device.type == "cpu":
        planning.time = loop.time = SimpleNamespace(monotonic=time.process_time)


def within(minutes: float | None, epochs: int | None, make: Make, device: torch.device = CPU) -> Recipe:
    """A recipe of so many epochs, or of as many as fit into so many minutes, as measured now on a device."""
    if minutes is None:
        return make(epochs)
    whole = make(None)
    seconds = planning.plan(whole, device).seconds / whole.epochs
    return make(max(1, round(60 * minutes / seconds)))


def train(
    folder: Path,
    make: Callable[[], Recipe],
    *,
    change: Callable[[Trainer], object] = lambda trainer: None,
    device: torch.device = CPU,
) -> Path:
    """Train a row to its end, or go on with it.

    Args:
        folder: of its run.
        make: its recipe, if it has not begun.
        change: done to the trainer before it trains, or goes on.
        device: where it trains.

    Returns:
        The model's file.
    """
    seconds = 0.0
    if (folder / "recipe.toml").is_file():
        if finished(folder):
            return folder / MODEL
        run, trainer, seconds = loop.resume(folder, device)
    else:
        run, trainer = loop.start(make(), folder.parent, folder.name, device)
    change(trainer)
    loop.train(run, trainer, Quiet(folder.name), seconds=seconds)
    return folder / MODEL


def finished(folder: Path) -> bool:
    """Whether a run has a model of its last epoch."""
    try:
        training = modelfile.read(folder / MODEL).training
    except BadRequest:
        return False
    return has_finished(training, Run.open(folder, lock=False).recipe)


def results(path: Path) -> list[dict[str, Any]]:
    """The rows that a file has; a line that was cut off in the middle counts for nothing."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def has(path: Path, row: dict[str, Any]) -> bool:
    """Whether a file has the results of a row, which is told by all that was asked of it."""
    return any(row.items() <= one.items() for one in results(path))


def keep(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a file, which is whole at any moment."""
    lines = [json.dumps(one, ensure_ascii=False) for one in (*results(path), row)]
    write_whole(path, "\n".join(lines) + "\n")

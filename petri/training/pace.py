"""How fast a run goes, and how long it still has to."""

from __future__ import annotations

from collections.abc import Iterable

from petri.training.recipe import Phase, Recipe
from petri.training.trainer import Epoch

BACK = 3  # times as long as taking a step, going back through it takes


def cell_steps(recipe: Recipe, phase: Phase, steps: float | None = None) -> float:
    """Cells times steps of an epoch of this phase: what its time is in proportion to.

    A step that the gradient does not go back through counts as a part of one.

    Args:
        recipe, phase: of the run.
        steps: to grow; if left out, the mean over the phase's epochs.
    """
    grow = phase.steps_a_epoch if steps is None else steps
    back = sum(min(part, phase.truncate or part) for part in (grow, recipe.hold))
    return phase.batch * phase.cells * (grow + recipe.hold + BACK * back) / (1 + BACK)


class Pace:
    """Seconds a cell and step, as measured so far, or in the last quarter of an hour of a long run.

    Args:
        recipe: of the run.
        epoch: number of epochs done when the clock was started.
    """

    MEMORY = 900.0  # seconds; what lies before counts ever less

    def __init__(self, recipe: Recipe, epoch: int) -> None:
        self.recipe, self.epoch = recipe, epoch
        self.work = self.seconds = 0.0

    def add(self, epochs: Iterable[Epoch], seconds: float) -> None:
        """Take account of epochs that took so long together."""
        for epoch in epochs:
            phase = self.recipe.phases[self.recipe.phase_after(epoch.number - 1)]
            self.work += cell_steps(self.recipe, phase, epoch.steps)
        self.seconds += seconds
        if self.seconds > self.MEMORY:
            shrink = self.MEMORY / self.seconds
            self.work, self.seconds = self.work * shrink, self.seconds * shrink

    def left(self, epoch: int) -> float:
        """Seconds that the epochs after `epoch` will take."""
        total, done = 0.0, 0
        for phase in self.recipe.phases:
            remaining = min(phase.epochs, max(0, done + phase.epochs - epoch))
            total += remaining * cell_steps(self.recipe, phase)
            done += phase.epochs
        return total * self.seconds / self.work if self.work else 0.0

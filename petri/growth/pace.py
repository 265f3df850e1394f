"""How fast a run goes, and how long it still has to."""

from __future__ import annotations

from collections.abc import Iterable

from petri.growth.recipe import Phase, Recipe
from petri.growth.trainer import Epoch


def cell_steps(recipe: Recipe, phase: Phase) -> float:
    """Cells times steps of an epoch of this phase, on the average: what its time is in proportion to."""
    return phase.batch * phase.res**2 * (sum(phase.steps) / 2 + recipe.hold)


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
            self.work += phase.batch * phase.res**2 * (epoch.steps + self.recipe.hold)
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

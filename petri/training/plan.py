"""What a run would cost, before it is begun: memory and time."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
import torch

from petri import tasks
from petri.devices import synchronise
from petri.tasks import Rows
from petri.training import memory
from petri.training.pace import cell_steps
from petri.training.recipe import Phase, Recipe
from petri.training.trainer import Trainer

SHORT, MORE = 8, 16  # steps of a measured epoch, before those to hold, and how many more the second has
ENOUGH = 0.4  # seconds for which epochs are measured
STILL = 1e-9  # learning rate at which what lives stays as it is
FIGURE_RADIUS = 0.5  # of half a side: a disc of as many cells as live of a figure in the mean of its growth
BRIEF = 1.0  # seconds that an epoch may take to be measured at its whole length


@dataclass(frozen=True)
class PhasePlan:
    """One phase."""

    phase: Phase
    seconds: float  # of all its epochs, by one epoch measured, here or in its neighbours


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    recipe: Recipe
    phases: tuple[PhasePlan, ...]
    memory: int  # bytes at the peak, roughly

    @property
    def seconds(self) -> float:
        """Of all phases."""
        return sum(phase.seconds for phase in self.phases)


def plan(recipe: Recipe, device: torch.device, *, engine: str = "auto") -> Plan:
    """Train a few short epochs of the first, the middle and the last phase, and reckon what the run takes.

    Args:
        recipe, device, engine: as for `Trainer`.
    """
    phases = recipe.phases
    work = [cell_steps(recipe, phase) for phase in phases]
    last = len(phases) - 1
    chosen = sorted({0, last // 2, last})
    paces = [_epoch(recipe, phases[one], device, engine) / work[one] for one in chosen]
    # Between them the time of a cell and step changes little, from grid to grid.
    between = np.interp(range(len(phases)), chosen, paces)
    planned = [
        PhasePlan(phase, phase.epochs * each * float(pace))
        for phase, each, pace in zip(phases, work, between, strict=True)
    ]
    return Plan(recipe, tuple(planned), memory.wanted(recipe, device, engine=engine))


def _epoch(recipe: Recipe, phase: Phase, device: torch.device, engine: str) -> float:
    """Seconds of an epoch of a phase, in the mean."""
    part = phase if phase.truncate < phase.steps_a_epoch else dataclasses.replace(phase, truncate=0)
    short, whole = max(SHORT, part.truncate), round(phase.steps_a_epoch)
    one = _seconds(recipe, part, short, device, engine)
    if one * whole < BRIEF * short:
        return _seconds(recipe, phase, whole, device, engine)
    # Two lengths: an epoch has a part that does not depend on its steps. If the gradient goes through
    # some of the steps only, those between the two lengths are such as it does not go through.
    step = max(0.0, (_seconds(recipe, part, short + MORE, device, engine) - one) / MORE)
    return max(one + step * (phase.steps_a_epoch - short), one * 0.1)


def _seconds(recipe: Recipe, phase: Phase, steps: int, device: torch.device, engine: str) -> float:
    """Of an epoch of a phase with so many steps to grow."""
    # The pool is the least that works: filling it is no part of an epoch.
    brief = dataclasses.replace(
        recipe,
        phases=(dataclasses.replace(phase, steps=(steps, steps), again=(), epochs=1000),),
        optimiser=dataclasses.replace(recipe.optimiser, warm_up=0.0, learning_rate=STILL),
        pool=dataclasses.replace(recipe.pool, size=phase.batch),
    )
    trainer = Trainer(brief, tasks.make(brief), device, engine=engine)
    _nudge(trainer)
    begun = time.monotonic()
    trainer.train_epoch()
    synchronise(device)
    first = time.monotonic() - begun
    if first > ENOUGH:  # what is done but once is little of it
        return first
    begun = time.monotonic()
    count = 0
    while count < 2 or (count < 20 and time.monotonic() - begun < ENOUGH):
        trainer.train_epoch()
        count += 1
    synchronise(device)
    return (time.monotonic() - begun) / count


def _nudge(trainer: Trainer) -> None:
    """Make every weight count, and every cell that a figure has at the end be alive, as they will be."""
    chance, spec = torch.Generator().manual_seed(0), trainer.recipe.spec
    with torch.no_grad():
        for weight in trainer.weights.values():
            # With the living mask so little that a figure neither dies nor spreads.
            size = 1e-4 if spec.living else 1e-2
            weight.add_(size * torch.randn(weight.shape, generator=chance).to(weight.device))
        rows = trainer.pool.rows
        rows["state"][:, : spec.channels] += 0.5
        if spec.living and not spec.space.on_graph:
            height, width = rows["state"].shape[-2:]
            down, across = (torch.linspace(-1, 1, cells) for cells in (height, width))
            outside = down[:, None].square() + across.square() > FIGURE_RADIUS**2
            rows["state"][:, : spec.channels, outside.to(rows["state"].device)] = 0

    def begin(count: int, *_: object) -> Rows:
        return {name: values[:1].repeat_interleave(count, dim=0) for name, values in rows.items()}

    trainer.task.begin = begin  # type: ignore[assignment, method-assign]

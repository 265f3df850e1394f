"""What growing a picture has come to: measured from the seed, with fresh chance, and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from petri import images
from petri.evaluation.report import (
    EVALUATION_SEED,
    SEEDS,
    ReportLoss,
    error_of,
    grow_and_hold,
    report_loss_of,
)
from petri.evaluation.standing import Standing, standing
from petri.film import EVERY, film
from petri.nca import Automaton
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.tasks.grow import Growing

FRESH = 16  # rollouts that a figure must stand in at the end
LASTING = 1000  # steps after which it must still stand
GROWTH_PIXELS = 256  # about the side of growth.webp
GROWTH_FPS = 20
GROWTH_BYTES = 10**9  # that its pictures may take on the way, about 7 a pixel
TARGET = "target.png"
DRAWN = ("grown.png", "growth.webp", TARGET)


@dataclass(frozen=True, kw_only=True)
class Grown(Outcome):
    """What growing a picture has come to."""

    loss: ReportLoss  # from the seed
    looks: dict[int, Standing] = field(default_factory=dict)
    """Of fresh rollouts, by their steps; a figure's last one is long after."""


@torch.no_grad()
def finish(task: Growing, automaton: Automaton, folder: Path) -> Grown:
    """Measure a model from the seed, at the size that the task has come to, and draw what it grows."""
    spec, target = automaton.spec, task.target
    asked = {"steps": task.most_steps, "hold": task.hold}
    grown, held = grow_and_hold(automaton, target, **asked, seeds=FRESH if spec.living else SEEDS)
    # The loss is that of `petri evaluate`, of as many rollouts.
    loss = report_loss_of(grown[:SEEDS], held[:SEEDS], target, **asked, error=error_of(spec))
    looks = _looks(automaton, held, target, task.most_steps + task.hold)
    zoom = max(1, GROWTH_PIXELS // max(task.grid))
    steps, room = min(looks), GROWTH_BYTES // (7 * task.grid[0] * task.grid[1] * zoom**2)
    every = max(EVERY, math.ceil(steps / max(1, room)))
    shown = film(automaton, task.grid, steps, ground=task.ground, every=every)
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    images.save_picture(folder / "grown.png", frames[-1])
    images.save_animation(folder / "growth.webp", frames, fps=GROWTH_FPS)
    return Grown(
        stands=not spec.living or all(look.all for look in looks.values()),
        files=DRAWN,
        fields={
            "loss": loss.to_fields(),
            "looks": [{"steps": step, **look.to_fields()} for step, look in looks.items()],
            **({"ground": task.opaque} if spec.living else {}),
        },
        loss=loss,
        looks=looks,
    )


def _looks(automaton: Automaton, held: Tensor, target: Tensor, step: int) -> dict[int, Standing]:
    """How rollouts that have taken `step` steps look; of a figure, after as many again and long after."""
    spec = automaton.spec
    if not spec.living:
        return {step: standing(held, target, spec)}
    looks = {}
    for later in (2 * step, max(LASTING, 4 * step)):
        held = automaton.rollout(held, later - step, seed=EVALUATION_SEED, start=step)
        looks[later], step = standing(held, target, spec), later
    return looks

"""What growing a picture has come to: measured from the seed, with fresh chance, and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from petri.nca import Automaton, Spec
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.tasks.grow import Growing

FRESH = 16  # rollouts that a figure must stand in at the end
LASTING = 1000  # steps after which it must still stand
GROWTH_PIXELS = 256  # about the side of growth.webp
PAINTED_PIXELS = 512  # and its most, of what a decoder paints
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
    enlarged: float | None = None
    """Where a decoder paints: PSNR of the target itself, of a pixel a cell, enlarged bilinearly; dB."""


@torch.no_grad()
def finish(task: Growing, automaton: Automaton, folder: Path) -> Grown:
    """Measure a model from the seed, at the size that the task has come to, and draw what it grows."""
    spec = automaton.spec
    loss, looks = judge(automaton, task.grid, task.target, steps=task.most_steps, hold=task.hold)
    pixels = min(task.pixels, PAINTED_PIXELS) if spec.decoder else max(task.grid)
    zoom = 1 if spec.decoder else max(1, GROWTH_PIXELS // pixels)
    steps = min(looks)
    every = spacing(steps, task.grid[0] * task.grid[1] * (zoom * pixels // max(task.grid)) ** 2)
    shown = film(automaton, task.grid, steps, ground=task.ground, every=every, pixels=pixels)
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    whole = frames[-1]
    if task.pixels > pixels:
        *_, (_, whole) = film(
            automaton, task.grid, steps, ground=task.ground, every=steps, pixels=task.pixels
        )
    images.save_picture(folder / "grown.png", whole)
    images.save_animation(folder / "growth.webp", frames, fps=GROWTH_FPS)
    return Grown(
        stands=stand(looks, spec),
        files=DRAWN,
        fields={**fields_of(loss, looks), **({"ground": task.opaque} if spec.living else {})},
        loss=loss,
        looks=looks,
    )


def judge(
    automaton: Automaton,
    grid: tuple[int, int],
    target: Tensor,
    *,
    steps: int,
    hold: int,
    condition: int | None = None,
) -> tuple[ReportLoss, dict[int, Standing]]:
    """The loss from the seed, and how fresh rollouts look by their steps; a figure's last one is long after.

    Args:
        automaton: trained.
        grid: rows and columns of cells.
        target: `[seen, height, width]`.
        steps, hold: when it is looked at.
        condition: which fixed plane asks for the target, of an automaton of several.
    """
    spec, asked = automaton.spec, {"steps": steps, "hold": hold}
    grown, held = grow_and_hold(
        automaton, grid, **asked, seeds=FRESH if spec.living else SEEDS, condition=condition
    )
    # The loss is that of `petri evaluate`, of as many rollouts.
    loss = report_loss_of(grown[:SEEDS], held[:SEEDS], target, **asked, error=error_of(automaton))
    return loss, _looks(automaton, held, target, steps + hold)


def stand(looks: dict[int, Standing], spec: Spec) -> bool:
    """Whether all rollouts stand at every look; a plane cannot fall."""
    return not spec.living or all(look.all for look in looks.values())


def fields_of(loss: ReportLoss, looks: dict[int, Standing]) -> dict[str, Any]:
    """Both as plain values."""
    return {
        "loss": loss.to_fields(),
        "looks": [{"steps": step, **look.to_fields()} for step, look in looks.items()],
    }


def spacing(steps: int, pixels: int) -> int:
    """Steps from picture to picture of a film of so many pixels each, so that memory holds it."""
    room = GROWTH_BYTES // (7 * pixels)
    return max(EVERY, math.ceil(steps / max(1, room)))


def _looks(automaton: Automaton, held: Tensor, target: Tensor, step: int) -> dict[int, Standing]:
    """How rollouts that have taken `step` steps look; of a figure, after as many again and long after."""
    spec = automaton.spec
    if not spec.living:
        return {step: standing(automaton, held, target)}
    looks = {}
    for later in (2 * step, max(LASTING, 4 * step)):
        held = automaton.rollout(held, later - step, seed=EVALUATION_SEED, start=step)
        looks[later], step = standing(automaton, held, target), later
    return looks

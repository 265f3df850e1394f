"""What growing several pictures by one rule has come to: each of them measured, and all of them drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from petri import images
from petri.evaluation.report import ReportLoss
from petri.evaluation.standing import Standing
from petri.film import film
from petri.nca import Automaton
from petri.tasks.grown import (
    DRAWN,
    GROWTH_FPS,
    GROWTH_PIXELS,
    fields_of,
    judge,
    spacing,
    stand,
)
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.tasks.many import GrowingMany

CHANGES = "changes.webp"


@dataclass(frozen=True, kw_only=True)
class Changed(Outcome):
    """What growing several pictures has come to."""

    each: dict[str, tuple[ReportLoss, dict[int, Standing]]]
    """By condition: the loss from the seed, and fresh rollouts by their steps, as of `Grown`."""


@torch.no_grad()
def finish(task: GrowingMany, automaton: Automaton, folder: Path) -> Changed:
    """Measure each picture from the seed, and draw how all grow and how one becomes the next."""
    spec, asked = automaton.spec, {"steps": task.most_steps, "hold": task.hold}
    numbered = list(enumerate(zip(task.conditions, task.target, strict=True)))
    each = {
        label: judge(automaton, task.grid, target, **asked, condition=number)
        for number, (label, target) in numbered
    }
    steps = min(min(looks) for _, looks in each.values())
    _draw_growth(task, automaton, folder, steps)
    _draw_changes(task, automaton, folder, steps)
    measured = [{"condition": label, **fields_of(*found)} for label, found in each.items()]
    return Changed(
        stands=all(stand(looks, spec) for _, looks in each.values()),
        files=(*DRAWN[:2], CHANGES, *DRAWN[2:]),
        fields={"each": measured, **({"ground": task.opaque} if spec.living else {})},
        each=each,
    )


def _draw_growth(task: GrowingMany, automaton: Automaton, folder: Path, steps: int) -> None:
    """All pictures grow side by side."""
    count = len(task.conditions)
    zoom = max(1, 2 * GROWTH_PIXELS // (max(task.grid) * min(count, images.IN_A_ROW)))
    every = spacing(steps, count * task.grid[0] * task.grid[1] * zoom**2)
    films = [
        film(automaton, task.grid, steps, ground=task.ground, every=every, condition=number)
        for number in range(count)
    ]
    frames = [
        images.enlarge(images.tile([rgb for _, rgb in shown]), zoom) for shown in zip(*films, strict=True)
    ]
    images.save_picture(folder / "grown.png", frames[-1])
    images.save_animation(folder / "growth.webp", frames, fps=GROWTH_FPS)


def _draw_changes(task: GrowingMany, automaton: Automaton, folder: Path, steps: int) -> None:
    """One rollout becomes each of the pictures in turn, and the first again."""
    count = len(task.conditions)
    zoom = max(1, GROWTH_PIXELS // max(task.grid))
    whole = (count + 1) * steps
    shown = film(
        automaton,
        task.grid,
        whole,
        ground=task.ground,
        every=spacing(whole, task.grid[0] * task.grid[1] * zoom**2),
        condition=0,
        switches={turn * steps: turn % count for turn in range(1, count + 1)},
    )
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    images.save_animation(folder / CHANGES, frames, fps=GROWTH_FPS)

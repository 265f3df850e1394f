"""Growth as pictures: a model's rollout from the seed, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from petri.damage import cut_circle
from petri.images import picture
<<<<<<< HEAD
from petri.nca import Automaton
=======
from petri.modelfile import Model
from petri.nca import Automaton, Given
>>>>>>> w-web

EVERY = 2  # steps a picture
HOLE = (0.6, 0.45)  # centre of the damage, beside the pattern's, so that part of its outline goes too


@torch.no_grad()
def film(
    automaton: Automaton,
    grid: tuple[int, int],
    steps: int,
    *,
    ground: str,
    seed: int = 0,
    damage_at: int | None = None,
    every: int = EVERY,
) -> Iterator[tuple[int, np.ndarray]]:
    """Grow from the seed.

    Args:
        automaton: what grows.
        grid: rows and columns.
        steps: taken in all.
        ground: what a figure is seen on, as for `picture`.
        seed: decides which cells fire.
        damage_at: the step after which a circle of a quarter of the area is emptied; shown at once.
        every: steps a picture.

    Yields:
        The number of steps taken and the picture then, as `picture` gives it: before the first step, after
        so many each and after the last.
    """
<<<<<<< HEAD
    state = automaton.seed_state(*grid, seed=seed)
=======
    state = opening(automaton, res, seed=seed)
>>>>>>> w-web
    yield 0, picture(state[0], automaton.spec, ground)
    step = 0
    while step < steps:
        if damage_at is not None and step >= damage_at:
            state = cut_circle(state, x=HOLE[0], y=HOLE[1])
            damage_at = None
            yield step, picture(state[0], automaton.spec, ground)
        count = min(every, steps - step)
        state = automaton.rollout(state, count, seed=seed, start=step)
        step += count
        yield step, picture(state[0], automaton.spec, ground)
<<<<<<< HEAD
=======


@torch.no_grad()
def grown(model: Model) -> Tensor:
    """What a model has grown when its time to grow is over, `[channel, height, width]`.

    On its own grid; on large ones, which would take long, on fewer cells and for fewer steps.
    """
    automaton = model.automaton
    return automaton.rollout(opening(automaton, min(model.res, LARGEST)), min(model.steps, LONGEST))[0]


def opening(automaton: Automaton, height: int, width: int | None = None, *, seed: int = 0) -> Tensor:
    """The state that a page opens with: the one that the Spec starts from, empty if that is to be given."""
    spec = automaton.spec
    if isinstance(spec.start, Given):
        return torch.zeros(1, spec.planes, height, width or height, device=automaton.device)
    return automaton.seed_state(height, width, seed=seed)
>>>>>>> w-web

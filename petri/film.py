"""Growth as pictures: a model's rollout from the seed, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri.damage import cut_circle
from petri.images import picture
from petri.nca import Automaton, opening_state, under
from petri.nca.seed import repainted

EVERY = 2  # steps a picture
NONE: Mapping[int, int | Tensor] = MappingProxyType({})
HOLE = (0.6, 0.45)  # centre of the damage, beside the pattern's, so that part of its outline goes too


def film(
    automaton: Automaton,
    grid: tuple[int, int],
    steps: int,
    *,
    ground: str,
    pixels: int | None = None,
    **how: Any,
) -> Iterator[tuple[int, np.ndarray]]:
    """Grow from the seed, in pictures.

    Args:
        automaton, grid, steps, how: as for `growth`.
        ground: what a figure is seen on, as for `picture`.
        pixels: along the longer side, as for `picture`.

    Yields:
        The number of steps taken and the picture then, as `picture` gives it.
    """
    for step, state in growth(automaton, grid, steps, **how):
        yield step, picture(automaton, state, ground, pixels)


@torch.no_grad()
def growth(
    automaton: Automaton,
    grid: tuple[int, int],
    steps: int,
    *,
    seed: int = 0,
    damage_at: int | None = None,
    condition: int | None = None,
    fixed: Tensor | None = None,
    switches: Mapping[int, int | Tensor] = NONE,
    every: int = EVERY,
) -> Iterator[tuple[int, Tensor]]:
    """Grow from the seed.

    Args:
        automaton: what grows.
        grid: rows and columns.
        steps: taken in all.
        seed: decides which cells fire.
        damage_at: the step after which a circle of a quarter of the area is emptied; shown at once. A film
            stops there for a picture, as at switches.
        condition: of an automaton of several targets, which fixed plane asks for the first, from 0.
        fixed: of another automaton with fixed planes these, `[plane, height, width]`; zero if left out.
        switches: and which one, or which planes, from the step on that is named, by steps; a film stops there
            for a picture.
        every: steps from one to the next.

    Yields:
        The number of steps taken and the state then, `[planes, height, width]`: before the first step, after
        so many each and after the last.
    """
    state = opening_state(
        automaton.spec, *grid, device=automaton.device, seed=seed, condition=condition, fixed=fixed
    )
    yield 0, state[0]
    step = 0
    while step < steps:
        if damage_at is not None and step >= damage_at:
            state = state.clone()
            evolving = state[:, : automaton.spec.channels]
            evolving.copy_(cut_circle(evolving, x=HOLE[0], y=HOLE[1]))
            damage_at = None
            yield step, state[0]
        if step in switches:
            asked = switches[step]
            if isinstance(asked, Tensor):
                state = repainted(state, automaton.spec, asked)
            else:
                state = under(state, automaton.spec, asked)
        stops = [*switches] if damage_at is None else [*switches, damage_at]
        count = min(every, steps - step, *(later - step for later in stops if later > step))
        state = automaton.rollout(state, count, seed=seed, start=step)
        step += count
        yield step, state[0]

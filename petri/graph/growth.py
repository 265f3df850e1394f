"""How the nodes of a ring or a mesh come to what they look like."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from petri.graph.mesh import Surface
from petri.graph.painting import shown
from petri.nca import Automaton, Cell, opening_state
from petri.nca.graph import nearest
from petri.nca.life import ALPHA

GONE = 0.25  # share of the nodes that damage takes


@torch.no_grad()
def growth(
    automaton: Automaton,
    nodes: int,
    surface: Surface | None,
    steps: int,
    *,
    first: int | None = None,
    seed: int = 0,
    damage_at: int | None = None,
    every: int = 2,
) -> Iterator[tuple[int, Surface]]:
    """Grow from the seed.

    Args:
        automaton: what grows; of a mesh it has its graph.
        nodes: how many.
        surface: as for `shown`.
        steps: taken in all.
        first: the node that growth begins with, on a mesh that the automaton was not trained on.
        seed: decides which nodes fire.
        damage_at: the step after which the quarter of the nodes that lies nearest one is emptied.
        every: steps between two looks.

    Yields:
        The number of steps taken, and what is seen then: before the first step, after so many each, after
        the last, and at the damage before it and after it.
    """
    state = opening_state(automaton.spec, 1, nodes, device=automaton.device, seed=seed)
    if first is not None and isinstance(automaton.spec.start, Cell):
        channels = automaton.spec.channels
        state[:, :channels] = 0.0
        state[:, ALPHA:channels, :, first] = 1.0
    yield 0, shown(state[0], automaton, surface)
    step = 0
    while step < steps:
        if damage_at is not None and step >= damage_at:
            graph = automaton.graph_of(nodes)
            assert graph is not None, "a ring or a mesh has one"
            source = int(torch.randint(nodes, (), generator=torch.Generator().manual_seed(seed)))
            gone = nearest(graph, source, round(GONE * nodes)).to(state.device)
            state = state.clone()
            state[:, : automaton.spec.channels].masked_fill_(gone, 0.0)
            damage_at = None
            yield step, shown(state[0], automaton, surface)
        count = min(every, steps - step)
        if damage_at is not None and damage_at > step:
            count = min(count, damage_at - step)
        state = automaton.rollout(state, count, seed=seed, start=step)
        step += count
        yield step, shown(state[0], automaton, surface)

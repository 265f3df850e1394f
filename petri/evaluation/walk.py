"""A long rollout, in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from petri.evaluation.report import EVALUATION_SEED
from petri.nca import Automaton

CHUNK = 50  # steps at a time, so that Ctrl-C is heard


def walk(
    automaton: Automaton, state: Tensor, stops: Iterable[int], *, start: int = 0
) -> Iterator[tuple[int, Tensor]]:
    """Go on from a state after `start` steps; give it at each of the stops, which must rise."""
    step = start
    for stop in stops:
        while step < stop:
            count = min(CHUNK, stop - step)
            state = automaton.rollout(state, count, seed=EVALUATION_SEED, start=step)
            step += count
        yield step, state

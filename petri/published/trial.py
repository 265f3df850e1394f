"""Whether an imported model does anything: a file can be read without an error and nothing grows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from petri.modelfile import Model
from petri.nca import opening_state
from petri.nca.life import ALPHA, THRESHOLD
from petri.published.convention import Convention

SIDE, STEPS = 64, 128  # cells and steps of a trial
BOUND = 50.0  # of a state without a clamp; published ones stay below 6
VARIED = 0.01  # standard deviation of a texture's colours below which it is of one colour


@torch.no_grad()
def complaint(model: Model) -> str:
    """What is wrong with what a model grows, in words; empty if it grows.

    It grows on the CPU, on 64×64 cells for 128 steps.
    """
    automaton, spec = model.automaton, model.automaton.spec
    state = automaton.rollout(opening_state(spec, SIDE, SIDE), STEPS)[0, : spec.channels]
    if not state.isfinite().all() or (spec.clamp is None and state.abs().max() > BOUND):
        return f"its values explode within {STEPS} steps"
    if not spec.living:
        varied = float(state[:3].mul(spec.colour_scale).std(dim=(1, 2)).max())
        return "" if varied > VARIED else f"after {STEPS} steps the plane is still of one colour"
    there = int((state[ALPHA] > THRESHOLD).sum())
    if there <= 1:
        return f"nothing grows: after {STEPS} steps {'one cell is' if there else 'no cell is'} alive"
    return f"after {STEPS} steps it has filled the whole grid" if there == SIDE * SIDE else ""


def remedy(read: Callable[..., Model], convention: Convention) -> str:
    """What to change in a convention so that the model grows, such as `divisor 8`; empty if nothing helps.

    Args:
        read: reads the model, given the fields of a convention.
        convention: with which it does not grow.
    """
    for changes, other in convention.others():
        if not complaint(read(**dataclasses.asdict(other))):
            return changes
    return ""

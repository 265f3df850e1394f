"""Mutation: an evolved picture told to become another one, and how far it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import images
from petri.evaluation.course import Course, Judge
from petri.evaluation.regeneration import fields_of
from petri.evaluation.walk import walk
from petri.modelfile import Model
from petri.nca import under


@dataclass(frozen=True)
class Mutation:
    """What becomes of a picture when another one is asked for.

    Before, it is held against what it was; from then on against what it is to become.
    """

    source: str  # the condition under which it grew
    target: str  # the condition that it was given
    changed_at: int  # steps since the seed
    later_at: int  # steps since the seed
    loss: Course
    vgg16: Course
    picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, later, uint8

    def to_fields(self) -> dict[str, Any]:
        """As plain values; undamaged is the target's own rollouts from the seed, then."""
        return {
            "from": self.source,
            "to": self.target,
            "changed_at": self.changed_at,
            "later_at": self.later_at,
            **fields_of(self.loss, self.vgg16),
        }


@torch.no_grad()
def mutations(
    model: Model,
    pictures: Sequence[Tensor],
    *,
    seeds: int,
    moments: tuple[int, int],
    ground: str,
    say: Callable[[str], object] = lambda text: None,
) -> tuple[Mutation, ...]:
    """Change every picture of a model into every other one.

    Args:
        model: of several targets.
        pictures: what each condition asks for, `[4, height, width]` each, on the model's device.
        seeds: rollouts of each pair.
        moments: steps after which the condition changes, and after which the result is looked at.
        ground: what a figure is seen on.
        say: told in a few words what is being done.
    """
    spec, automaton, labels = model.spec, model.automaton, model.conditions
    judges = [Judge(picture, automaton) for picture in pictures]
    rollouts = []
    for number, label in enumerate(labels):
        say(f"growing {label}")
        begun = automaton.seed_state(*pictures[0].shape[-2:], batch=seeds, condition=number)
        rollouts.append(dict(walk(automaton, begun, moments)))
    changed_at, later_at = moments
    found = []
    for source, was in enumerate(labels):
        for target, becomes in enumerate(labels):
            if source == target:
                continue
            say(f"{was} becomes {becomes}")
            before = rollouts[source][changed_at]
            changed = under(before, spec, target)
            # The same cells fire as in the rollouts from the seed.
            *_, (_, later) = walk(automaton, changed, [later_at], start=changed_at)
            courses = judges[target].course(
                before, changed, later, rollouts[target][later_at], was=judges[source]
            )
            picture = images.picture(automaton, later[0], ground)
            found.append(Mutation(was, becomes, changed_at, later_at, *courses, picture))
    return tuple(found)

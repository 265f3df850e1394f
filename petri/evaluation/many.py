"""Everything that is measured of a model of several targets: each of them, and how each becomes another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from petri import ground, targets
from petri.errors import BadRequest
from petri.evaluation import evaluation as single
from petri.evaluation.mutation import Mutation, mutations
from petri.evaluation.report import SEEDS
from petri.modelfile import Model


@dataclass(frozen=True, kw_only=True)
class ManyEvaluation:
    """How good a model of several targets is."""

    target: str  # what they are called together
    architecture: str  # of the automaton, in a few words
    res: int  # cells along a side
    seeds: int  # rollouts, each with fire masks of its own
    conditions: tuple[str, ...]
    each: tuple[single.Evaluation, ...]  # under each condition
    mutation: tuple[Mutation, ...]  # each of them into each other one

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        size = f"{self.res}×{self.res} cells"
        return f"{self.target} on {size} · {self.architecture} · {self.seeds} fire seeds"

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "target": self.target,
            "architecture": self.architecture,
            "res": self.res,
            "seeds": self.seeds,
            "conditions": list(self.conditions),
            "each": [
                {"condition": label, **found.to_fields()}
                for label, found in zip(self.conditions, self.each, strict=True)
            ],
            "mutation": [one.to_fields() for one in self.mutation],
        }


def evaluate(
    model: Model,
    target: Sequence[str] = (),
    *,
    res: int | None = None,
    seeds: int = SEEDS,
    damage_at: int | None = None,
    heal_steps: int | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> ManyEvaluation:
    """Measure each target of a model as `single.evaluate` does, and change each into each other one.

    Args:
        model: of several targets.
        target: what each condition is to look like, in order; as the model's file names them if empty.
        res, seeds, damage_at, heal_steps, say: as for `single.evaluate`; the condition is changed when
            damage comes.

    Raises:
        BadRequest: a value out of range, or no such target.
        RunFailed: memory is at an end.
    """
    names = tuple(target) or model.targets
    if len(names) != len(model.conditions):
        raise BadRequest(
            f"{model.target} has {len(model.conditions)} targets: name one for each, got {len(names)}"
        )
    how: dict[str, Any] = {"seeds": seeds, "damage_at": damage_at, "heal_steps": heal_steps}
    res = res or model.res
    each = []
    for number, (label, name) in enumerate(zip(model.conditions, names, strict=True)):
        told = partial(_tell, say, label)
        each.append(single.evaluate(model, name, res=res, condition=number, say=told, **how))
    device = model.automaton.device
    pictures = [torch.from_numpy(targets.load(name, res).pixels).to(device) for name in names]
    on = ground.kept(model) or ground.choose(torch.cat(pictures, dim=-1))
    with single.enough_memory(seeds, res):
        changed = mutations(
            model,
            pictures,
            seeds=seeds,
            moments=single.moments_of(model, damage_at, heal_steps),
            ground=on,
            say=say,
        )
    return ManyEvaluation(
        target=model.target,
        architecture=model.spec.describe(),
        res=res,
        seeds=seeds,
        conditions=model.conditions,
        each=tuple(each),
        mutation=changed,
    )


def _tell(say: Callable[[str], object], label: str, text: str) -> None:
    say(f"{label}, {text}")

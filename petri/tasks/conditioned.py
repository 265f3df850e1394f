"""What tasks of several targets have in common: a fixed plane for each, and rows that say which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from petri.errors import BadRequest
from petri.nca import under
from petri.targets.several import check_count
from petri.tasks.task import Rows, Task

if TYPE_CHECKING:
    from petri.training.recipe import Recipe


class Conditioned(Task):
    """A task whose every row has the number of its target, `condition`, beside its state.

    The target's fixed plane is 1 everywhere in that state, and the others are 0. Mutation asks an evolved
    state for another target. Stands before the task of one target among the bases of a class.

    Source: Spitznagel and Keuper, NCAtorch, "Conditional growing".
    """

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """See `Task`: a fixed plane for each of several targets, no two alike."""
        check_count(recipe.targets)
        for target in recipe.targets:
            if recipe.targets.count(target) > 1:
                raise BadRequest(f"{target} is asked for twice: give each target once")
        if recipe.spec.fixed != len(recipe.targets):
            raise BadRequest(
                f"a rule of {len(recipe.targets)} targets has as many fixed planes: "
                f"spec.fixed must be {len(recipe.targets)}, got {recipe.spec.fixed}"
            )

    def begin(self, count: int, chance: torch.Generator, device: torch.device) -> Rows:
        """See `Task`: of each target as many rows as of any other, or one less."""
        rows = super().begin(count, chance, device)
        total = len(self.conditions)
        first = int(torch.randint(total, (), generator=chance))
        condition = ((torch.arange(count) + first) % total).to(device)
        return {"state": under(rows["state"], self.spec, condition), "condition": condition}

    def mutate(self, rows: Rows, chance: torch.Generator) -> Rows:
        """See `Task`: ask each state for another target than so far."""
        total, before = len(self.conditions), rows["condition"]
        further = torch.randint(1, total, (len(before),), generator=chance)
        condition = (before + further.to(before.device)) % total
        return {**rows, "state": under(rows["state"], self.spec, condition), "condition": condition}

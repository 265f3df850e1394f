"""Weaving several textures by one rule: fixed planes say which one, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.evaluation.style import Judge
from petri.nca import show
from petri.targets.several import labels
from petri.tasks.conditioned import Conditioned
from petri.tasks.task import Rows
from petri.tasks.texture import TextureTerms, Weaving, how_of, read

if TYPE_CHECKING:
    from petri.nca import Spec
    from petri.training.recipe import Recipe


class WeavingMany(Conditioned, Weaving):
    """Weaving several textures by one rule.

    Args:
        spec: of the automaton; it has as many fixed planes as there are exemplars.
        exemplars: `[texture, 3, height, width]`, else as of `Weaving`.
        conditions: a short name of each, no two alike.
        others: more of the same of each.
        terms, seed, steps: as of `Weaving`.
    """

    def __init__(
        self,
        spec: Spec,
        exemplars: Tensor,
        conditions: Sequence[str],
        terms: TextureTerms | None = None,
        *,
        others: Sequence[Sequence[Tensor]] = (),
        seed: int = 0,
        steps: int = 64,
    ) -> None:
        self.conditions = tuple(conditions)
        self.more = list(others) or [[] for _ in self.conditions]
        super().__init__(spec, exemplars, terms, seed=seed, steps=steps)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> WeavingMany:
        """The task of a recipe, as `Weaving.of` makes it."""
        found = [read(recipe, asked, blank=blank) for asked in recipe.targets]
        pixels, others = torch.stack([pixels for pixels, _ in found]), [others for _, others in found]
        return cls(recipe.spec, pixels, labels(recipe.targets), recipe.loss, others=others, **how_of(recipe))

    def check_exemplar(self, exemplar: Tensor) -> None:
        """See `Weaving`: as many as there are conditions."""
        if exemplar.ndim != 4 or len(exemplar) != len(self.conditions):
            raise BadRequest(
                f"the exemplars must be RGB [{len(self.conditions)}, 3, height, width], one a condition, "
                f"got {list(exemplar.shape)}"
            )
        for one in exemplar:
            super().check_exemplar(one)

    @property
    def exemplars(self) -> list[Tensor]:
        """See `Weaving`."""
        return list(self.exemplar)

    @cached_property
    def judges(self) -> list[Judge]:
        """See `Weaving`."""
        return [
            Judge(one, [other.to(one) for other in others])
            for one, others in zip(self.exemplars, self.more, strict=True)
        ]

    def apart(self, state: Tensor, rows: Rows, chance: torch.Generator) -> Tensor:
        """See `Weaving`: each row from its own exemplar."""
        return torch.cat([self.styles[one](each, chance) for one, each in self._each(state, rows)])

    def apart_in_order(self, state: Tensor, rows: Rows) -> Tensor:
        """See `Weaving`: each row from its own exemplar."""
        return torch.cat([self.orders[one](each) for one, each in self._each(state, rows)])

    def _each(self, state: Tensor, rows: Rows) -> Iterator[tuple[int, Tensor]]:
        """The exemplar of each row, by its number, and what is seen of the row."""
        return zip(rows["condition"].tolist(), show(state, self.spec).split(1), strict=True)

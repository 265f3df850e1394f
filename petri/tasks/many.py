"""Growing several pictures by one rule: fixed planes say which one, and it changes when they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from petri import images
from petri.errors import BadRequest
from petri.evaluation.report import error_of, grow_and_hold, report_loss_of
from petri.losses.perceptual import PerceptualLoss
from petri.nca.life import has_life
from petri.targets.several import labels
from petri.tasks.changed import Changed, finish
from petri.tasks.conditioned import Conditioned
from petri.tasks.grow import Growing, LossTerms, check_picture, check_shown, draw
from petri.tasks.task import Rows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe


class GrowingMany(Conditioned, Growing):
    """Growing several pictures by one rule.

    Args:
        spec: of the automaton; it has as many fixed planes as there are pictures.
        pictures: what is to be grown in each phase, `[picture, seen, height, width]` in 0..1, else as of
            `Growing`. One for all phases, or one a phase.
        conditions: a short name of each picture, no two alike.
        terms, hold, steps: as of `Growing`.

    Source: Spitznagel and Keuper, NCAtorch, "Conditional growing".
    """

    def __init__(
        self,
        spec: Spec,
        pictures: Tensor | Sequence[Tensor],
        conditions: Sequence[str],
        terms: LossTerms | None = None,
        *,
        hold: int = 32,
        steps: Sequence[int] = (96,),
    ) -> None:
        self.conditions = tuple(conditions)
        super().__init__(spec, pictures, terms, hold=hold, steps=steps)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> GrowingMany:
        """The task of a recipe, as `Growing.of` makes it.

        Raises:
            BadRequest: a target cannot be drawn at the size of one of the phases.
        """
        pictures = [
            torch.stack([draw(asked, recipe.spec, phase, blank=blank) for asked in recipe.targets])
            for phase in recipe.phases
        ]
        steps = [phase.steps[1] for phase in recipe.phases]
        return cls(recipe.spec, pictures, labels(recipe.targets), recipe.loss, hold=recipe.hold, steps=steps)

    def check_pictures(self, spec: Spec) -> None:
        """See `Growing`: as many pictures as fixed planes in each phase."""
        for pictures in self.pictures:
            if pictures.ndim != 4 or len(pictures) != len(self.conditions):
                raise BadRequest(
                    f"the pictures of a phase must be [{len(self.conditions)}, seen, height, width], "
                    f"one a condition and all of one size, got {list(pictures.shape)}"
                )
            for picture in pictures:
                check_picture(picture, spec)
        check_shown(spec)
        if spec.fixed != len(self.conditions):
            raise BadRequest(
                f"a rule of {len(self.conditions)} pictures has as many fixed planes, the Spec {spec.fixed}"
            )

    def aim(self, rows: Rows) -> Tensor:
        """See `Growing`: each row's own picture."""
        return self.target[rows["condition"]]

    def features(self) -> Callable[[Tensor, Rows], Tensor]:
        """See `Growing`."""
        losses = [PerceptualLoss(picture) for picture in self.target]

        def loss(seen: Tensor, rows: Rows) -> Tensor:
            which = rows["condition"].tolist()
            return torch.cat([losses[one](each) for one, each in zip(which, seen.split(1), strict=True)])

        return loss

    def sheet(self) -> Tensor:
        """See `Growing`: the pictures side by side."""
        pictures = self.pictures[-1]
        columns = min(len(pictures), images.IN_A_ROW)
        blank = pictures.new_zeros(-len(pictures) % columns, *pictures.shape[1:])
        rows = torch.cat([pictures, blank]).split(columns)
        return torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2)

    def goal(self) -> np.ndarray:
        """The targets."""
        return images.drawn(self.sheet(), self.opaque)

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """See `Growing`: means over the pictures, and how many rollouts died of all."""
        asked = {"steps": self.most_steps, "hold": self.hold}
        found, died = [], 0
        for condition, target in enumerate(self.target):
            grown, held = grow_and_hold(automaton, self.grid, **asked, seeds=seeds, condition=condition)
            found.append(asdict(report_loss_of(grown, held, target, **asked, error=error_of(automaton))))
            died += int((~has_life(held)).sum()) if self.spec.living else 0
        means = {name: sum(one[name] for one in found) / len(found) for name in found[0]}
        return means | {"died": died}

    def finish(self, automaton: Automaton, folder: Path) -> Changed:
        """See `Task`."""
        return finish(self, automaton, folder)

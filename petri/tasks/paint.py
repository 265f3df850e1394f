"""Growing a picture that a decoder paints, of far more pixels than there are cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from petri import checks, images, targets
from petri.errors import BadRequest
from petri.evaluation.painted import enlarged, shrunk
from petri.losses import overflow_loss
from petri.nca.decoder import Raster
from petri.nca.fire import sample_seeds
from petri.tasks.grow import Growing, check_picture, seen_channels
from petri.tasks.grown import Grown, finish
from petri.tasks.task import Rows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe

SHOWN = 96  # pixels along a side of what is shown while it trains


@dataclass(frozen=True, kw_only=True)
class PaintTerms:
    """What is asked of a painted picture: the table `loss` of a recipe.

    Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), for the alpha of the cells; their colours,
    and where in the picture an epoch looks, are petri's own.
    """

    pixels: int = 512  # along a side of the picture; to each cell a whole number of them
    lines: int = 96  # rows of it that an epoch looks at, and as many columns: one of each of so many strips
    absolute: float = 0.25  # weight of the absolute differences, beside the squared ones
    cells: float = 1.0  # weight of the cells' own colours and alpha, which are to be half of the picture's
    overflow: float = 0.1  # weight of the penalty on state values beyond the bound
    bound: float = 1.5  # the magnitude from which on a state value is penalised

    def __post_init__(self) -> None:
        checks.whole("loss.pixels", self.pixels, targets.SMALLEST, targets.LARGEST)
        checks.whole("loss.lines", self.lines, 8, targets.LARGEST)
        for name in ("absolute", "cells", "overflow"):
            checks.number(f"loss.{name}", getattr(self, name), 0, 1000)
        checks.number("loss.bound", self.bound, 0, 1e6)


class Painting(Growing):
    """Growing a picture that a decoder paints.

    An epoch looks at some rows and columns, spread evenly over the whole picture by chance: a small part of
    its pixels, of every place.

    Args:
        spec: of the automaton; it has a decoder.
        picture: what is to be painted, `[seen, height, width]` in 0..1, as of `Growing`.
        grid: rows and columns of cells; the picture has as many pixels for each, a whole number.
        terms: of the loss; its `pixels` is the picture's longer side.
        hold, steps: as of `Growing`.
        seed: of the chance by which it looks.

    Raises:
        BadRequest: the Spec has no decoder, or fixed planes, or the picture does not fit it or the grid.
    """

    terms: ClassVar[type] = PaintTerms

    def __init__(
        self,
        spec: Spec,
        picture: Tensor,
        grid: int | tuple[int, int],
        terms: PaintTerms | None = None,
        *,
        hold: int = 0,
        steps: Sequence[int] = (96,),
        seed: int = 0,
    ) -> None:
        self.cells, self.seed = (grid, grid) if isinstance(grid, int) else grid, seed
        self.drawn = torch.zeros((), dtype=torch.int64)  # how often rows and columns have been
        wanted: Any = terms or PaintTerms(pixels=max(picture.shape[-2:]))
        super().__init__(spec, picture, wanted, hold=hold, steps=steps)
        targets.check_scale(self.cells, (picture.shape[-2], picture.shape[-1]))

    def check_pictures(self, spec: Spec) -> None:
        """See `Growing`: a decoder paints it."""
        if spec.decoder is None:
            raise BadRequest("painting a picture takes a decoder: spec.decoder is none")
        if spec.fixed:
            raise BadRequest(f"a picture to paint is one target without fixed planes, got {spec.fixed}")
        for picture in self.pictures:
            check_picture(picture, spec)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Painting:
        """The task of a recipe, as `Growing.of` makes it."""
        pixels, spec = recipe.loss.pixels, recipe.spec
        if blank:
            picture = torch.zeros(seen_channels(spec), pixels, pixels)
        else:
            picture = torch.from_numpy(
                targets.load(recipe.target, pixels).pixels[: seen_channels(spec)].copy()
            )
        steps = [phase.steps[1] for phase in recipe.phases]
        grid = recipe.phases[0].grid
        return cls(spec, picture, grid, recipe.loss, hold=recipe.hold, steps=steps, seed=recipe.seed)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """See `Task`: one size of grid, to each cell a whole number of pixels."""
        super().check(recipe)
        if recipe.spec.decoder is None:
            raise BadRequest('the task "paint" takes a decoder: spec.decoder is none')
        grids = {phase.grid for phase in recipe.phases}
        if len(grids) > 1:
            raise BadRequest(f"a painted picture is trained on one size of grid, phases have {len(grids)}")
        targets.check_scale(recipe.phases[0].grid, (recipe.loss.pixels, recipe.loss.pixels))

    @classmethod
    def weigh(cls, terms: Any) -> dict[str, float]:
        """See `Task`."""
        return {"pattern": 1.0, "cells": terms.cells, "overflow": terms.overflow}

    def enter(self, number: int) -> None:
        """See `Task`; the grid stays."""
        self.number, self.grid, self.perceptual = number, self.cells, None

    @property
    def target(self) -> Tensor:
        """What is to be painted, `[seen, height, width]`."""
        return self.pictures[0]

    def meet(self, automaton: Automaton) -> None:
        """See `Task`: its decoder paints."""
        self.automaton = automaton

    def marks(self, steps: int) -> tuple[int, ...]:
        """After growing."""
        return (steps,)

    def draw_lines(self) -> tuple[Tensor, Tensor]:
        """The rows and columns that an epoch looks at: one of each strip of as many rows, or columns."""
        # By a number that is kept, so that a run goes on with those that it would have had.
        chance = torch.Generator().manual_seed(int(sample_seeds(self.seed, 1, first=int(self.drawn))))
        self.drawn += 1
        lines = []
        for side in self.target.shape[-2:]:
            count = min(self.wanted.lines, side)
            places = (torch.arange(count) + torch.rand(count, generator=chance)) * (side / count)
            lines.append(places.long().clamp(max=side - 1).to(self.target.device))
        return lines[0], lines[1]

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: the error of what is painted, of the cells between them, and what is out of bounds."""
        (state,) = looks
        down, right = self.draw_lines()
        whole = Raster.of(*self.target.shape[-2:], device=state.device)
        raster = Raster(rows=whole.rows[down], columns=whole.columns[right])
        wanted = self.target[:, down][:, :, right]
        painted = self.automaton.paint(state, raster)
        # Half of the picture: enough alpha to live by, and room for what is not to be seen.
        cells = 2 * self.automaton.between(state[:, : len(wanted)], raster)
        return {
            "pattern": self._apart(painted, wanted),
            "cells": self._apart(cells, wanted),
            "overflow": overflow_loss(state[:, : self.spec.channels], bound=self.wanted.bound),
        }

    def _apart(self, seen: Tensor, wanted: Tensor) -> Tensor:
        """Squared differences and a share of absolute ones, `[batch]`."""
        off = seen - wanted
        return (off.square() + self.wanted.absolute * off.abs()).mean(dim=(1, 2, 3))

    def tensors(self) -> dict[str, Tensor]:
        """The picture, and how often rows and columns have been drawn."""
        return super().tensors() | {"lines": self.drawn}

    def picture(self, state: Tensor) -> np.ndarray:
        """See `Task`; as it is painted, small."""
        return images.picture(self.automaton, state, self.opaque, min(self.pixels, SHOWN))

    def goal(self) -> np.ndarray:
        """The target, of the same size."""
        small = F.interpolate(self.target[None], _fit(self.target.shape[-2:], SHOWN), mode="area")[0]
        return images.drawn(small, self.opaque)

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """The error of what is painted."""
        share = f"{self.wanted.absolute:g} × absolute"
        return list(columns["pattern"]), f"squared and {share} differences of the picture, in the pool", None

    def finish(self, automaton: Automaton, folder: Path) -> Grown:
        """See `Task`; beside it, what as many cells would show without a decoder if they were perfect."""
        found = finish(self, automaton, folder)
        least = enlarged(shrunk(self.target, self.grid), self.target)
        return replace(found, enlarged=least, fields={**found.fields, "enlarged": round(least, 2)})


def _fit(size: tuple[int, ...] | torch.Size, most: int) -> list[int]:
    """Rows and columns in proportion, so that neither is more than so many."""
    share = min(1.0, most / max(size))
    return [max(1, round(side * share)) for side in size]

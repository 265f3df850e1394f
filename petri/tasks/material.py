"""Weaving a texture that a decoder paints, of far more pixels than there are cells, or maps of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from petri import checks, images, lit, mapfiles, targets
from petri.errors import BadRequest
from petri.evaluation.style import Judge, woven
from petri.losses.correlation import CorrelationLoss
from petri.losses.crops import CropLoss, Size, crops_of, sizes_of, views_of
from petri.losses.transport import FIRST
from petri.nca.fire import sample_seeds
from petri.tasks.task import Rows
from petri.tasks.texture import TextureTerms, Weaving, how_of, read

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.tasks.woven import Woven
    from petri.training.recipe import Recipe

MAPS = "maps"  # folder of a run that has a material's
SHOWN = 96  # pixels along a side of what is shown while it trains
WHOLE = 128  # pixels along a side of the whole picture, the most at which repetitions are looked for
JUDGED = 1024  # pixels along a side of what is judged, the most
MIXED = 6  # pictures of channels of several maps


@dataclass(frozen=True, kw_only=True)
class MaterialTerms(TextureTerms):
    """What is asked of a painted texture: the table `loss` of a recipe.

    Source: as for `TextureTerms`; Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), for the crops.
    """

    pixels: int = 512  # along a side of the picture; to each cell a whole number of them
    window: int = 48  # pixels along a crop
    windows: int = 4  # crops of each size that an epoch looks at

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("loss.pixels", self.pixels, targets.SMALLEST, targets.LARGEST)
        checks.whole("loss.window", self.window, 16, 1024)
        checks.whole("loss.windows", self.windows, 1, 64)


class WeavingMaterial(Weaving):
    """Weaving a texture that a decoder paints.

    An epoch looks at a few crops of the painted torus, of the same number of pixels at full, half and quarter
    size: it sees a small part of it at full resolution, and large structure too.

    Args:
        spec: of the automaton; it has a decoder, whose outputs are the exemplar's channels.
        exemplar: what it is to be like, `[outputs, pixels, pixels]` in 0..1: RGB, or the maps of a material.
        grid: rows and columns of cells; the picture has as many pixels for each, a whole number.
        terms, others, seed, steps: as of `Weaving`.

    Raises:
        BadRequest: as of `Weaving`; there is no decoder, or the exemplar does not fit it or the grid.
    """

    terms: ClassVar[type] = MaterialTerms
    wanted: MaterialTerms

    def __init__(
        self,
        spec: Spec,
        exemplar: Tensor,
        grid: int | tuple[int, int],
        terms: MaterialTerms | None = None,
        *,
        others: Sequence[Tensor] = (),
        seed: int = 0,
        steps: int = 64,
    ) -> None:
        grid = (grid, grid) if isinstance(grid, int) else grid
        if spec.decoder is None:
            raise BadRequest("a painted texture takes a decoder: spec.decoder is none")
        self.outputs = spec.decoder.outputs
        self.places = spec.decoder.places()
        self.seen = list(spec.decoder.seen(alpha=False))
        wanted: Any = terms or MaterialTerms(pixels=exemplar.shape[-1])
        super().__init__(spec, exemplar, wanted, others=others, seed=seed, steps=steps, grid=grid)
        targets.check_scale(grid, (exemplar.shape[-2], exemplar.shape[-1]))

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> WeavingMaterial:
        """The task of a recipe, as `Weaving.of` makes it."""
        pixels, others = read(recipe, recipe.target, blank=blank, judged=JUDGED)
        return cls(recipe.spec, pixels, recipe.phases[-1].grid, recipe.loss, others=others, **how_of(recipe))

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """See `Task`: to each cell a whole number of pixels."""
        super().check(recipe)
        if recipe.spec.decoder is None:
            raise BadRequest('the task "material" takes a decoder: spec.decoder is none')
        targets.check_scale(recipe.phases[-1].grid, (recipe.loss.pixels, recipe.loss.pixels))

    def check_exemplar(self, exemplar: Tensor) -> None:
        """See `Weaving`: square, of a channel an output."""
        if exemplar.ndim != 3 or len(exemplar) != self.outputs or not exemplar.is_floating_point():
            raise BadRequest(
                f"an exemplar must be [{self.outputs}, pixels, pixels], as the decoder has outputs, "
                f"got {list(exemplar.shape)}"
            )
        if exemplar.shape[-1] != exemplar.shape[-2]:
            raise BadRequest(f"a painted texture is square, got {exemplar.shape[-2]}×{exemplar.shape[-1]}")

    def check_sizes(self, height: int, width: int) -> None:
        """See `Weaving`: each crop must be large enough for the last layer."""
        least = 2 ** max(1, self.wanted.blocks)
        smallest = min(size.side for size in self.sizes)
        if smallest < least:
            raise BadRequest(
                f"loss.sizes = {self.wanted.sizes} leaves {smallest} pixels along a side of {width}, and "
                f"loss.blocks = {self.wanted.blocks} needs {least}"
            )

    @property
    def pixels(self) -> int:
        """See `Weaving`: at most as many as are judged."""
        return min(self.wanted.pixels, JUDGED)

    @property
    def sizes(self) -> list[Size]:
        """The sizes at which crops are looked at."""
        how = self.wanted
        return sizes_of(how.pixels, sizes=how.sizes, window=how.window, windows=how.windows)

    def meet(self, automaton: Automaton) -> None:
        """See `Task`: its decoder paints."""
        self.automaton = automaton

    def enter(self, number: int) -> None:
        """See `Task`."""
        for name in ("judges", "style", "order"):  # of what the exemplar was before a checkpoint was read
            self.__dict__.pop(name, None)

    @cached_property
    def style(self) -> CropLoss:
        """What says how far crops lie from the exemplar."""
        how, views = self.wanted, list(views_of(self.places).values())
        shown = len(views)
        if self.outputs > 3:
            views += mixed(self.outputs, MIXED, self.seed)
        return CropLoss(
            self.exemplar,
            self.sizes,
            views=views,
            shown=shown,
            layers=FIRST[: 1 + how.blocks],
            projections=how.projections,
        )

    @cached_property
    def order(self) -> CorrelationLoss:
        """What says how far its repetitions lie from the exemplar's."""
        size = self._small()
        span = size.step * size.samples * size.side
        return CorrelationLoss(size.shrink(self.exemplar[self.seen, : span : size.step, : span : size.step]))

    @cached_property
    def judges(self) -> list[Judge]:
        """See `Weaving`: of what is seen, at the size that is judged."""
        exemplar, *others = (
            F.interpolate(one[self.seen][None].to(self.exemplar), (self.pixels,) * 2, mode="area")[0]
            for one in (self.exemplar, *self.others)
        )
        return [Judge(exemplar, others)]

    def apart(self, state: Tensor, rows: Rows, chance: torch.Generator) -> Tensor:
        """See `Weaving`: of crops of the painted torus."""
        return self.style([self._crops(state, size, chance) for size in self.sizes], chance)

    def apart_in_order(self, state: Tensor, rows: Rows) -> Tensor:
        """See `Weaving`: of the whole torus, small."""
        chance = torch.Generator().manual_seed(0)
        return self.order(self._crops(state, self._small(), chance)[:, 0, self.seen])

    def _crops(self, state: Tensor, size: Size, chance: torch.Generator) -> Tensor:
        """Crops of the painted torus, `[batch, crop, output, side, side]`."""
        decoder = self.automaton.decoder
        assert decoder is not None, "the Spec has one"
        rasters = crops_of(self.wanted.pixels, size, chance, state.device)
        return torch.stack([size.shrink(decoder(state, raster)) for raster in rasters], dim=1)

    def _small(self) -> Size:
        """The whole picture, at the first of its sizes at which it is small."""
        pixels = self.wanted.pixels
        sizes = next(count for count in itertools.count(1) if pixels >> (count - 1) <= WHOLE)
        return sizes_of(pixels, sizes=sizes, window=WHOLE, windows=1)[-1]

    def finish(self, automaton: Automaton, folder: Path) -> Woven:
        """See `Task`; of a material its maps, too."""
        found = super().finish(automaton, folder)
        if not self.places:
            return found
        state = woven(automaton, self.grid, 2 * self.steps)[0]
        names = mapfiles.save(folder / MAPS, automaton, state, self.wanted.pixels)
        return replace(found, files=(*found.files, *(f"{MAPS}/{name}" for name in names)))

    def picture(self, state: Tensor) -> np.ndarray:
        """See `Task`; as it is painted, small."""
        return images.picture(self.automaton, state, self.ground, min(self.wanted.pixels, SHOWN))

    def shown(self, pixels: int) -> np.ndarray:
        """See `Weaving`."""
        side = min(self.wanted.pixels, pixels)
        small = F.interpolate(self.exemplar[None], (side, side), mode="area")[0]
        assert self.spec.decoder is not None, "it was refused"
        return images.drawn(lit.seen(small, self.spec.decoder), self.ground)

    def goal(self) -> np.ndarray:
        """The exemplar, as small as `picture`."""
        return self.shown(SHOWN)


def mixed(channels: int, count: int, seed: int) -> list[tuple[int, ...]]:
    """Pictures of channels of any map: what VGG16 sees of them ties the maps together."""
    chance = torch.Generator().manual_seed(int(sample_seeds(seed, 1)))
    return [tuple(torch.randperm(channels, generator=chance)[:3].tolist()) for _ in range(count)]

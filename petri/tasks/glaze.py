"""Wearing a texture that a decoder paints, of far more pixels than there are vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from petri import checks, targets
from petri.errors import BadRequest
from petri.losses.crops import CropLoss, Size, places_for, sizes_of
from petri.losses.transport import FIRST
from petri.nca.spots import Spots
from petri.tasks.wear import Wearing, WearingTerms

if TYPE_CHECKING:
    from petri.nca import Spec


@dataclass(frozen=True, kw_only=True)
class GlazingTerms(WearingTerms):
    """What is asked of a painted texture that meshes wear: the table `loss` of a recipe.

    Source: as for `TextureTerms`; Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), for the crops.
    """

    pixels: int = 128  # along a side of the exemplar and of each view; to each edge a whole number of them
    edges: int = 32  # that a view is across
    window: int = 48  # pixels along a crop of a view
    views: int = 3  # whose crops an epoch looks at, at each size

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("loss.edges", self.edges, targets.SMALLEST, 512)
        checks.whole("loss.window", self.window, 16, 512)
        if self.pixels < self.edges or self.pixels % self.edges:
            raise BadRequest(
                f"a view must have a whole number of pixels for each of its {self.edges} edges, got "
                f"{self.pixels}: take a multiple, or set loss.edges"
            )


class Glazing(Wearing):
    """Weaving a texture on a sphere that a decoder paints, between the vertices too.

    An epoch looks at crops of a few views, of the same number of pixels at full, half and quarter size: it
    sees a small part of the sphere at full resolution, and large structure too.

    Args:
        spec: of the automaton; it has a decoder, of three outputs.
        exemplar, terms, others, seed, steps: as of `Wearing`.

    Raises:
        BadRequest: as of `Wearing`; there is no decoder, or it has other outputs.
    """

    terms: ClassVar[type] = GlazingTerms
    unit: ClassVar[str] = "edges"
    wanted: GlazingTerms

    @classmethod
    def check_decoder(cls, spec: Spec) -> None:
        """See `OnGraph`: there is one, and it paints colours."""
        if spec.decoder is None:
            raise BadRequest('the task "glaze" takes a decoder: spec.decoder is none')
        if spec.decoder.outputs != 3:
            raise BadRequest(f"the decoder of a texture paints RGB, 3 outputs, got {spec.decoder.outputs}")

    @property
    def edges(self) -> int:
        """See `Wearing`."""
        return self.wanted.edges

    @property
    def sizes(self) -> list[Size]:
        """The sizes at which crops are looked at."""
        how = self.wanted
        return sizes_of(how.pixels, sizes=how.sizes, window=how.window, windows=how.views)

    def compare(self) -> CropLoss:
        """See `Wearing`: crops of them."""
        how = self.wanted
        layers = FIRST[: 1 + how.blocks]
        return CropLoss(self.exemplar, self.sizes, layers=layers, projections=how.projections)

    def apart(self, state: Tensor, chance: torch.Generator) -> Tensor:
        """See `Wearing`: of crops of what is painted."""
        return self.style([self._crops(state, size, chance) for size in self.sizes], chance)

    def _crops(self, state: Tensor, size: Size, chance: torch.Generator) -> Tensor:
        """Crops of views, each of another one, `[batch, crop, 3, side, side]`."""
        span = size.side * size.samples * size.step
        room = (self.wanted.pixels - span + 1,) * 2
        chosen = torch.randperm(len(self.views), generator=chance)[: size.count].tolist()
        cut = [
            (view, slice(top, top + span, size.step), slice(left, left + span, size.step))
            for view, (top, left) in zip(chosen, places_for(len(chosen), room, chance), strict=True)
        ]
        spots = Spots(
            corners=torch.stack([self.views.corners[place] for place in cut]),
            shares=torch.stack([self.views.weights[place] for place in cut]),
        )
        painted = self.automaton.paint(state, spots)
        return size.shrink(painted.flatten(1, 2)).unflatten(1, (-1, len(cut))).transpose(1, 2)

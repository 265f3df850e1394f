"""Weaving a texture: from noise, on a grid without edges, whatever its size, and for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from petri import checks, images, targets
from petri import ground as grounds
from petri.errors import BadRequest
from petri.evaluation.style import Judge, woven
from petri.losses import overflow_loss
from petri.losses.correlation import CorrelationLoss
from petri.losses.transport import FIRST, TransportLoss
from petri.losses.vgg import BLOCKS, check_blocks
from petri.nca import show
from petri.nca.fire import sample_seeds
from petri.tasks.task import Rows, Task
from petri.tasks.woven import EXEMPLAR, Woven, finish

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.targets.exemplar import Exemplar
    from petri.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class TextureTerms:
    """What is asked of a texture: the table `loss` of a recipe.

    Source: Niklasson et al. 2021, "Self-Organising Textures"; the sizes are petri's own.
    """

    scale: float = 0.0  # pixels of the picture that a cell covers; 0: as many as make the largest square
    crop: tuple[float, float] = (0.5, 0.5)  # where that square lies, as fractions of the room around it
    blocks: int = 3  # of VGG16, whose first layers are compared; petri ships three
    sizes: int = 3  # compared at 1, 1/2, 1/4 … of the size, so that the first layers see large structure too
    projections: int = 32  # random directions a layer, new in each epoch
    correlation: float = 0.0  # weight of how far repetitions are apart; 10 to 100 for what repeats strictly
    overflow: float = 10.0  # weight of the penalty on state values beyond the bound
    bound: float = 1.0  # the magnitude from which on a state value is penalised

    def __post_init__(self) -> None:
        checks.number("loss.scale", self.scale, 0, 10_000)
        if not isinstance(self.crop, (tuple, list)) or len(self.crop) != 2:
            raise BadRequest(f"loss.crop must be two fractions (x, y), got {self.crop!r}")
        place = tuple(checks.number("each of loss.crop", value, 0, 1) for value in self.crop)
        object.__setattr__(self, "crop", place)
        checks.whole("loss.blocks", self.blocks, 0, len(BLOCKS))
        checks.whole("loss.sizes", self.sizes, 1, 6)
        checks.whole("loss.projections", self.projections, 1, 4096)
        checks.number("loss.correlation", self.correlation, 0, 1e6)
        checks.number("loss.overflow", self.overflow, 0, 1e6)
        checks.number("loss.bound", self.bound, 0, 1e6)


class Weaving(Task):
    """Weaving a texture.

    Args:
        spec: of the automaton; it shows a plane, without the living mask.
        exemplar: what it is to be like, RGB `[3, height, width]` in 0..1; the grid has its size.
        terms: of the loss.
        others: more of the same, as large as the exemplar; what the model is measured by.
        seed: of the random directions of the loss.
        steps: most steps that it is trained to take.
        grid: rows and columns; as many as the exemplar has pixels if None.

    Raises:
        BadRequest: the Spec has a living mask or fixed planes, the exemplar is no such picture or too small
            for the loss, or weights of VGG16 are not here.
    """

    terms: ClassVar[type] = TextureTerms

    def __init__(
        self,
        spec: Spec,
        exemplar: Tensor,
        terms: TextureTerms | None = None,
        *,
        others: Sequence[Tensor] = (),
        seed: int = 0,
        steps: int = 64,
        grid: tuple[int, int] | None = None,
    ) -> None:
        self.wanted, self.others = terms or TextureTerms(), others
        self.seed, self.steps = seed, steps
        self.check_exemplar(exemplar)
        if spec.living or spec.fixed != len(self.conditions):
            raise BadRequest(
                "a texture fills its plane: the Spec must have no living mask and "
                f"{len(self.conditions) or 'no'} fixed planes, "
                f"got living = {str(spec.living).lower()}, fixed = {spec.fixed}"
            )
        check_blocks(self.wanted.blocks)
        height, width = exemplar.shape[-2:]
        self.check_sizes(height, width)
        super().__init__(spec, grid or (height, width))
        self.exemplar = exemplar
        self.drawn = torch.zeros((), dtype=torch.int64)  # how often directions have been
        self.weights = self.weigh(self.wanted)
        self.ground = grounds.WHITE
        self.enter(0)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Weaving:
        """The task of a recipe.

        Args:
            recipe: names the picture.
            blank: the picture need not be there any more: it is going to be filled from a checkpoint.

        Raises:
            BadRequest: the picture cannot be used, or the phases are not of one square size.
        """
        pixels, others = read(recipe, recipe.target, blank=blank)
        return cls(recipe.spec, pixels, recipe.loss, others=others, **how_of(recipe))

    def check_exemplar(self, exemplar: Tensor) -> None:
        """Refuse what is no exemplar.

        Raises:
            BadRequest: of another shape, or not of floating point numbers.
        """
        if exemplar.ndim != 3 or exemplar.shape[0] != 3 or not exemplar.is_floating_point():
            raise BadRequest(f"an exemplar must be RGB [3, height, width], got {list(exemplar.shape)}")

    def check_sizes(self, height: int, width: int) -> None:
        """Refuse a picture that is too small to be compared at all its sizes.

        Raises:
            BadRequest: it is.
        """
        # Each of them halves it, and the last layer needs places that can differ.
        least = 2 ** (max(1, self.wanted.blocks) + self.wanted.sizes - 1)
        if min(height, width) < least:
            raise BadRequest(
                f"loss.blocks = {self.wanted.blocks} and loss.sizes = {self.wanted.sizes} need a grid of "
                f"{least} cells a side, got {height}×{width}"
            )

    @property
    def pixels(self) -> int | None:
        """Pixels along the longer side of what is seen and judged; None where a pixel is a cell."""
        return None

    @property
    def exemplars(self) -> list[Tensor]:
        """Every one of them, `[3, height, width]`."""
        return [self.exemplar]

    @classmethod
    def weigh(cls, terms: TextureTerms) -> Mapping[str, float]:
        """See `Task`."""
        weights = {"style": 1.0, "overflow": terms.overflow}
        return weights | ({"correlation": terms.correlation} if terms.correlation else {})

    def enter(self, number: int) -> None:
        """See `Task`."""
        how = self.wanted
        self.__dict__.pop("judges", None)  # of what the exemplar was before a checkpoint was read
        layers = FIRST[: 1 + how.blocks]
        self.styles = [
            TransportLoss(one, layers=layers, sizes=how.sizes, projections=how.projections)
            for one in self.exemplars
        ]
        self.orders = [CorrelationLoss(one) for one in self.exemplars] if how.correlation else []

    @cached_property
    def judges(self) -> list[Judge]:
        """What says how far a texture lies from each exemplar."""
        return [Judge(self.exemplar, [other.to(self.exemplar) for other in self.others])]

    def to(self, device: torch.device) -> Weaving:
        """The same, its picture on a device."""
        self.exemplar = self.exemplar.to(device)
        self.enter(0)
        return self

    def introduce(self, folder: Path) -> None:
        """Draw the exemplar."""
        if not (folder / EXEMPLAR).is_file():
            images.save_picture(folder / EXEMPLAR, self.shown(targets.LARGEST))

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: how far features lie from the exemplar's, and what is out of bounds."""
        (state,) = looks
        # By a number that is kept, so that a run goes on with the directions it would have had.
        seed = int(sample_seeds(self.seed, 1, first=int(self.drawn)))
        chance = torch.Generator().manual_seed(seed)
        self.drawn += 1
        found = {
            "style": self.apart(state, rows, chance),
            "overflow": overflow_loss(state[:, : self.spec.channels], bound=self.wanted.bound),
        }
        if self.wanted.correlation:
            found["correlation"] = self.apart_in_order(state, rows)
        return found

    def apart(self, state: Tensor, rows: Rows, chance: torch.Generator) -> Tensor:
        """The style loss of each row, `[batch]`."""
        return self.styles[0](show(state, self.spec), chance)

    def apart_in_order(self, state: Tensor, rows: Rows) -> Tensor:
        """How far the repetitions of each row are from the exemplar's, `[batch]`."""
        return self.orders[0](show(state, self.spec))

    def tensors(self) -> dict[str, Tensor]:
        """The exemplar, and how often directions have been drawn."""
        return {"exemplar": self.exemplar, "directions": self.drawn}

    def goal(self) -> np.ndarray:
        """The exemplar; of several all of them, side by side."""
        return self.shown(targets.LARGEST)

    def shown(self, pixels: int) -> np.ndarray:
        """The same, of at most so many pixels along a side."""
        return images.tile([images.drawn(one, self.ground) for one in self.exemplars])

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """The style loss."""
        return list(columns["style"]), "style loss, in the pool", None

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """How far fresh textures lie from the exemplar, in layers that training does not look at."""
        apart = []
        for number, judge in enumerate(self.judges):
            condition = number if self.conditions else None
            state = woven(automaton, self.grid, self.steps, seeds=seeds, condition=condition)
            apart.append(judge.distance(automaton.view(state, self.pixels)).mean().item())
        return {"loss": sum(apart) / len(apart)}

    def finish(self, automaton: Automaton, folder: Path) -> Woven:
        """See `Task`."""
        return finish(self, automaton, folder)


def how_of(recipe: Recipe) -> dict[str, Any]:
    """What the tasks of a recipe take beside their pictures."""
    return {"seed": recipe.seed, "steps": recipe.phases[-1].steps[1]}


def read(
    recipe: Recipe, asked: str, *, blank: bool, judged: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """A picture of a recipe, cut as it says, and others of the same size from elsewhere in it.

    Args:
        asked: as the recipe names it.
        blank: the picture need not be there any more: it is going to be filled from a checkpoint.
        judged: pixels along a side of the others, at most.

    Raises:
        BadRequest: it cannot be used, or the phases are not of one square size.
    """
    rows, columns = recipe.phases[-1].grid
    if rows != columns or any(phase.grid != (rows, columns) for phase in recipe.phases):
        raise BadRequest("a texture is trained on one square size, phases.res names others")
    try:
        found = exemplar_of(recipe, asked)
    except BadRequest:
        if not blank:
            raise
        side, decoder = getattr(recipe.loss, "pixels", rows), recipe.spec.decoder
        return torch.zeros(decoder.outputs if decoder else 3, side, side), []
    wanted = recipe.spec.decoder.maps if recipe.spec.decoder else ()
    if found.maps != wanted:
        theirs, ours = (", ".join(names) or "none" for names in (found.maps, wanted))
        raise BadRequest(f"{found.name} has the maps {theirs}, the recipe {ours}")
    side = found.pixels.shape[-1]
    others = found.others(min(side, judged or side))
    return torch.from_numpy(found.pixels), [torch.from_numpy(one) for one in others]


def exemplar_of(recipe: Recipe, asked: str) -> Exemplar:
    """A picture of a recipe, cut as it says.

    Raises:
        BadRequest: it cannot be used.
    """
    from petri.targets import exemplar

    terms = recipe.loss
    pixels = getattr(terms, "pixels", None)
    return exemplar.load(asked, recipe.res, pixels=pixels, scale=terms.scale, crop=terms.crop)

"""Wearing a texture: woven on a sphere, looked at in small views; then any other mesh may wear it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from petri import checks, images
from petri.errors import BadRequest
from petri.evaluation.style import Judge, woven
from petri.evaluation.worn import ELSEWHERE, JUDGED
from petri.graph import icosphere, named
from petri.graph.bake import bake
from petri.graph.mesh import Surface
from petri.graph.painting import shown
from petri.graph.raster import TURN_FPS, draw, sides, turning
from petri.graph.sphere import nodes_of
from petri.graph.views import views
from petri.graph.write import write
from petri.losses import overflow_loss
from petri.losses.transport import FIRST, TransportLoss
from petri.losses.vgg import check_blocks
from petri.nca import show
from petri.nca.fire import sample_seeds
from petri.tasks.colour import OnGraph
from petri.tasks.task import Outcome
from petri.tasks.texture import TextureTerms
from petri.tasks.woven import EXEMPLAR, Likeness

if TYPE_CHECKING:
    from petri.modelfile import Model
    from petri.nca import Automaton, Spec
    from petri.targets.exemplar import Exemplar
    from petri.training.recipe import Recipe

KEPT = 64  # views that training draws from
FINEST, MOST = (
    1.25,
    200_000,
)  # edges of the sphere's length that a mesh may have; vertices that it is cut into
SMALL_PICTURE = 128  # pixels of what a terminal is shown
WORN = ("wear", "glaze")  # the tasks whose textures meshes wear


@dataclass(frozen=True, kw_only=True)
class WearingTerms(TextureTerms):
    """What is asked of a texture that meshes wear: the table `loss` of a recipe."""

    mesh: str = "sphere:6"  # that wears it when it is trained; training is on the sphere
    level: int = 6  # of the icosphere that it is trained on
    pixels: int = 48  # along a side of the exemplar and of each view: about one for an edge
    views: int = 3  # that an epoch looks at

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.printable("loss.mesh", self.mesh, 4096)
        checks.whole("loss.level", self.level, 2, 8)
        checks.whole("loss.pixels", self.pixels, 16, 512)
        checks.whole("loss.views", self.views, 1, KEPT)
        if self.correlation:
            raise BadRequest(
                f"loss.correlation is of a torus, not of a mesh: it must be 0, got {self.correlation}"
            )


@dataclass(frozen=True, kw_only=True)
class Worn(Outcome):
    """What a texture has come to."""

    each: Mapping[str, Likeness | None]  # on the sphere and on the mesh; None: no view of it is flat enough


class Wearing(OnGraph):
    """Weaving a texture on a sphere.

    Args:
        spec: of the automaton.
        exemplar: what it is to be like, RGB `[3, side, side]` in 0..1.
        terms: of the loss.
        others: more of the same, as large; what the model is measured by.
        seed: of the views and the random directions of the loss.
        steps: most steps that it is trained to take.

    Raises:
        BadRequest: the Spec is of a grid, has the living mask or fixed planes, the mesh cannot be had, or
            weights of VGG16 are not here.
    """

    terms: ClassVar[type] = WearingTerms
    unit: ClassVar[str] = "pixels"  # what a view is so many of across
    wanted: WearingTerms

    def __init__(
        self,
        spec: Spec,
        exemplar: Tensor,
        terms: WearingTerms | None = None,
        *,
        others: Sequence[Tensor] = (),
        seed: int = 0,
        steps: int = 64,
    ) -> None:
        self.wanted, self.others = terms or self.terms(), others
        self.seed, self.steps = seed, steps
        check_blocks(self.wanted.blocks)
        self.sphere = icosphere(self.wanted.level)
        self.width = self.edges * self.sphere.edge  # of what a view sees
        if self.width > 2:
            raise BadRequest(
                f"a view of {self.edges} {self.unit} sees more than a sphere of level {self.wanted.level} "
                f"has: take a higher level or fewer {self.unit}"
            )
        super().__init__(spec, self.sphere.graph(spec.space.frame))
        self.exemplar = exemplar
        self.body = self.sphere
        if self.wanted.mesh != f"sphere:{self.wanted.level}":
            self.body = fine(named.load(self.wanted.mesh).surface, self.sphere.edge)
        self.views = views(self.sphere, KEPT, width=self.width, side=self.wanted.pixels, seed=seed)
        self.drawn = torch.zeros((), dtype=torch.int64)  # how often views and directions have been
        self.weights = self.weigh(self.wanted)
        self.enter(0)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Wearing:
        """The task of a recipe; see `Task`.

        Raises:
            BadRequest: the picture or the mesh cannot be had.
        """
        terms = recipe.loss
        how: dict[str, Any] = {"seed": recipe.seed, "steps": recipe.phases[-1].steps[1]}
        wanted = (1, nodes_of(terms.level))
        if any(phase.grid != wanted for phase in recipe.phases):
            raise BadRequest(
                f"a sphere of level {terms.level} has {wanted[1]:,} vertices, phases.res names others: "
                "give both, or --level"
            )
        try:
            found = picture_of(recipe.target, terms)
        except BadRequest:
            if not blank:
                raise
            return cls(recipe.spec, torch.zeros(3, terms.pixels, terms.pixels), terms, **how)
        others = [torch.from_numpy(one) for one in found.others()]
        return cls(recipe.spec, torch.from_numpy(found.pixels), terms, others=others, **how)

    @property
    def edges(self) -> int:
        """Edges of the sphere that a view is across: one for each of its pixels."""
        return self.wanted.pixels

    @classmethod
    def weigh(cls, terms: Any) -> Mapping[str, float]:
        """See `Task`."""
        return {"style": 1.0, "overflow": terms.overflow}

    def meet(self, automaton: Automaton) -> None:
        """See `Task`."""
        self.automaton = automaton
        super().meet(automaton)

    def enter(self, number: int) -> None:
        """See `Task`."""
        self.__dict__.pop("judge", None)  # of what the exemplar was before a checkpoint was read
        self.style = self.compare()

    def compare(self) -> Any:
        """What says how far pictures lie from the exemplar, in layers that training looks at."""
        how = self.wanted
        return TransportLoss(
            self.exemplar, layers=FIRST[: 1 + how.blocks], sizes=how.sizes, projections=how.projections
        )

    def to(self, device: torch.device) -> Wearing:
        """The same, what it compares with on a device."""
        self.exemplar, self.views = self.exemplar.to(device), self.views.to(device)
        self.enter(0)
        return self

    def tensors(self) -> dict[str, Tensor]:
        """The exemplar, and how often views and directions have been drawn."""
        return {"exemplar": self.exemplar, "directions": self.drawn}

    def introduce(self, folder: Path) -> None:
        """Draw the exemplar."""
        if not (folder / EXEMPLAR).is_file():
            images.save_picture(folder / EXEMPLAR, self.goal())

    def losses(self, looks: Sequence[Tensor], rows: Any) -> dict[str, Tensor]:
        """See `Task`: how far a few views' features lie from the exemplar's, and what is out of bounds."""
        (state,) = looks
        chance = torch.Generator().manual_seed(int(sample_seeds(self.seed, 1, first=int(self.drawn))))
        self.drawn += 1
        apart = self.apart(state, chance)
        return {"style": apart, "overflow": overflow_loss(state, bound=self.wanted.bound)}

    def apart(self, state: Tensor, chance: torch.Generator) -> Tensor:
        """The style loss of each row, `[batch]`."""
        chosen = torch.randperm(len(self.views), generator=chance)[: self.wanted.views]
        seen = self.views[chosen.tolist()].of(show(state, self.spec)[:, :, 0])
        return self.style(seen, chance).view(len(state), -1).mean(dim=1)

    def picture(self, state: Tensor) -> np.ndarray:
        """See `Task`: the sphere from the front."""
        return draw(shown(state, self.automaton, self.sphere), pixels=SMALL_PICTURE, lit=False)

    def goal(self) -> np.ndarray:
        """The exemplar."""
        return images.drawn(self.exemplar, "#ffffff")

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """The style loss."""
        return list(columns["style"]), "style loss, in the pool", None

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """How far a fresh texture lies from the exemplar, in layers that training does not look at."""
        found = self.likeness(automaton)
        return {"loss": found.distance}

    def likeness(self, automaton: Automaton) -> Likeness:
        """What a rule has come to on the sphere, after twice the steps that it was trained to take."""
        found = judged(automaton, self.sphere, self.judge, 2 * self.steps, self.width, self.wanted.pixels)
        assert found is not None, "a sphere can be seen from all sides"
        return found

    @cached_property
    def judge(self) -> Judge:
        """What says how far a texture lies from the exemplar."""
        return self.judge_of()

    def judge_of(self, *, closer: bool = False) -> Judge:
        """The same, or of views of half the side; see `Judge`."""
        return Judge(self.exemplar, [other.to(self.exemplar) for other in self.others], closer=closer)

    @torch.no_grad()
    def finish(self, automaton: Automaton, folder: Path) -> Worn:
        """Measure a model, put its texture on the mesh, and draw both."""
        steps, body = 2 * self.steps, self.body
        found = self.likeness(automaton)
        each: dict[str, Likeness | None] = {f"sphere:{self.wanted.level}": found}
        if body is not self.sphere:
            # By smaller views, and beside it the sphere by such ones.
            side, across = self.wanted.pixels // 2, self.edges // 2
            small = self.judge_of(closer=True)
            for name, one in ((f"sphere:{self.wanted.level}, closer", self.sphere), (self.wanted.mesh, body)):
                each[name] = judged(automaton, one, small, steps, across * one.edge, side)
        dressed = wear(automaton, body, steps)
        files = ["worn.ply", "worn.glb", "turntable.webp", "worn.png"]
        for name in files:
            save(folder / name, dressed)
        if dressed.uv is not None:
            files.append("baked.png")
            images.save_picture(folder / files[-1], bake(dressed))
        return Worn(
            stands=found.stands,
            files=(*files, EXEMPLAR),
            fields={"worn": {name: one and one.to_fields() for name, one in each.items()}},
            each=each,
        )


def picture_of(asked: str, terms: WearingTerms) -> Exemplar:
    """A picture, cut as the terms say: where a decoder paints, of more pixels than a view has edges.

    Raises:
        BadRequest: it cannot be used.
    """
    from petri.targets import exemplar

    edges = getattr(terms, "edges", terms.pixels)
    return exemplar.load(asked, edges, pixels=terms.pixels, scale=terms.scale, crop=terms.crop)


def fine(surface: Surface, edge: float) -> Surface:
    """The same, its triangles cut until their edges are about as long as those that a rule was trained on.

    A texture is as coarse as the mesh: edges of another length would make it larger or smaller.
    """
    while surface.edge > FINEST * edge and 4 * len(surface.vertices) <= MOST:
        surface = surface.cut()
    return surface


@torch.no_grad()
def wear(automaton: Automaton, surface: Surface, steps: int) -> Surface:
    """A mesh in the texture that a rule weaves on it, from noise, in so many steps."""
    dressed = automaton.on(surface.graph(automaton.spec.space.frame))
    state = woven(dressed, (1, len(surface.vertices)), steps)
    return shown(state[0], dressed, surface)


def dress(model: Model, surface: Surface, *, steps: int = 128, cut: bool = True) -> Surface:
    """A mesh in a model's texture.

    Args:
        model: that was trained for this task.
        surface: fitted.
        steps: from noise on.
        cut: its triangles, until they are as small as the sphere's that the model was trained on.

    Raises:
        BadRequest: the model is of another task.
    """
    recipe = model.training.get("recipe", {})
    if recipe.get("task") not in WORN:
        raise BadRequest(
            f"{model.target} is no texture for meshes: petri mesh texture trains one, mesh-scales is shipped"
        )
    if cut:
        surface = fine(surface, icosphere(recipe["loss"]["level"]).edge)
    return wear(model.automaton, surface, steps)


def save(path: Path, dressed: Surface) -> None:
    """Write a coloured mesh: .ply and .glb itself, .webp a turntable, .png four sides of it."""
    match path.suffix.lower():
        case ".webp":
            images.save_animation(path, turning(dressed), fps=TURN_FPS)
        case ".png":
            images.save_picture(path, sides(dressed))
        case _:
            write(path, dressed)


@torch.no_grad()
def judged(
    automaton: Automaton, surface: Surface, judge: Judge, steps: int, width: float, side: int
) -> Likeness | None:
    """How far the texture on a mesh lies from its exemplar; None if no view of it is flat enough to say.

    Args:
        width: of what a view sees, in the surface's units.
        side: pixels along it.
    """
    looks = views(surface, JUDGED, width=width, side=side, seed=ELSEWHERE)
    if not len(looks):
        return None
    dressed = wear(automaton, surface, steps)
    distance = judge.distance(looks.seen(dressed).to(judge.exemplar)).mean().item()
    return Likeness(steps, distance, judge.floor, judge.ceiling, judge.way(distance))

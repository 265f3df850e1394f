"""Everything that is measured of a model that weaves a texture on meshes, in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks, images, memory
from petri.errors import BadRequest
from petri.evaluation.course import Course
from petri.evaluation.hurt import kinds
from petri.evaluation.report import EVALUATION_SEED, Measure, plain
from petri.evaluation.style import Judge
from petri.evaluation.texture import Healing, cut_of
from petri.evaluation.walk import walk
from petri.graph.mesh import Surface
from petri.graph.painting import shown
from petri.graph.raster import draw
from petri.graph.sphere import icosphere
from petri.graph.views import Views, views
from petri.ground import WHITE
from petri.modelfile import Model
from petri.nca import Automaton
from petri.targets import exemplar

SEEDS = 2  # rollouts
LATER = (1, 2, 10)  # times the steps that it was trained to take
FINE = (1, 2, 4)  # pixels along an edge
JUDGED, ELSEWHERE = 12, 20_261_126  # views that a likeness is the mean of, and the seed of their places
MOST_STEPS = 100_000
PIXELS = 256  # of a picture
AGAINST = "0 % is more of the same picture, 100 % its pixels in random order"


@dataclass(frozen=True)
class WornLook:
    """How far a texture on a mesh lies from its exemplar."""

    mesh: str
    fine: int  # pixels along an edge
    steps: int
    distance: Measure  # style distance in held-out layers, of fresh rollouts
    floor: float  # of more of the same
    ceiling: float  # of the exemplar's pixels, shuffled
    way: float  # of the distance between them, percent; NaN if there is none
    picture: np.ndarray = field(compare=False, repr=False)  # of the first rollout, uint8

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        names = ("floor", "ceiling", "way")
        return {
            "mesh": self.mesh,
            "pixels_an_edge": self.fine,
            "steps": self.steps,
            "distance": plain(self.distance.mean),
            "spread": plain(self.distance.spread),
            **{name: plain(getattr(self, name)) for name in names},
        }


@dataclass(frozen=True, kw_only=True)
class WornEvaluation:
    """How good a model is that weaves a texture on meshes."""

    target: str
    architecture: str  # of the automaton, in a few words
    vertices: int  # of the sphere
    seeds: int  # rollouts
    drift: tuple[WornLook, ...]  # on the sphere, as fine as it was trained
    fine: tuple[WornLook, ...]  # on the sphere and on the mesh, looked at from ever nearer
    regeneration: tuple[Healing, ...]
    exemplar: np.ndarray = field(compare=False, repr=False)  # uint8
    shuffled: np.ndarray = field(compare=False, repr=False)

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        return (
            f"{self.target}, woven on {self.vertices:,} vertices · {self.architecture} · "
            f"{self.seeds} rollouts · {AGAINST}"
        )

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "task": "wear",
            "target": self.target,
            "architecture": self.architecture,
            "vertices": self.vertices,
            "seeds": self.seeds,
            "drift": [look.to_fields() for look in self.drift],
            "fine": [look.to_fields() for look in self.fine],
            "regeneration": [one.to_fields() for one in self.regeneration],
        }


@torch.no_grad()
def evaluate(
    model: Model,
    target: Sequence[str] = (),
    *,
    res: int | None = None,
    seeds: int = SEEDS,
    damage_at: int | None = None,
    heal_steps: int | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> WornEvaluation:
    """Weave a texture on the sphere that it was trained on and on the mesh that wears it, and look at it.

    It is looked at early and late; from ever nearer, at as many pixels along an edge as there are in `FINE`;
    and when a part of it has been emptied. The views of the mesh are of half the side, and so is what they
    are held against. The seeds are fixed: the same model gives the same figures, on the same machine to the
    bit.

    Args:
        model: with its `surface`, the mesh that wears it (`petri.worn.on_its_mesh`).
        target: none, or the model's own: a picture.
        res: None, for a mesh has as many vertices as it has.
        seeds: number of rollouts, 2..64.
        damage_at: steps after which it is damaged; twice as many as in training if None.
        heal_steps: and so many more after which it is looked at again; as many if None.
        say: told in a few words what is being done.

    Raises:
        BadRequest: a value out of range, or the picture is not there.
        RunFailed: memory is at an end.
    """
    checks.whole("seeds", seeds, 2, 64)
    damage_at, heal_steps = damage_at or 2 * model.steps, heal_steps or 2 * model.steps
    checks.whole("damage_at", damage_at, 1, MOST_STEPS)
    checks.whole("heal_steps", heal_steps, 1, MOST_STEPS)
    if res is not None:
        raise BadRequest(f"a mesh has as many vertices as it has: leave out res, got {res}")
    asked = target[0] if target else model.target
    with memory.explained("ask for fewer seeds"):
        return _Looks(model, asked, seeds).evaluate(damage_at, heal_steps, say)


class _Looks:
    """Looks at what a model weaves."""

    def __init__(self, model: Model, asked: str, seeds: int) -> None:
        self.model, self.asked, self.seeds, self.cut = model, asked, seeds, cut_of(model)
        recipe = model.training.get("recipe")
        loss = recipe.get("loss") if isinstance(recipe, dict) else None
        terms = loss if isinstance(loss, dict) else {}

        def whole(name: str, value: Any, low: int, high: int) -> int:
            return checks.whole(f"loss.{name} of the model's recipe", value, low, high)

        pixels, level = (
            whole("pixels", terms.get("pixels"), 16, 512),
            whole("level", terms.get("level"), 2, 8),
        )
        self.edges = whole("edges", terms.get("edges", pixels), 16, pixels)  # that a view is across
        self.own = pixels // self.edges  # pixels along each, as it was trained
        self.sphere, self.name = icosphere(level), f"sphere:{level}"
        self.mesh = str(terms.get("mesh", self.name))
        self.automaton = model.automaton.on(self.sphere.graph(model.spec.space.frame))

    def judge(self, fine: int, *, closer: bool = False) -> Judge:
        """What says how far views of so many pixels along an edge lie from the exemplar."""
        found = exemplar.load(self.asked, self.edges, pixels=fine * self.edges, **self.cut)
        wanted, *others = (
            torch.from_numpy(one).to(self.automaton.device) for one in (found.pixels, *found.others())
        )
        return Judge(wanted, others, closer=closer)

    def views(self, surface: Surface, fine: int, edges: int) -> Views:
        width = edges * surface.edge
        return views(surface, JUDGED, width=width, side=fine * edges, seed=ELSEWHERE)

    def evaluate(self, damage_at: int, heal_steps: int, say: Callable[[str], object]) -> WornEvaluation:
        steps, healed_at = self.model.steps, damage_at + heal_steps
        looks, judge = self.views(self.sphere, self.own, self.edges), self.judge(self.own)

        def distance(state: Tensor) -> Tensor:
            return apart(self.automaton, self.sphere, looks, judge, state)

        kept = self.woven(self.automaton, {*(times * steps for times in LATER), damage_at, healed_at}, say)
        drift = [self.look(self.name, self.sphere, judge, looks, kept, times * steps) for times in LATER]
        say("from nearer")
        fine = []
        for number in FINE:
            near = self.views(self.sphere, number, self.edges)
            fine.append(self.look(self.name, self.sphere, self.judge(number), near, kept, 2 * steps, number))
        fine += self.on_the_mesh(2 * steps, say)
        found = []
        whole, undamaged = distance(kept[damage_at]), distance(kept[healed_at])
        empty = distance(torch.zeros_like(kept[damage_at][:1])).item()
        for kind, hurt in kinds(self.sphere).items():
            say(f"damage: {kind}")
            cut = hurt(kept[damage_at], torch.Generator().manual_seed(EVALUATION_SEED))
            (_, later), *_ = walk(self.automaton, cut, [healed_at], start=damage_at)
            course = Course.of(whole, distance(cut), distance(later), undamaged, empty=empty)
            pictures = self.picture(self.sphere, cut), self.picture(self.sphere, later)
            found.append(Healing(kind, damage_at, healed_at, course, *pictures))
        return WornEvaluation(
            target=self.model.target,
            architecture=self.model.spec.describe(),
            vertices=len(self.sphere.vertices),
            seeds=self.seeds,
            drift=tuple(drift),
            fine=tuple(fine),
            regeneration=tuple(found),
            exemplar=images.drawn(judge.exemplar, WHITE),
            shuffled=images.drawn(judge.shuffled, WHITE),
        )

    def woven(self, automaton: Automaton, stops: set[int], say: Callable[[str], object]) -> dict[int, Tensor]:
        """States after so many steps, by chance that training has not seen."""
        assert automaton.graph is not None, "it has just been given one"
        state = automaton.seed_state(1, automaton.graph.nodes, batch=self.seeds, seed=EVALUATION_SEED)
        kept = {}
        for step, there in walk(automaton, state, sorted(stops)):
            say(f"step {step:,} of {max(stops):,}")
            kept[step] = there
        return kept

    def on_the_mesh(self, steps: int, say: Callable[[str], object]) -> list[WornLook]:
        """Looks at the mesh that wears it, if that is not the sphere, by views of half the side."""
        surface, name = self.model.surface, self.mesh
        if surface is None or name == self.name:
            return []
        automaton = self.model.automaton.on(surface.graph(self.model.spec.space.frame))
        kept, found = self.woven(automaton, {steps}, say), []
        for number in FINE:
            near = self.views(surface, number, self.edges // 2)
            if len(near):
                judge = self.judge(number, closer=True)
                found.append(self.look(name, surface, judge, near, kept, steps, number))
        return found

    def look(
        self,
        name: str,
        surface: Surface,
        judge: Judge,
        looks: Views,
        kept: dict[int, Tensor],
        steps: int,
        fine: int | None = None,
    ) -> WornLook:
        measure = Measure.of(apart(self.model.automaton, surface, looks, judge, kept[steps]))
        figures = judge.floor, judge.ceiling, judge.way(measure.mean)
        picture = self.picture(surface, kept[steps])
        return WornLook(name, fine or self.own, steps, measure, *figures, picture)

    def picture(self, surface: Surface, state: Tensor) -> np.ndarray:
        return draw(shown(state[0], self.model.automaton, surface), pixels=PIXELS)


def apart(automaton: Automaton, surface: Surface, looks: Views, judge: Judge, states: Tensor) -> Tensor:
    """How far each of some states lies from the exemplar, the mean of views, `[batch]`."""
    seen = (looks.seen(shown(state, automaton, surface)) for state in states)
    return torch.stack([judge.distance(one.to(judge.exemplar)).mean() for one in seen])

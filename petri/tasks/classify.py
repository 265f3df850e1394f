"""Classifying a picture: each of its cells sees a little of it, and together they agree what it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from petri import checks
from petri.datasets import pictures
from petri.datasets.pictures import Pictures
from petri.errors import BadRequest
from petri.losses import overflow_loss
from petri.losses.votes import ERRORS, vote_loss
from petri.nca.seed import repainted, seed_state
from petri.nca.start import Uniform
from petri.nca.votes import verdict
from petri.tasks.classified import Classified, finish
from petri.tasks.task import Rows, Task

if TYPE_CHECKING:
    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe

LOOKED_AT = 500  # pictures that are held back which a run is measured by on the way,
AT_ONCE = 50  # and so many of them at a time
FIRE = 17  # seed of those rollouts: the same chance at every look


@dataclass(frozen=True, kw_only=True)
class ClassifyTerms:
    """What is asked of a classifier: the table `loss` of a recipe."""

    error: str = "entropy"  # of a cell's votes: cross-entropy, or squares, of their distance from 1 and 0
    overflow: float = 1.0  # weight of the penalty on state values beyond the bound
    bound: float = 5.0  # the magnitude from which on a state value is penalised
    turn: float = 0.0  # training pictures are turned by chance by at most so many degrees,
    stretch: float = 0.0  # made larger or smaller by at most this share along either axis,
    shift: float = 0.0  # moved by whole cells, at most so many,
    flip: bool = False  # and every other one mirrored, left for right
    data: str = ""  # folder that holds the data set; the usual one if empty

    def __post_init__(self) -> None:
        checks.choice("loss.error", self.error, tuple(ERRORS))
        checks.number("loss.overflow", self.overflow, 0, 1e6)
        checks.number("loss.bound", self.bound, 0, 1e6)
        checks.number("loss.turn", self.turn, 0, 180)
        checks.number("loss.stretch", self.stretch, 0, 0.9)
        checks.number("loss.shift", self.shift, 0, 1000)
        checks.truth("loss.flip", self.flip)
        if self.data != "":
            checks.printable("loss.data", self.data)


class Classifying(Task):
    """Classifying pictures.

    The rows have a `label` beside the state, whose fixed planes are the picture: changed, they ask anew.

    Args:
        spec: of the automaton; it has a vote for each class and a fixed plane for each of a picture's.
        data: the pictures.
        terms: of the loss.
        steps: least and most that it is trained to decide in.

    Raises:
        BadRequest: the Spec does not fit the pictures.

    Source: Randazzo et al. 2020, "Self-classifying MNIST digits"; Spitznagel and Keuper, NCAtorch (pictures
    that change under an evolved state, and CIFAR-10).
    """

    terms: ClassVar[type] = ClassifyTerms

    def __init__(
        self,
        spec: Spec,
        data: Pictures,
        terms: ClassifyTerms | None = None,
        *,
        steps: tuple[int, int] = (20, 30),
    ) -> None:
        height, width = data.train.images.shape[-2:]
        super().__init__(spec, (height, width))
        self.data, self.wanted, self.steps = data, terms or ClassifyTerms(), steps
        self.classes = data.classes
        planes = data.train.images.shape[1]
        if (spec.classes, spec.fixed) != (len(data.classes), planes):
            raise BadRequest(
                f"{data.title} needs spec.classes = {len(data.classes)} and spec.fixed = {planes}, "
                f"got {spec.classes} and {spec.fixed}"
            )
        if not isinstance(spec.start, Uniform):
            raise BadRequest('a classifier starts from nothing: spec.start.kind = "uniform"')
        self.weights = self.weigh(self.wanted)

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Classifying:
        """The task of a recipe, whose target names the data set.

        Raises:
            BadRequest: the data set cannot be had, or is of another size than the phases.
        """
        data = _read(recipe.target, recipe.loss.data)
        task = cls(recipe.spec, data, recipe.loss, steps=recipe.steps)
        for phase in recipe.phases:
            if phase.grid != task.grid:
                raise BadRequest(
                    f"{data.title} has pictures of {task.grid[0]} × {task.grid[1]}, "
                    f"phases.res is {phase.grid[0]} × {phase.grid[1]}"
                )
        return task

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """See `Task`; another picture is what a row may always become.

        Raises:
            BadRequest: it names several targets.
        """
        if recipe.targets:
            raise BadRequest(f"a classifier has one data set, got {len(recipe.targets)}")

    @classmethod
    def weigh(cls, terms: ClassifyTerms) -> Mapping[str, float]:
        """See `Task`; `wrong`, the share of pictures that are not recognised, is only watched."""
        return {"votes": 1.0, "overflow": terms.overflow, "wrong": 0.0}

    def to(self, device: torch.device) -> Classifying:
        """The same, its pictures on a device."""
        self.data = self.data.to(device)
        return self

    def _draw(self, count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Training pictures as fixed planes, and their labels."""
        part = self.data.train
        which = torch.randint(len(part), (count,), generator=chance).to(part.labels.device)
        return changed(part.planes(which), self.wanted, chance), part.labels[which]

    def begin(self, count: int, chance: torch.Generator, device: torch.device) -> Rows:
        """See `Task`: pictures of which the cells know nothing yet."""
        planes, labels = self._draw(count, chance)
        state = seed_state(self.spec, *self.grid, batch=count, device=device, fixed=planes)
        return {"state": state, "label": labels}

    def mutate(self, rows: Rows, chance: torch.Generator) -> Rows:
        """See `Task`: another picture, and its label with it, under the state that there is."""
        planes, labels = self._draw(len(rows["label"]), chance)
        return {"state": repainted(rows["state"], self.spec, planes), "label": labels}

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: how wrong the cells of the picture vote, and what is out of bounds."""
        (state,), spec = looks, self.spec
        return {
            "votes": vote_loss(state, rows["label"], spec, self.wanted.error),
            "overflow": overflow_loss(state[:, : spec.channels], bound=self.wanted.bound),
            "wrong": (verdict(state.detach(), spec) != rows["label"]).to(state.dtype),
        }

    def say(self, losses: Mapping[str, float]) -> tuple[str, str]:
        """See `Task`."""
        return "recognised", f"{100 * (1 - losses['wrong']):.1f} %, in training"

    def goal(self) -> None:
        """There is no picture of it."""
        return None

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """What is wrong with the votes."""
        return list(columns["votes"]), f"{ERRORS[self.wanted.error]} of a cell's votes", None

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """How wrong the cells vote, from nothing on, of pictures that are held back."""
        error = right = 0.0
        part = self.data.validation.first(LOOKED_AT)
        for first, some in part.parts(AT_ONCE):
            state = automaton.seed_state(*self.grid, batch=len(some), fixed=some.planes())
            state = automaton.rollout(state, self.steps[1], seed=FIRE, first_sample=first, precision="auto")
            error += vote_loss(state, some.labels, self.spec, self.wanted.error).sum().item()
            right += (verdict(state, self.spec) == some.labels).sum().item()
        return {"loss": error / len(part), "right": right / len(part)}

    def finish(self, automaton: Automaton, folder: Path) -> Classified:
        """See `Task`."""
        return finish(self, automaton, folder)


@lru_cache(maxsize=1)
def _read(name: str, folder: str) -> Pictures:
    return pictures.load(name, Path(folder) if folder else None)


def changed(planes: Tensor, how: ClassifyTerms, chance: torch.Generator) -> Tensor:
    """Pictures turned, stretched, moved and mirrored by chance, each by another; beyond its edge is nothing.

    Args:
        planes: `[n, channel, height, width]`.
        how: says by how much at the most.
        chance: of the CPU.
    """
    if not (how.turn or how.stretch or how.shift or how.flip):
        return planes
    count, (height, width) = len(planes), planes.shape[-2:]

    def draw(most: float) -> Tensor:
        return (2 * torch.rand(count, generator=chance) - 1) * most

    angle = draw(math.radians(how.turn))
    right, down = (1 / (1 + draw(how.stretch)) for _ in range(2))
    if how.flip:
        right = right * (2 * torch.randint(2, (count,), generator=chance) - 1)
    aside, below = 2 * draw(how.shift).round() / width, 2 * draw(how.shift).round() / height
    sine, cosine = angle.sin(), angle.cos()
    rows = [
        right * cosine,
        -right * sine * height / width,
        aside,
        down * sine * width / height,
        down * cosine,
    ]
    affine = torch.stack([*rows, below], dim=1).view(count, 2, 3).to(planes)
    places = F.affine_grid(affine, list(planes.shape), align_corners=False)
    return F.grid_sample(planes, places, align_corners=False)

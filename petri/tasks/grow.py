"""Growing a picture: it comes from a cell, stays, and its states keep in bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from petri import checks, images, targets
from petri import ground as grounds
from petri.errors import BadRequest
from petri.evaluation.report import error_of, grow_and_hold, report_loss_of
from petri.losses import multi_scale_loss, overflow_loss
from petri.losses.perceptual import PerceptualLoss
from petri.nca import show
from petri.nca.life import has_life
from petri.tasks import catalogue
from petri.tasks.grown import TARGET, finish
from petri.tasks.task import Outcome, Rows, Task

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.training.recipe import Phase, Recipe


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """What is asked of a pattern: the table `loss` of a recipe.

    Source: the report, "Training" and "Training Stabilizers".
    """

    scales: tuple[int, ...] = (1,)  # sides of squares that are averaged before comparing; report: 1, 2, 4, 8
    perceptual: float = 0.0  # weight of the difference in VGG16's features; the report: 0.1
    stability: float = 0.5  # weight of the loss after the steps to hold
    overflow: float = 0.1  # weight of the penalty on state values beyond the bound
    bound: float = 0.9  # the magnitude from which on a state value is penalised

    def __post_init__(self) -> None:
        if not isinstance(self.scales, (tuple, list)) or not self.scales:
            raise BadRequest(f"loss.scales must be a list of whole numbers, got {self.scales!r}")
        for scale in self.scales:
            checks.whole("each of loss.scales", scale, 1, targets.SMALLEST)
        object.__setattr__(self, "scales", tuple(self.scales))
        checks.number("loss.perceptual", self.perceptual, 0, 1000)
        checks.number("loss.stability", self.stability, 0, 1000)
        checks.number("loss.overflow", self.overflow, 0, 1000)
        checks.number("loss.bound", self.bound, 0, 1e6)


class Growing(Task):
    """Growing a picture.

    Args:
        spec: of the automaton.
        pictures: what is to be grown in each phase, `[seen, height, width]` in 0..1: RGB of a plane, or RGB
            premultiplied by alpha, and alpha, of a figure. One for all phases, or one a phase.
        terms: of the loss.
        hold: steps that the picture must last after it has grown.
        steps: most steps to grow of each phase, after which the model is measured.
    """

    terms: ClassVar[type] = LossTerms

    def __init__(
        self,
        spec: Spec,
        pictures: Tensor | Sequence[Tensor],
        terms: LossTerms | None = None,
        *,
        hold: int = 32,
        steps: Sequence[int] = (96,),
    ) -> None:
        self.pictures = [pictures] if isinstance(pictures, Tensor) else list(pictures)
        self.check_pictures(spec)
        super().__init__(spec, (self.pictures[0].shape[-2], self.pictures[0].shape[-1]))
        self.wanted: Any = terms or LossTerms()
        self.hold, self.steps = hold, list(steps)
        self.weights = self.weigh(self.wanted)
        self.settle(grounds.AUTO)
        self.reference: float | None = None  # what the report's own model has come to
        self.enter(0)

    def check_pictures(self, spec: Spec) -> None:
        """Refuse pictures that the Spec cannot grow.

        Raises:
            BadRequest: not of its channels, not within 0..1, or the Spec has fixed planes or a decoder.
        """
        for picture in self.pictures:
            check_picture(picture, spec)
        check_shown(spec)
        if spec.fixed:
            raise BadRequest(
                f"growing a picture gives no fixed planes, the Spec has {spec.fixed}: a task of your own can"
            )

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Growing:
        """The task of a recipe.

        Args:
            recipe: names the target.
            blank: pictures of nothing, to be filled from a checkpoint.

        Raises:
            BadRequest: the target cannot be drawn at the size of one of the phases.
        """
        pictures = [draw(recipe.target, recipe.spec, phase, blank=blank) for phase in recipe.phases]
        steps = [phase.steps[1] for phase in recipe.phases]
        task = cls(recipe.spec, pictures, recipe.loss, hold=recipe.hold, steps=steps)
        task.reference = catalogue.reports_loss(recipe.target, recipe.res)
        return task

    @classmethod
    def weigh(cls, terms: Any) -> dict[str, float]:
        """See `Task`; the perceptual loss is computed only where it counts."""
        weights = {"pattern": 1.0, "stability": terms.stability, "overflow": terms.overflow}
        return weights | ({"perceptual": terms.perceptual} if terms.perceptual else {})

    @property
    def target(self) -> Tensor:
        """What is to be grown in this phase, `[seen, height, width]`."""
        return self.pictures[self.number]

    def enter(self, number: int) -> None:
        """See `Task`."""
        self.number = min(number, len(self.pictures) - 1)
        self.grid = (self.target.shape[-2], self.target.shape[-1])
        self.perceptual = self.features() if self.wanted.perceptual else None

    def features(self) -> Callable[[Tensor, Rows], Tensor]:
        """The perceptual loss against this phase's target, of what is seen of states and of their rows."""
        loss = PerceptualLoss(self.target)
        return lambda seen, rows: loss(seen)

    def sheet(self) -> Tensor:
        """All that is to be grown in the end, as one picture, `[seen, height, width]`."""
        return self.pictures[-1]

    def settle(self, ground: str) -> str:
        """See `Task`; of a figure the automatic ground is chosen by its colours."""
        asked = grounds.settled(ground, self.sheet())
        self.ground, self.opaque = asked, grounds.opaque(asked, self.sheet())
        return asked

    def introduce(self, folder: Path) -> None:
        """Draw the target."""
        if not (folder / TARGET).is_file():
            images.save_picture(folder / TARGET, images.drawn(self.sheet(), self.ground))

    def to(self, device: torch.device) -> Growing:
        """The same, its pictures on a device."""
        self.pictures = [picture.to(device) for picture in self.pictures]
        self.enter(self.number)
        return self

    def marks(self, steps: int) -> tuple[int, ...]:
        """After growing, and after holding."""
        return (steps, steps + self.hold)

    def aim(self, rows: Rows) -> Tensor:
        """What rows are to look like: `[seen, height, width]` for all, or one a sample."""
        return self.target

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: the error of what has grown and of what is held, and what is out of bounds."""
        grown, held = looks
        terms, aim = self.wanted, self.aim(rows)
        found = {
            "pattern": multi_scale_loss(show(grown, self.spec), aim, terms.scales),
            "stability": multi_scale_loss(show(held, self.spec), aim, terms.scales),
            "overflow": overflow_loss(held[:, : self.spec.channels], bound=terms.bound),
        }
        if self.perceptual:
            found["perceptual"] = self.perceptual(show(grown, self.spec), rows)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The pictures, a size each."""
        return {f"target.{_size(picture)}": picture for picture in self.pictures}

    def picture(self, state: Tensor) -> np.ndarray:
        """See `Task`; a figure is shown on its ground."""
        return images.drawn(show(state, self.spec), self.opaque)

    def goal(self) -> np.ndarray:
        """The target."""
        return images.drawn(self.sheet(), self.opaque)

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """The report's loss from the seed and its parts, and how many rollouts died."""
        asked = {"steps": self.most_steps, "hold": self.hold}
        grown, held = grow_and_hold(automaton, self.grid, **asked, seeds=seeds)
        found = report_loss_of(grown, held, self.target, **asked, error=error_of(automaton))
        died = int((~has_life(held)).sum()) if self.spec.living else 0
        return asdict(found) | {"died": died}

    @property
    def pixels(self) -> int:
        """Pixels along the longer side of a picture in this phase."""
        return max(self.target.shape[-2:])

    @property
    def most_steps(self) -> int:
        """Most steps to grow in this phase."""
        return self.steps[min(self.number, len(self.steps) - 1)]

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """The report's loss."""
        parts = zip(columns["pattern"], columns["stability"], columns["overflow"], strict=True)
        losses = [pattern + stability / 2 + overflow / 10 for pattern, stability, overflow in parts]
        return losses, "pattern + ½ stability + ⅒ overflow, in the pool", self.reference

    def finish(self, automaton: Automaton, folder: Path) -> Outcome:
        """See `Task`."""
        return finish(self, automaton, folder)


def draw(asked: str, spec: Spec, phase: Phase, *, blank: bool = False) -> Tensor:
    """A target at the size of a phase, as a Spec shows it: `[seen, height, width]`; empty if blank.

    Raises:
        BadRequest: it cannot be drawn there.
    """
    if blank:
        return torch.zeros(seen_channels(spec), *phase.grid)
    if isinstance(phase.res, tuple):
        rows, columns = phase.res
        raise BadRequest(f"a target is drawn on a square, phases.res is {rows} × {columns}")
    return torch.from_numpy(targets.load(asked, phase.res).pixels[: seen_channels(spec)].copy())


def check_picture(picture: Tensor, spec: Spec) -> None:
    """Refuse a picture that a Spec cannot show.

    Raises:
        BadRequest: not `[seen, height, width]` of floating point numbers in 0..1.
    """
    seen = show(torch.zeros(spec.planes, 1, 1), spec).shape[0]
    if not picture.is_floating_point() or picture.min() < 0 or picture.max() > 1:
        raise BadRequest("a picture to grow must be of floating point numbers in 0..1")
    if picture.ndim != 3 or picture.shape[0] != seen:
        raise BadRequest(
            f"a picture for this Spec must be [{seen}, height, width], got {list(picture.shape)}"
        )


def check_shown(spec: Spec) -> None:
    """Refuse a decoder, which a task that looks at the cells themselves would not train.

    Raises:
        BadRequest: the Spec has one.
    """
    if spec.decoder is not None:
        raise BadRequest('a decoder is trained by the task "paint" and for one target, got spec.decoder')


def seen_channels(spec: Spec) -> int:
    """How many channels are compared with the target: alpha counts only where there is a living mask."""
    return 4 if spec.living else 3


def _size(picture: Tensor) -> str:
    height, width = picture.shape[-2:]
    return f"{height}" if height == width else f"{height}x{width}"

"""Everything that is measured of a model that colours a mesh, in one go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks, memory
from petri.errors import BadRequest
from petri.evaluation.course import Course
from petri.evaluation.hurt import Hurt, kinds
from petri.evaluation.report import EVALUATION_SEED, SEEDS, Measure
from petri.evaluation.walk import walk
from petri.graph.mesh import Surface
from petri.graph.painting import shown
from petri.graph.raster import draw
from petri.losses import psnr
from petri.modelfile import Model
from petri.nca import show

LATER = (1, 2, 10, 20)  # times the steps that it was trained to grow in
AGAIN = 5  # times that it is hurt one after the other
MOST_STEPS = 100_000
PIXELS = 256  # of a picture


@dataclass(frozen=True)
class Seen:
    """Rollouts at one moment."""

    steps: int  # since the seed
    pattern: Measure  # mean squared error of the colours
    picture: np.ndarray = field(compare=False, repr=False)  # of the first rollout, uint8

    @property
    def psnr(self) -> float | None:
        """The mean error in dB; None where it is not finite."""
        found = psnr(self.pattern.mean) if math.isfinite(self.pattern.mean) else math.nan
        return round(found, 2) if math.isfinite(found) else None

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        return {"steps": self.steps, **self.pattern.to_fields(), "psnr": self.psnr}


@dataclass(frozen=True)
class Healing:
    """What one kind of damage did to the colours, and what was left of that later."""

    kind: str
    damaged_at: int  # steps since the seed; of several times the last
    healed_at: int
    loss: Course  # of the mean squared error
    damaged_picture: np.ndarray = field(compare=False, repr=False)  # of the first rollout, uint8
    healed_picture: np.ndarray = field(compare=False, repr=False)

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        when = {"kind": self.kind, "damaged_at": self.damaged_at, "healed_at": self.healed_at}
        return when | self.loss.to_fields() | {"psnr": self.loss.psnr}


@dataclass(frozen=True, kw_only=True)
class SurfaceEvaluation:
    """How good a model is that colours a mesh; errors are mean squared ones of RGB in 0..1."""

    target: str
    architecture: str  # of the automaton, in a few words
    vertices: int
    seeds: int  # rollouts
    plain: float  # error of the one colour that is best everywhere
    drift: tuple[Seen, ...]
    regeneration: tuple[Healing, ...]  # a kind of damage each
    goal: np.ndarray = field(compare=False, repr=False)  # what it is to come to, uint8

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        return (
            f"{self.target}, {self.vertices:,} vertices · {self.architecture} · {self.seeds} rollouts, "
            f"of which one colour everywhere would be {self.plain:.4f} off"
        )

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "task": "surface",
            "target": self.target,
            "architecture": self.architecture,
            "vertices": self.vertices,
            "seeds": self.seeds,
            "plain": round(self.plain, 6),
            "drift": [look.to_fields() for look in self.drift],
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
) -> SurfaceEvaluation:
    """Colour the mesh that a model was trained on, look at it for a long time, and damage it.

    Damaged are the quarter of the vertices that lies nearest a random one by edges, half of them, a quarter
    of them here and there, and a quarter five times over, each time when the last has had its time to heal.
    The seeds are fixed: the same model gives the same figures, on the same machine to the bit.

    Args:
        model: with its `surface`, whose colours are those that it is to come to (`petri.worn.on_its_mesh`).
        target: none, or the model's own.
        res: None, for a mesh has as many vertices as it has.
        seeds: number of rollouts, 2..4096.
        damage_at: steps after which it is damaged; when it has grown if None.
        heal_steps: and so many more after which it is looked at again; as many as to grow in if None.
        say: told in a few words what is being done.

    Raises:
        BadRequest: a value out of range, or the model has no surface, or no colours of one.
        RunFailed: memory is at an end.
    """
    checks.whole("seeds", seeds, 2, 4096)
    damage_at, heal_steps = damage_at or model.steps, heal_steps or model.steps
    checks.whole("damage_at", damage_at, 1, MOST_STEPS)
    checks.whole("heal_steps", heal_steps, 1, MOST_STEPS)
    if res is not None:
        raise BadRequest(f"a mesh has as many vertices as it has: leave out res, got {res}")
    if any(name != model.target for name in target):
        raise BadRequest(f"a mesh is compared with the colours of its training, leave out {target[0]!r}")
    if model.surface is None or model.surface.colours is None:
        raise BadRequest(
            f"{model.target} colours a mesh, and the colours that it is to come to are not to be found: "
            "they lie in its run's checkpoint, or in the mesh that it was trained on"
        )
    with memory.explained("ask for fewer seeds"):
        return _Looks(model, model.surface, seeds).evaluate(damage_at, heal_steps, say)


class _Looks:
    """Looks at what a model makes of its mesh."""

    def __init__(self, model: Model, surface: Surface, seeds: int) -> None:
        assert surface.colours is not None, "it is to come to something"
        self.model, self.surface, self.seeds = model, surface, seeds
        self.automaton, self.graph = model.automaton, surface.graph()
        self.wanted = torch.from_numpy(surface.colours.T.copy()).to(model.automaton.device)

    def error(self, state: Tensor) -> Tensor:
        """The mean squared error of the colours, `[batch]`."""
        seen = show(state, self.model.spec)[:, :3, 0]
        return (seen - self.wanted).square().mean(dim=(1, 2))

    def picture(self, state: Tensor) -> np.ndarray:
        return draw(shown(state[0], self.automaton, self.surface), pixels=PIXELS)

    def evaluate(self, damage_at: int, heal_steps: int, say: Callable[[str], object]) -> SurfaceEvaluation:
        looks = [times * self.model.steps for times in LATER]
        healed_at = damage_at + heal_steps
        state, kept = self.automaton.seed_state(1, self.graph.nodes, batch=self.seeds), {}
        drift = []
        for step, there in walk(self.automaton, state, sorted({*looks, damage_at, healed_at})):
            say(f"step {step:,} of {max(looks[-1], healed_at):,}")
            if step in looks:
                drift.append(Seen(step, Measure.of(self.error(there)), self.picture(there)))
            if step in (damage_at, healed_at):
                kept[step] = there
        found = []
        hurts = kinds(self.surface)
        for kind, hurt in hurts.items():
            say(f"damage: {kind}")
            found.append(self._heal(kind, hurt, kept, damage_at, heal_steps))
        say(f"damage: {AGAIN} patches")
        patches = self._heal(f"{AGAIN} patches", hurts["patch"], kept, damage_at, heal_steps, times=AGAIN)
        found.append(patches)
        plain = (self.wanted - self.wanted.mean(dim=1, keepdim=True)).square().mean().item()
        return SurfaceEvaluation(
            target=self.model.target,
            architecture=self.model.spec.describe(),
            vertices=self.graph.nodes,
            seeds=self.seeds,
            plain=plain,
            drift=tuple(drift),
            regeneration=tuple(found),
            goal=draw(self.surface, pixels=PIXELS),
        )

    def _heal(
        self,
        kind: str,
        hurt: Hurt,
        kept: dict[int, Tensor],
        damage_at: int,
        heal_steps: int,
        *,
        times: int = 1,
    ) -> Healing:
        chance = torch.Generator().manual_seed(EVALUATION_SEED)
        channels, step = self.model.spec.channels, damage_at
        before = state = kept[damage_at]
        for number in range(times):
            before = state
            damaged = torch.cat([hurt(before[:, :channels], chance), before[:, channels:]], dim=1)
            (_, state), *_ = walk(self.automaton, damaged, [step + heal_steps], start=step)
            step += heal_steps if number < times - 1 else 0
        undamaged = kept[damage_at + heal_steps]
        empty = self.error(torch.zeros_like(before[:1])).item()
        first = kept[damage_at]  # what it was before all damage is what it is to be again
        course = Course.of(*map(self.error, (first, damaged, state, undamaged)), empty=empty)
        pictures = self.picture(damaged), self.picture(state)
        return Healing(kind, step, step + heal_steps, course, *pictures)

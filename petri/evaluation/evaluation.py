"""Everything that is measured of a model, in one go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks, ground, images, targets
from petri.errors import BadRequest, RunFailed
from petri.evaluation.course import Judge
from petri.evaluation.painted import Painted, painted
from petri.evaluation.regeneration import KINDS, Regeneration
from petri.evaluation.report import (
    SEEDS,
    Measure,
    ReportLoss,
    by_view,
    error_of,
    pattern_measure,
    report_loss_of,
)
from petri.evaluation.standing import Standing, standing
from petri.evaluation.walk import walk
from petri.losses import pattern_loss
from petri.modelfile import Model
from petri.nca import Automaton, Spec, seed_cell

DRIFT = (100, 200, 500, 1000, 2000)  # steps
FIGURES_DRIFT = (100, 160, 500, 1000, 2000, 5000)  # a figure is looked at for longer: it can die
GROWTH = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)  # of the steps it had to grow in: moments to be shown
SIZES = (0.5, 0.75, 1.5, 2.0)  # times the size it was trained at
HEAL_STEPS = 300  # given to heal, or as many as it had to grow in; the NCAtorch paper: from 149 to 449
MOST_STEPS = 100_000
ALIVE = 0.1  # alpha of a cell that belongs to a figure


@dataclass(frozen=True)
class Look:
    """A pattern at one moment."""

    res: int  # cells along a side
    steps: int  # since the seed
    pattern: Measure  # its error
    standing: Standing
    picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, uint8 [pixels, pixels, 3]
    target: np.ndarray = field(compare=False, repr=False)  # what it is to look like, of the same size


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model is.

    Errors of moments are mean squared errors of what the model shows: of a plane its RGB, of a figure what is
    seen of it on black or on white, whichever is worse. All are means over the same fire seeds.
    """

    target: str  # name of what it was compared with
    architecture: str  # of the automaton, in a few words
    res: int  # cells along a side
    pixels: int  # along a side of what is compared; without a decoder a pixel is a cell
    seeds: int  # rollouts, each with fire masks of its own
    shows: str  # "rgb" or "rgba"
    loss: ReportLoss  # as `petri grow` prints it: over RGB of a plane, over what is seen of a figure
    rgb: ReportLoss  # over RGB
    rgba: ReportLoss  # over RGB and alpha, whether or not alpha was trained
    growth: tuple[Look, ...]  # on its way
    drift: tuple[Look, ...]  # long after
    regeneration: tuple[Regeneration, ...]  # a kind of damage each
    sizes: tuple[Look, ...]  # on other grids
    painted: tuple[Painted, ...] = ()  # of a model with a decoder: at so many pixels each

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        size = f"{self.res}×{self.res} cells" + f", painted at {self.pixels}²" * bool(self.painted)
        return f"{self.target} on {size} · {self.architecture} · {self.seeds} fire seeds"

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "target": self.target,
            "architecture": self.architecture,
            "res": self.res,
            "seeds": self.seeds,
            "shows": self.shows,
            "loss": {
                "rgb": self.rgb.to_fields(),
                "rgba": self.rgba.to_fields(),
                "seen": self.loss.to_fields(),
            },
            "drift": [
                {"steps": look.steps, **look.pattern.to_fields(), **look.standing.to_fields()}
                for look in self.drift
            ],
            "regeneration": [one.to_fields() for one in self.regeneration],
            "sizes": [
                {"res": look.res, "steps": look.steps, **look.pattern.to_fields()} for look in self.sizes
            ],
            **({"painted": [one.to_fields() for one in self.painted]} if self.painted else {}),
        }


def evaluate(
    model: Model,
    target: str | None = None,
    *,
    res: int | None = None,
    seeds: int = SEEDS,
    damage_at: int | None = None,
    heal_steps: int | None = None,
    condition: int | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Evaluation:
    """Grow a model from the seed, look at it for a long time, damage it, and grow it on other grids.

    The fire seeds are fixed: the same model gives the same figures, on the same machine to the bit.

    Args:
        model: as `petri.modelfile.read` gives it; its weights decide on the device.
        target: what it is to look like, as for `petri.targets.load`; the model's own if None.
        res: cells along a side; as trained if None.
        seeds: number of rollouts, 2..4096.
        damage_at: steps after which it is damaged; when it has grown and held if None.
        heal_steps: and so many more after which it is looked at again; 300, or as many as it had to grow in.
        condition: of a model of several targets, which fixed plane asks for this one.
        say: told in a few words what is being done.

    Raises:
        BadRequest: a value out of range, or no such target.
        RunFailed: memory is at an end.
    """
    checks.whole("seeds", seeds, 2, 4096)
    name, res = target or model.target, res or model.res
    moments = moments_of(model, damage_at, heal_steps)
    drawn = targets.load(name, model.pixels_of(res))
    with enough_memory(seeds, res):
        return _evaluate(model, name, drawn, res, seeds, moments, condition, say)


def moments_of(model: Model, damage_at: int | None, heal_steps: int | None) -> tuple[int, int]:
    """Steps after which a model is damaged, and after which it is looked at again.

    Raises:
        BadRequest: a number out of range.
    """
    if damage_at is None:
        damage_at = model.steps + model.hold
    if heal_steps is None:
        heal_steps = max(HEAL_STEPS, model.steps)
    checks.whole("damage_at", damage_at, 1, MOST_STEPS)
    return damage_at, damage_at + checks.whole("heal_steps", heal_steps, 1, MOST_STEPS)


@contextmanager
def enough_memory(seeds: int, res: int) -> Iterator[None]:
    """Say in one line that there is not.

    Raises:
        RunFailed: memory is at an end.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # PyTorch reports this in as many ways as it has devices.
        if isinstance(error, MemoryError) or re.search("out of memory|allocate memory", str(error), re.I):
            raise RunFailed(f"not enough memory for {seeds} rollouts of {res}×{res} cells") from None
        raise


@torch.no_grad()
def _evaluate(
    model: Model,
    name: str,
    drawn: targets.Target,
    res: int,
    seeds: int,
    moments: tuple[int, int],
    condition: int | None,
    say: Callable[[str], object],
) -> Evaluation:
    automaton, steps, held_at = model.automaton, model.steps, model.steps + model.hold
    spec = automaton.spec
    pixels = torch.from_numpy(drawn.pixels).to(automaton.device)
    damage_at, healed_at = moments
    growth_at = sorted({max(1, round(share * steps)) for share in GROWTH} | {damage_at})

    def seed(side: int) -> Tensor:
        return automaton.seed_state(side, batch=seeds, condition=condition)

    on = ground.kept(model) or ground.choose(pixels)
    looks: dict[int, Look] = {}
    kept: dict[int, Tensor] = {}
    drift_at = FIGURES_DRIFT if spec.living else DRIFT
    stops = sorted({*growth_at, held_at, healed_at, *drift_at})
    for step, state in walk(automaton, seed(res), stops):
        say(f"step {step:,} of {stops[-1]:,}")
        looks[step] = _look(automaton, state, step, pixels, on)
        if step in (steps, held_at, damage_at, healed_at):
            kept[step] = state
    seen = report_loss_of(
        kept[steps], kept[held_at], pixels[: 4 if spec.living else 3],
        steps=steps, hold=model.hold, error=error_of(automaton),
    )  # fmt: skip
    losses = [
        report_loss_of(
            kept[steps], kept[held_at], pixels[:channels],
            steps=steps, hold=model.hold, error=by_view(automaton, pattern_loss),
        )
        for channels in (3, 4)
    ]  # fmt: skip
    regeneration, judge = [], Judge(pixels, automaton)
    for kind in KINDS:
        say(f"damage: {kind}")
        regeneration.append(_regeneration(automaton, kind, kept, moments, judge, on))
    sizes = []
    for side, there in _other_sizes(name, spec, pixels, res):
        say(f"{side}×{side} cells")
        count = round(held_at * max(1.0, side / res))
        *_, (_, state) = walk(automaton, seed(side), [count])
        # A figure's errors are counted by the cells it was trained on: empty room is no merit.
        share = (side / res) ** 2 if spec.living else 1.0
        sizes.append(_look(automaton, state, count, there, on, scale=share))
    shown: tuple[Painted, ...] = ()
    if spec.decoder:
        shown = painted(automaton, kept[held_at], name, pixels=pixels.shape[-1], say=say)
    return Evaluation(
        target=drawn.name,
        architecture=spec.describe(),
        res=res,
        pixels=pixels.shape[-1],
        seeds=seeds,
        shows="rgba" if spec.living else "rgb",
        loss=seen,
        rgb=losses[0],
        rgba=losses[1],
        growth=tuple(looks[step] for step in growth_at),
        drift=tuple(looks[step] for step in drift_at),
        regeneration=tuple(regeneration),
        sizes=tuple(sizes),
        painted=shown,
    )


def _look(
    automaton: Automaton, state: Tensor, step: int, pixels: Tensor, on: str, *, scale: float = 1.0
) -> Look:
    target = pixels[: 4 if automaton.spec.living else 3]
    pictures = images.picture(automaton, state[0], on, pixels.shape[-1]), images.drawn(target, on)
    pattern = pattern_measure(automaton, state, pixels)
    pattern = Measure(pattern.mean * scale, pattern.spread * scale)
    return Look(state.shape[-1], step, pattern, standing(automaton, state, pixels), *pictures)


def _regeneration(
    automaton: Automaton, kind: str, kept: dict[int, Tensor], moments: tuple[int, int], judge: Judge, on: str
) -> Regeneration:
    """Damage a state and let it heal until the time of the undamaged one that is held against it."""
    spec, (damaged_at, healed_at) = automaton.spec, moments
    before, undamaged = (kept[step] for step in moments)
    cut = before.clone()
    cut[:, : spec.channels] = KINDS[kind](before[:, : spec.channels])
    # The same cells fire as in the rollout without damage: what differs is the damage alone.
    *_, (_, later) = walk(automaton, cut, [healed_at], start=damaged_at)
    return Regeneration(
        kind,
        damaged_at,
        healed_at,
        *judge.course(before, cut, later, undamaged),
        damaged_picture=images.picture(automaton, cut[0], on, judge.pixels),
        healed_picture=images.picture(automaton, later[0], on, judge.pixels),
    )


def _other_sizes(name: str, spec: Spec, pixels: Tensor, res: int) -> Iterator[tuple[int, Tensor]]:
    """Other sizes of grids, cells along a side, and what is to be seen there, `[4, pixels, pixels]`.

    A plane is to be filled by the whole picture, drawn at that size. A figure is to be as large as ever,
    around the seed, with more or less room about it; grids that cannot hold it are left out.
    """
    scale = pixels.shape[-1] // res
    for factor in SIZES:
        side = round(res * factor)
        if not targets.SMALLEST <= side <= targets.LARGEST:
            continue
        if spec.living:
            moved = _move(pixels, spec, res, side)
            if (moved[3] > ALIVE).sum() == (pixels[3] > ALIVE).sum():
                yield side, moved
            continue
        try:
            yield side, torch.from_numpy(targets.load(name, side * scale).pixels).to(pixels.device)
        except BadRequest:  # letters that cannot be read at this size, or more pixels than there may be
            continue


def _move(pixels: Tensor, spec: Spec, res: int, side: int) -> Tensor:
    """Put a figure of `res` cells onto another grid so that it lies about the seed as before."""
    (row, column), (old_row, old_column) = seed_cell(spec, side, side), seed_cell(spec, res, res)
    scale = pixels.shape[-1] // res
    side, res = side * scale, res * scale
    moved = pixels.new_zeros(4, side, side)
    down, right = (row - old_row) * scale, (column - old_column) * scale
    top, left = max(0, down), max(0, right)
    bottom, end = min(side, res + down), min(side, res + right)
    moved[:, top:bottom, left:end] = pixels[:, top - down : bottom - down, left - right : end - right]
    return moved

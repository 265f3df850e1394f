"""Everything that is measured of a texture's model, in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks, images, lit, memory
from petri.errors import BadRequest
from petri.evaluation.course import Course
from petri.evaluation.regeneration import KINDS
from petri.evaluation.report import EVALUATION_SEED, Measure, plain
from petri.evaluation.style import Judge, woven
from petri.evaluation.walk import walk
from petri.ground import WHITE
from petri.losses.crops import views_of
from petri.modelfile import Model
from petri.targets import exemplar

SEEDS = 2  # textures that a figure is the mean of, if nobody says: each is a sample of thousands of places
STEPS = (64, 500, 5000)
FACTORS = (2, 4)  # times the size it was trained at
LARGEST = 1024  # pixels a side that are compared: beyond, VGG16's features fill the memory
DAMAGE_AT, MOST_STEPS = 500, 100_000
DAMAGES = ("half", "circle")
HEAL_STEPS = 300  # given to heal; the NCAtorch paper: from 149 to 449


@dataclass(frozen=True)
class Look:
    """Textures at one moment, on a grid of one size."""

    factor: int  # times the size it was trained at
    steps: int  # since the noise
    distance: Measure  # style distance
    way: float  # of it between floor and ceiling, percent
    mean: float  # distance of the mean colour from the exemplar's, of 1 between black and white of a channel
    spread: float  # distance of the colours' covariance from the exemplar's, as a share of that
    picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, uint8 [height, width, 3]

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "factor": self.factor,
            "steps": self.steps,
            "distance": plain(self.distance.mean),
            "spread": plain(self.distance.spread),
            "way": plain(self.way),
            "colour_mean": plain(self.mean),
            "colour_covariance": plain(self.spread),
        }


@dataclass(frozen=True)
class Healing:
    """What one kind of damage did to textures, and what was left of that later."""

    kind: str
    damaged_at: int  # steps since the noise
    healed_at: int
    course: Course  # of the style distance
    damaged_picture: np.ndarray = field(compare=False, repr=False)  # of the first sample, uint8
    healed_picture: np.ndarray = field(compare=False, repr=False)

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        when = {"kind": self.kind, "damaged_at": self.damaged_at, "healed_at": self.healed_at}
        return when | self.course.to_fields()


@dataclass(frozen=True)
class MapsLook:
    """Some maps of a material, which are one picture for VGG16."""

    maps: str  # their names
    floor: float  # as of `TextureEvaluation`
    distance: float  # style distance, the mean of the textures
    ceiling: float
    way: float  # of it between floor and ceiling, percent

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            name: value if isinstance(value, str) else plain(value) for name, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class TextureEvaluation:
    """How good a texture's model is.

    Distances are style distances in layers of VGG16 that training does not look at, of each size given.
    """

    target: str  # name of the exemplar
    architecture: str  # of the automaton, in a few words
    res: int  # cells along a side that it was trained on
    pixels: int  # along a side of what is compared; without a decoder a pixel is a cell
    painted: bool  # by a decoder
    seeds: int  # textures, each from noise and with fire masks of its own; larger grids have one
    floor: float  # distance of more of the same picture
    floor_by: str  # what of it
    ceiling: float  # distance of its pixels in random order
    looks: tuple[Look, ...]  # at its size, early and late
    sizes: tuple[Look, ...]  # on larger grids
    regeneration: tuple[Healing, ...]  # a kind of damage each
    maps: tuple[MapsLook, ...] = ()  # of a material, at the step after which it is damaged
    exemplar: np.ndarray = field(compare=False, repr=False)  # uint8
    shuffled: np.ndarray = field(compare=False, repr=False)

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        size = f"{self.res}×{self.res} cells" + f", painted at {self.pixels}²" * self.painted
        return f"{self.target} on {size} · {self.architecture} · {self.seeds} textures"

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "task": "texture",
            "target": self.target,
            "architecture": self.architecture,
            "res": self.res,
            **({"pixels": self.pixels} if self.painted else {}),
            "seeds": self.seeds,
            "floor": plain(self.floor),
            "floor_by": self.floor_by,
            "ceiling": plain(self.ceiling),
            "drift": [look.to_fields() for look in self.looks],
            "sizes": [look.to_fields() for look in self.sizes],
            "regeneration": [one.to_fields() for one in self.regeneration],
            **({"maps": [one.to_fields() for one in self.maps]} if self.maps else {}),
        }


@torch.no_grad()
def evaluate(
    model: Model,
    target: str | None = None,
    *,
    res: int | None = None,
    seeds: int = SEEDS,
    damage_at: int = DAMAGE_AT,
    heal_steps: int = HEAL_STEPS,
    condition: int | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> TextureEvaluation:
    """Weave from noise, look at it for a long time and on larger grids, and damage it.

    The seeds are fixed: the same model gives the same figures, on the same machine to the bit.

    Args:
        model: as `petri.modelfile.read` gives it; its weights decide on the device.
        target: the picture that it is to be like, cut as in training; the model's own if None.
        res: None, as sizes are measured anyway.
        seeds: number of textures, 2..4096.
        damage_at: steps after which it is damaged; larger grids are looked at then, too.
        heal_steps: and so many more after which it is looked at again.
        condition: of a model of several textures, which fixed plane asks for this one.
        say: told in a few words what is being done.

    Raises:
        BadRequest: a value out of range, or no such picture.
        RunFailed: memory is at an end.
    """
    checks.whole("seeds", seeds, 2, 4096)
    checks.whole("damage_at", damage_at, 1, MOST_STEPS)
    checks.whole("heal_steps", heal_steps, 1, MOST_STEPS)
    if res is not None:
        raise BadRequest(
            f"a texture is measured on its own grid and on larger ones: leave out res, got {res}"
        )
    found = exemplar.load(target or model.target, model.res, pixels=_judged(model), **cut_of(model))
    maps = model.spec.decoder.maps if model.spec.decoder else ()
    if found.maps != maps:
        theirs, ours = (", ".join(names) or "none" for names in (found.maps, maps))
        raise BadRequest(f"{found.name} has the maps {theirs}, {model.target} paints {ours}")
    with memory.explained("ask for fewer seeds"):
        return _evaluate(model, found, seeds, (damage_at, damage_at + heal_steps), condition, say)


def _evaluate(
    model: Model,
    found: exemplar.Exemplar,
    seeds: int,
    moments: tuple[int, int],
    condition: int | None,
    say: Callable[[str], object],
) -> TextureEvaluation:
    automaton, spec, res = model.automaton, model.spec, model.res
    whole = torch.from_numpy(found.pixels).to(automaton.device)
    part = list(spec.decoder.seen(alpha=False)) if spec.decoder else [0, 1, 2]  # what is seen, and judged
    pixels = whole[part]
    judge = Judge(pixels, [torch.from_numpy(one[part]).to(pixels) for one in found.others()])
    damaged_at, healed_at = moments
    looks, kept = {}, {}
    state = automaton.seed_state(res, batch=seeds, seed=EVALUATION_SEED, condition=condition)
    for step, there in walk(automaton, state, sorted({*STEPS, *moments})):
        say(f"step {step:,} of {max(STEPS[-1], healed_at):,}")
        if step in STEPS:
            looks[step] = _look(model, judge, there, 1, step)
        if step in moments:
            kept[step] = there
    regeneration = []
    for kind in DAMAGES:
        say(f"damage: {kind}")
        regeneration.append(_healing(model, judge, kind, kept, moments))
    sizes = []
    for factor in FACTORS:
        if factor * found.pixels.shape[-1] > LARGEST:
            continue
        say(f"{factor * res}×{factor * res} cells")
        large = woven(automaton, (factor * res, factor * res), damaged_at, condition=condition)
        sizes.append(_look(model, judge, large, factor, damaged_at))
    return TextureEvaluation(
        target=found.name,
        architecture=spec.describe(),
        res=res,
        pixels=found.pixels.shape[-1],
        painted=spec.decoder is not None,
        seeds=seeds,
        floor=judge.floor,
        floor_by=judge.by,
        ceiling=judge.ceiling,
        looks=tuple(looks[step] for step in STEPS),
        sizes=tuple(sizes),
        regeneration=tuple(regeneration),
        maps=_maps(model, found, kept[damaged_at], say),
        exemplar=images.drawn(lit.seen(whole, spec.decoder) if spec.decoder else pixels, WHITE),
        shuffled=images.drawn(judge.shuffled, WHITE),
    )


def _look(model: Model, judge: Judge, state: Tensor, factor: int, steps: int) -> Look:
    rgb = _seen(model, judge, state)
    distance = _measured(judge, rgb)
    mean, spread = colours_apart(rgb.clamp(0, 1), judge.exemplar)
    picture = images.picture(model.automaton, state[0], WHITE, rgb.shape[-1])
    return Look(factor, steps, distance, judge.way(distance.mean), mean, spread, picture)


def _maps(
    model: Model, found: exemplar.Exemplar, states: Tensor, say: Callable[[str], object]
) -> tuple[MapsLook, ...]:
    """How like the exemplar's the maps of a material are, each picture of them by itself."""
    decoder = model.spec.decoder
    if decoder is None or not decoder.maps:
        return ()
    pixels = found.pixels.shape[-1]
    painted = [torch.cat(list(model.automaton.bands(state, pixels, whole=True)), dim=1) for state in states]
    looks = []
    for name, view in views_of(decoder.places()).items():
        say(name)
        wanted, *others = (
            torch.from_numpy(one[list(view)]).to(states) for one in (found.pixels, *found.others())
        )
        judge = Judge(wanted, others)
        distance = judge.distance(torch.stack(painted)[:, list(view)]).mean().item()
        looks.append(MapsLook(name, judge.floor, distance, judge.ceiling, judge.way(distance)))
    return tuple(looks)


def _judged(model: Model) -> int | None:
    """Pixels along a side of what is judged where a decoder paints: as trained, if they are not too many."""
    return min(model.pixels, LARGEST // model.res * model.res) if model.spec.decoder else None


def _seen(model: Model, judge: Judge, state: Tensor) -> Tensor:
    """What is seen of states of any size, to each cell as many pixels as the exemplar has."""
    return model.automaton.view(state, judge.exemplar.shape[-1] * state.shape[-1] // model.res)


def _measured(judge: Judge, rgb: Tensor) -> Measure:
    distances = judge.distance(rgb)
    return Measure(distances.mean().item(), distances.std().item() if len(distances) > 1 else 0.0)


def colours_apart(rgb: Tensor, exemplar: Tensor) -> tuple[float, float]:
    """How far colours lie from an exemplar's.

    Args:
        rgb: `[batch, 3, height, width]`.
        exemplar: `[3, height, width]`.

    Returns:
        The distance of the means, 1 being that of black and white in one channel; and of the covariances, as
        a share of the exemplar's (both by the root of the sum of squares).
    """
    points, wanted = rgb.transpose(0, 1).flatten(1), exemplar.flatten(1)
    covariance = wanted.cov()
    return (
        (points.mean(1) - wanted.mean(1)).norm().item(),
        ((points.cov() - covariance).norm() / covariance.norm().clamp_min(1e-12)).item(),
    )


def _healing(
    model: Model, judge: Judge, kind: str, kept: dict[int, Tensor], moments: tuple[int, int]
) -> Healing:
    """Damage textures and let them heal until the time of the undamaged ones that are held against them."""
    spec, (damaged_at, healed_at) = model.spec, moments
    before, undamaged = (kept[step] for step in moments)
    cut = before.clone()
    cut[:, : spec.channels] = KINDS[kind](before[:, : spec.channels])
    *_, (_, later) = walk(model.automaton, cut, [healed_at], start=damaged_at)
    course = Course.of(
        *(judge.distance(_seen(model, judge, state)) for state in (before, cut, later, undamaged)),
        empty=judge.distance(_seen(model, judge, torch.zeros_like(before[:1]))).item(),
    )
    side = judge.exemplar.shape[-1]
    pictures = (images.picture(model.automaton, state[0], WHITE, side) for state in (cut, later))
    return Healing(kind, damaged_at, healed_at, course, *pictures)


def cut_of(model: Model) -> dict[str, Any]:
    """How a model's exemplar was cut out of its picture, as its recipe says."""
    recipe = model.training.get("recipe")
    terms = recipe.get("loss") if isinstance(recipe, dict) else None
    terms = terms if isinstance(terms, dict) else {}
    scale, crop = terms.get("scale", 0.0), terms.get("crop", [0.5, 0.5])
    if not isinstance(crop, list) or len(crop) != 2:
        raise BadRequest(f"loss.crop of the model's recipe must be two fractions, got {crop!r}")
    x, y = (checks.number("each of loss.crop of the model's recipe", value, 0, 1) for value in crop)
    return {"scale": checks.number("loss.scale of the model's recipe", scale, 0, 10_000), "crop": (x, y)}

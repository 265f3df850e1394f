"""What a repair is given: what is left of a network, what was stored of it, and what images look like."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest
from petri.repair import fills
from petri.repair.calibration import Sight, Statistics, recalibrated
from petri.repair.habits import Habits, use
from petri.repair.kriging import kriging
from petri.repair.networks import Weights


def picture(pixels: int) -> tuple[int, int]:
    """Height and width of the square picture that a unit's weights are.

    Raises:
        BadRequest: so many pixels make no square.
    """
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise BadRequest(f"the weights of a unit must make a square picture, got {pixels}")
    return side, side


@dataclass(frozen=True)
class Damaged:
    """A network of which weights of the first layer are lost; the rest of it is whole."""

    network: Weights  # 0 where a weight is lost
    known: Tensor  # bool [unit, pixel]
    stored: Statistics  # of the undamaged network
    sight: Sight  # of unlabelled images
    habits: Habits | None = None  # of other networks

    @classmethod
    def of(
        cls, whole: Weights, known: Tensor, stored: Statistics, sight: Sight, habits: Habits | None = None
    ) -> Damaged:
        """An undamaged network without what a mask does not know."""
        return cls(replace(whole, first=fills.zero(whole.first, known)), known, stored, sight, habits)

    @property
    def scale(self) -> float:
        """Deviation of the known weights, by which an automaton's are divided."""
        return max(float(self.network.first[self.known].square().mean().sqrt()), 1e-12)

    def with_first(self, first: Tensor, *, calibrate: bool) -> Weights:
        """The network with an estimate of its first layer."""
        network = replace(self.network, first=first)
        return recalibrated(network, self.stored, self.sight) if calibrate else network


def planes(damaged: Damaged, names: tuple[str, ...]) -> Tensor:
    """Fixed planes of each unit's picture, `[unit, plane, pixel]`; the mask comes first.

    Args:
        damaged: the network.
        names: further planes, of `PLANES`.
    """
    known = damaged.known.float()
    return torch.stack([known, *(PLANES[name](damaged).expand_as(known) for name in names)], dim=1)


def _mean(damaged: Damaged) -> Tensor:
    """How bright each pixel is."""
    return 3 * damaged.sight.mean


def _deviation(damaged: Damaged) -> Tensor:
    """How much each pixel differs from image to image."""
    return 3 * damaged.sight.covariance.diag().clamp(min=0).sqrt()


def _layer(damaged: Damaged) -> Tensor:
    """What the other units know at the same pixel, the mean of it."""
    known, first = damaged.known.float(), damaged.network.first
    count = known.sum(0) - known
    return (first.sum(0) - first) / count.clamp(min=1) / damaged.scale


def _alike(damaged: Damaged) -> Tensor:
    """And of units that the next layer uses alike; of those that it uses the other way, the opposite."""
    use = F.normalize(damaged.network.second.T, dim=1)
    likeness = (use @ use.T).fill_diagonal_(0)
    weight = likeness.abs() @ damaged.known.float()
    return (likeness @ damaged.network.first) / weight.clamp(min=1) / damaged.scale


def likely(damaged: Damaged) -> Tensor:
    """What a zoo's templates say of each unit, by what the next layer uses it for; scaled to what is known.

    Raises:
        BadRequest: there is no zoo.
    """
    if damaged.habits is None:
        raise BadRequest("templates are of a zoo of networks, there is none")
    first, known = damaged.network.first, damaged.known
    said = use(damaged.network) @ damaged.habits.templates
    there = fills.zero(said, known)
    return said * ((there * first).sum() / there.square().sum().clamp(min=1e-12))


def drifted(damaged: Damaged) -> Tensor:
    """Kriging of what the zoo's templates leave: the first layer, `[unit, pixel]`."""
    first, known, said = damaged.network.first, damaged.known, likely(damaged)
    left = fills.zero(first - said, known)
    return fills.over(first, known, said + kriging(left, known, picture(known.shape[1])))


def _likely(damaged: Damaged) -> Tensor:
    return likely(damaged) / damaged.scale


def _kriged(damaged: Damaged) -> Tensor:
    return drifted(damaged) / damaged.scale


PLANES = {
    "mean": _mean,
    "deviation": _deviation,
    "layer": _layer,
    "alike": _alike,
    "likely": _likely,
    "kriged": _kriged,
}
FROM_A_ZOO = ("likely", "kriged")  # planes that need templates

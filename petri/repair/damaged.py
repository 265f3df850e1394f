"""What a repair is given: what is left of a network, what was stored of it, and what images look like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest
from petri.repair import fills
from petri.repair.calibration import Sight, Statistics, recalibrated
from petri.repair.habits import Habits, use
from petri.repair.kriging import conditional, fit
from petri.repair.layers import Part


@dataclass(frozen=True)
class Damaged:
    """A network of which weights of one layer are lost; the rest of it is whole."""

    part: Part  # 0 where a weight is lost
    known: Tensor  # bool [unit, input]
    stored: Statistics  # of the undamaged layer
    sight: Sight  # of what the layer is given of unlabelled images
    habits: Habits | None = None  # of other networks

    @classmethod
    def of(
        cls, whole: Part, known: Tensor, stored: Statistics, sight: Sight, habits: Habits | None = None
    ) -> Damaged:
        """An undamaged network without what a mask does not know."""
        return cls(whole.with_matrix(fills.zero(whole.matrix, known)), known, stored, sight, habits)

    @property
    def matrix(self) -> Tensor:
        """What is left of the layer, `[unit, input]`."""
        return self.part.matrix

    @property
    def scale(self) -> float:
        """Deviation of the known weights, by which an automaton's are divided."""
        return max(float(self.matrix[self.known].square().mean().sqrt()), 1e-12)

    def repaired(self, matrix: Tensor, *, calibrate: bool) -> Part:
        """The network with an estimate of the layer."""
        part = self.part.with_matrix(matrix)
        return recalibrated(part, self.stored, self.sight) if calibrate else part

    def kriging(self, matrix: Tensor) -> Tensor:
        """Kriging of a matrix of which is known what is known of the layer: each picture on its own.

        Raises:
            BadRequest: the weights are no pictures.
        """
        part, side = self.part, self.side
        rows, known = part.cut(matrix), part.cut(self.known)
        found = fit(rows, known, side)
        mean = torch.full(rows.shape[1:], found.mean)
        return part.joined(conditional(rows, known, mean, found.covariance(side)))

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of the pictures that its weights are.

        Raises:
            BadRequest: they are none.
        """
        if self.part.side is None:
            raise BadRequest(f"the weights of {self.part.name} are no pictures")
        return self.part.side

    @cached_property
    def kriged(self) -> Tensor:
        """The layer by kriging."""
        return self.kriging(self.matrix)

    @cached_property
    def drifted(self) -> Tensor:
        """The layer by kriging of what the zoo's templates leave."""
        said = likely(self)
        left = fills.zero(self.matrix - said, self.known)
        return fills.over(self.matrix, self.known, said + self.kriging(left))


def planes(damaged: Damaged, names: tuple[str, ...]) -> Tensor:
    """Fixed planes, `[plane, unit, input]`; the mask comes first.

    Args:
        damaged: the network.
        names: further planes, of `PLANES`.
    """
    known = damaged.known.float()
    return torch.stack([known, *(PLANES[name](damaged).expand_as(known) for name in names)])


def _mean(damaged: Damaged) -> Tensor:
    """How bright each pixel is."""
    return 3 * damaged.sight.mean


def _deviation(damaged: Damaged) -> Tensor:
    """How much each pixel differs from image to image."""
    return 3 * damaged.sight.covariance.diag().clamp(min=0).sqrt()


def _layer(damaged: Damaged) -> Tensor:
    """What the other units know at the same pixel, the mean of it."""
    known, matrix = damaged.known.float(), damaged.matrix
    count = known.sum(0) - known
    return (matrix.sum(0) - matrix) / count.clamp(min=1) / damaged.scale


def _alike(damaged: Damaged) -> Tensor:
    """And of units that the next layer uses alike; of those that it uses the other way, the opposite."""
    following = damaged.part.following
    assert following is not None  # see `obstacle` in variants.py
    column = F.normalize(following.T, dim=1)
    likeness = (column @ column.T).fill_diagonal_(0)
    weight = likeness.abs() @ damaged.known.float()
    return (likeness @ damaged.matrix) / weight.clamp(min=1) / damaged.scale


def likely(damaged: Damaged) -> Tensor:
    """What a zoo's templates say of each unit, by what the next layer uses it for; scaled to what is known.

    Raises:
        BadRequest: there is no zoo, or it has no templates.
    """
    if damaged.habits is None or damaged.habits.templates is None:
        raise BadRequest("templates are of a zoo of networks, there is none")
    matrix, known = damaged.matrix, damaged.known
    said = use(damaged.part) @ damaged.habits.templates
    there = fills.zero(said, known)
    return said * ((there * matrix).sum() / there.square().sum().clamp(min=1e-12))


def _likely(damaged: Damaged) -> Tensor:
    return likely(damaged) / damaged.scale


def _kriged(damaged: Damaged) -> Tensor:
    return damaged.drifted / damaged.scale


PLANES = {
    "mean": _mean,
    "deviation": _deviation,
    "layer": _layer,
    "alike": _alike,
    "likely": _likely,
    "kriged": _kriged,
}

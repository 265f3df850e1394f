"""What one layer of a zoo of networks has in common: what can be known of a network that none has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest
from petri.repair.layers import CLASSES, Part

SHRUNK = 0.1  # share of the covariance that is left to each pixel alone
RIDGE = 1.0  # units that the templates are held to nothing by


@dataclass(frozen=True)
class Habits:
    """Of pictures, or of other rows as `Part.cut` has them, in deviations of their layer's weights."""

    mean: Tensor  # [pixel]
    covariance: Tensor  # [pixel, pixel]
    # [class, pixel]: what a unit looks like that speaks for one class alone; None: it has no such picture
    templates: Tensor | None

    @classmethod
    def of(cls, zoo: Sequence[Part]) -> Habits:
        """Of one layer of each network."""
        units = torch.cat([one.cut(one.matrix / one.matrix.square().mean().sqrt()) for one in zoo])
        middle = units.mean(0)
        covariance = (units - middle).T @ (units - middle) / len(units)
        own = torch.diag(covariance.diag())
        covariance = (1 - SHRUNK) * covariance + SHRUNK * own + 1e-4 * torch.eye(len(own))
        if not all(speaks(one) for one in zoo):
            return cls(middle, covariance, None)
        uses = torch.cat([use(one) for one in zoo])
        square = uses.T @ uses + RIDGE * torch.eye(uses.shape[1])
        return cls(middle, covariance, torch.linalg.solve(square, uses.T @ units))

    def permuted(self, order: Tensor) -> Habits:
        """Of the same networks with their pixels in another order."""
        templates = None if self.templates is None else self.templates[:, order]
        return Habits(self.mean[order], self.covariance[order][:, order], templates)

    @property
    def covariance_bytes(self) -> int:
        """What storing mean and covariance takes, as float32: a symmetric matrix needs half."""
        count = len(self.mean)
        return 4 * (count + count * (count + 1) // 2)

    @property
    def template_bytes(self) -> int:
        """What storing the templates takes, as float32."""
        return 0 if self.templates is None else 4 * self.templates.numel()


def speaks(part: Part) -> bool:
    """Whether each unit is one picture, of which the next layer makes the classes."""
    return part.pictures == 1 and part.following is not None and len(part.following) == CLASSES


def use(part: Part) -> Tensor:
    """What each unit speaks for, `[unit, class]`: its column of the next layer, of mean 0 and length 1.

    Raises:
        BadRequest: there is no next layer.
    """
    if part.following is None:
        raise BadRequest(f"what units are used for is in the next layer, after {part.name} there is none")
    columns = part.following.T
    return F.normalize(columns - columns.mean(1, keepdim=True), dim=1)

"""What the first layers of a zoo of networks have in common: what can be known of one that none has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.repair.networks import Weights

SHRUNK = 0.1  # share of the covariance that is left to each pixel alone
RIDGE = 1.0  # units that the templates are held to nothing by


@dataclass(frozen=True)
class Habits:
    """Of units, in deviations of their layer's weights."""

    mean: Tensor  # [pixel]
    covariance: Tensor  # [pixel, pixel]
    templates: Tensor  # [class, pixel]: what a unit looks like that speaks for one class alone

    @classmethod
    def of(cls, zoo: Sequence[Weights]) -> Habits:
        """Of networks."""
        units = torch.cat([one.first / one.first.square().mean().sqrt() for one in zoo])
        middle = units.mean(0)
        covariance = (units - middle).T @ (units - middle) / len(units)
        own = torch.diag(covariance.diag())
        covariance = (1 - SHRUNK) * covariance + SHRUNK * own + 1e-4 * torch.eye(len(own))
        uses = torch.cat([use(one) for one in zoo])
        square = uses.T @ uses + RIDGE * torch.eye(uses.shape[1])
        return cls(middle, covariance, torch.linalg.solve(square, uses.T @ units))

    def permuted(self, order: Tensor) -> Habits:
        """Of the same networks with their pixels in another order."""
        return Habits(self.mean[order], self.covariance[order][:, order], self.templates[:, order])

    @property
    def covariance_bytes(self) -> int:
        """What storing mean and covariance takes, as float32: a symmetric matrix needs half."""
        count = len(self.mean)
        return 4 * (count + count * (count + 1) // 2)

    @property
    def template_bytes(self) -> int:
        """What storing the templates takes, as float32."""
        return 4 * self.templates.numel()


def use(network: Weights) -> Tensor:
    """What each unit speaks for, `[unit, class]`: its column of the second layer, of mean 0 and length 1."""
    columns = network.second.T
    return F.normalize(columns - columns.mean(1, keepdim=True), dim=1)

"""Recalibration: two numbers a unit, stored while the network was whole, put its pre-activations right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from petri.repair.layers import TOGETHER, Part

UNLABELLED = 2000  # images that a repair may look at
BYTES = 8  # a unit


@dataclass(frozen=True)
class Sight:
    """Mean and covariance of what a layer is given, of which those of its pre-activations follow."""

    mean: Tensor  # [input]
    covariance: Tensor  # [input, input]

    @classmethod
    def of(cls, images: Tensor) -> Sight:
        """Of images `[image, pixel]`, or of what else a layer is given, `[row, input]`."""
        middle = images.mean(0)
        apart = images - middle
        return cls(middle, apart.T @ apart / len(images))

    @classmethod
    def by(cls, part: Part, images: Tensor) -> Sight:
        """Of what a layer is given of images `[image, pixel]`."""
        if not part.layer.convolves:
            return cls.of(part.rows(part.given(images)))
        groups = images.split(TOGETHER)
        seen = [cls.of(part.rows(part.given(group))) for group in groups]
        shares = [len(group) / len(images) for group in groups]
        middle = sum((share * one.mean for share, one in zip(shares, seen, strict=True)), torch.zeros(()))
        covariance = torch.zeros(())
        for share, one in zip(shares, seen, strict=True):
            off = one.mean - middle
            covariance = covariance + share * (one.covariance + off[:, None] * off[None])
        return cls(middle, covariance)

    def permuted(self, order: Tensor) -> Sight:
        """Of the same images with their pixels in another order."""
        return Sight(self.mean[order], self.covariance[order][:, order])


@dataclass(frozen=True)
class Statistics:
    """What is stored of a layer."""

    mean: Tensor  # [unit]
    deviation: Tensor  # [unit]


def statistics(part: Part, sight: Sight) -> Statistics:
    """Mean and deviation of each unit's pre-activation, by what its layer is given."""
    variance = ((part.matrix @ sight.covariance) * part.matrix).sum(1)
    return Statistics(part.matrix @ sight.mean + part.bias, variance.clamp(min=0).sqrt())


def recalibrated(part: Part, wanted: Statistics, sight: Sight) -> Part:
    """The layer, each unit's weights scaled and its bias moved until its pre-activations are as stored.

    A unit whose weights are all the same nothing is left as it is.
    """
    now = statistics(part, sight)
    scale = torch.where(now.deviation > 1e-12, wanted.deviation / now.deviation.clamp(min=1e-12), 1.0)
    matrix = part.matrix * scale[:, None]
    return part.with_matrix(matrix, wanted.mean - matrix @ sight.mean)

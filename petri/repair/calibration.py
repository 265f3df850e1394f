"""Recalibration: two numbers a unit, stored while the network was whole, put its pre-activations right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from petri.repair.networks import Weights

UNLABELLED = 2000  # images that a repair may look at
BYTES = 8  # a unit


@dataclass(frozen=True)
class Sight:
    """What is to be known of images: their mean and covariance, of which those of pre-activations follow."""

    mean: Tensor  # [pixel]
    covariance: Tensor  # [pixel, pixel]

    @classmethod
    def of(cls, images: Tensor) -> Sight:
        """Of images `[image, pixel]`."""
        middle = images.mean(0)
        apart = images - middle
        return cls(middle, apart.T @ apart / len(images))

    def permuted(self, order: Tensor) -> Sight:
        """Of the same images with their pixels in another order."""
        return Sight(self.mean[order], self.covariance[order][:, order])


@dataclass(frozen=True)
class Statistics:
    """What is stored of a layer."""

    mean: Tensor  # [unit]
    deviation: Tensor  # [unit]


def statistics(first: Tensor, bias: Tensor, sight: Sight) -> Statistics:
    """Mean and deviation of each unit's pre-activation.

    Args:
        first: `[unit, pixel]`.
        bias: `[unit]`.
        sight: of the images.
    """
    variance = ((first @ sight.covariance) * first).sum(1)
    return Statistics(first @ sight.mean + bias, variance.clamp(min=0).sqrt())


def recalibrated(network: Weights, wanted: Statistics, sight: Sight) -> Weights:
    """The network, each unit's weights scaled and its bias moved until its pre-activations are as stored.

    A unit whose weights are all the same nothing is left as it is.
    """
    now = statistics(network.first, network.first_bias, sight)
    scale = torch.where(now.deviation > 1e-12, wanted.deviation / now.deviation.clamp(min=1e-12), 1.0)
    first = network.first * scale[:, None]
    return replace(network, first=first, first_bias=wanted.mean - first @ sight.mean)

"""How weights are changed: Adam on normalised gradients, with a one-cycle learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

WARM_UP = 0.1  # share of the run


def learning_rate(epoch: int, epochs: int, peak: float) -> float:
    """Rate of an epoch, counted from 0: a straight rise over the first tenth, then half a cosine to 0."""
    warm = max(1.0, WARM_UP * epochs)
    if epoch < warm:
        return peak * (epoch + 1) / (warm + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm)))


def normalise_gradients(parameters: Iterable[Tensor]) -> None:
    """Divide each parameter's gradient by its norm: long rollouts make gradients of any size.

    Source: Mordvintsev et al. 2020.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad /= parameter.grad.norm() + 1e-8


def make(parameters: dict[str, Tensor]) -> torch.optim.Adam:
    """Adam, whose state exists from the start, so that it can be saved and loaded at any epoch."""
    optimiser = torch.optim.Adam(parameters.values())
    for parameter in parameters.values():
        optimiser.state[parameter] = {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimiser

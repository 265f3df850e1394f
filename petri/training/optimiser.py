"""How weights are changed: Adam or Muon, tamed gradients, a rate that rises and falls, and an average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.nca import Automaton
from petri.training.muon import Muon
from petri.training.recipe import Optimisation


@dataclass(frozen=True)
class Group:
    """Weights that are changed alike."""

    weights: tuple[Tensor, ...]
    rate: float = 1.0  # share of the learning rate
    clip: float | None = (
        None  # most of their gradients' norm, of all together; None: each is divided by its own
    )


def groups(automaton: Automaton, how: Optimisation) -> list[Group]:
    """All weights of an automaton: those of its step, and apart from them those of its decoder.

    No long rollout lies between a decoder and its loss: its gradients have a size that means something.
    """
    step = (automaton.perception, automaton.rule)
    found = [Group(tuple(weight for part in step for weight in part.parameters()), clip=how.clip or None)]
    if automaton.decoder is not None:
        found.append(Group(tuple(automaton.decoder.parameters()), how.decoder_rate, how.decoder_clip))
    return found


def learning_rate(epoch: int, epochs: int, how: Optimisation) -> float:
    """Rate of an epoch of a phase, counted from 0; each phase has its own rise and fall.

    `one-cycle`: a straight rise over the warm-up, then half a cosine to 0. `drop`: after the warm-up the
    peak, from a quarter of the phase on a tenth of it, or as the recipe says.

    Source: Smith and Topin 2018, in its later form; Mordvintsev et al. 2020 for `drop`.
    """
    warm = how.warm_up * epochs
    if epoch < warm:
        return how.learning_rate * (epoch + 1) / (math.ceil(warm) + 1)
    if how.schedule == "drop":
        return how.learning_rate * (how.drop_to if epoch >= how.drop_at * epochs else 1.0)
    return how.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm)))


def normalise_gradients(parameters: Iterable[Tensor]) -> None:
    """Divide each parameter's gradient by its norm: long rollouts make gradients of any size.

    Source: Mordvintsev et al. 2020.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad /= parameter.grad.norm() + 1e-8


def tame_gradients(groups: Iterable[Group]) -> None:
    """Normalise or clip each group's gradients."""
    for group in groups:
        if group.clip is None:
            normalise_gradients(group.weights)
        else:
            torch.nn.utils.clip_grad_norm_(group.weights, group.clip)


def make(groups: Sequence[Group], how: Optimisation) -> torch.optim.Adam:
    """The recipe's, whose state exists from the start, so that it can be saved and loaded at any epoch."""
    method = {"adam": torch.optim.Adam, "muon": Muon}[how.method]
    optimiser = method([{"params": group.weights} for group in groups], betas=(0.9, how.beta2))
    for parameter in (weight for group in groups for weight in group.weights):
        optimiser.state[parameter] = {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimiser


def set_rate(optimiser: torch.optim.Adam, groups: Sequence[Group], rate: float) -> None:
    """Give each group of weights its share of a learning rate."""
    for place, group in zip(optimiser.param_groups, groups, strict=True):
        place["lr"] = rate * group.rate


@torch.no_grad()
def update_average(
    average: dict[str, Tensor], weights: Mapping[str, Tensor], decay: float, epoch: int
) -> None:
    """Move an average of weights a little towards them; more in the first epochs: it forgets its start.

    Args:
        average, weights: by name.
        decay: share of the old average that stays, in [0, 1).
        epoch: counted from 1.
    """
    decay = min(decay, epoch / (epoch + 9))
    for name, weight in weights.items():
        average[name].lerp_(weight, 1 - decay)

"""What the authors of a model took for granted, and the weights alone do not tell."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from petri import checks
from petri.nca import Automaton, Spec
from petri.nca.padding import PADDINGS
from petri.nca.senses.stencil import SLOPES

DIVISOR = 8  # of petri's own filters
ORDERS = ("interleaved", "blocks")
AXES = ("xy", "yx")


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a published model perceives, and how it is seen.

    Raises:
        BadRequest: a value that is none of those that there are.
    """

    order: str = "interleaved"  # of features: each channel's filters, or (blocks) each filter's channels
    divisor: float = 1.0  # of the filters' whole numbers, -1 0 1 / -2 0 2 / -1 0 1 and so on
    axes: str = "xy"  # which slope comes first, that along x or that along y
    padding: str = "wrap"
    offset: float = 0.0  # added to channels 0 to 2 for the colours

    def __post_init__(self) -> None:
        checks.choice("order", self.order, ORDERS)
        checks.choice("axes", self.axes, AXES)
        checks.choice("padding", self.padding, PADDINGS)
        for name, low in (("divisor", 0.0), ("offset", -1e3)):
            value = checks.number(name, getattr(self, name), low, 1e3, low_open=name == "divisor")
            object.__setattr__(self, name, value)

    def others(self) -> Iterator[tuple[str, Convention]]:
        """Each convention that differs in what decides whether anything grows, and in what it differs."""
        for divisor, order in itertools.product((1.0, 8.0), ORDERS):
            changes = [f"divisor {divisor:g}"] * (divisor != self.divisor)
            changes += [f"order {order}"] * (order != self.order)
            if changes:
                yield " and ".join(changes), replace(self, divisor=divisor, order=order)


@dataclass(frozen=True)
class Layers:
    """The weights of a rule with one hidden layer, as a file has them."""

    first: Tensor  # [hidden, filters · channels]
    first_bias: Tensor  # [hidden]
    last: Tensor  # [channels, hidden]
    last_bias: Tensor | None = None  # [channels]; none is zero

    @property
    def channels(self) -> int:
        """Of the state."""
        return self.last.shape[0]

    @property
    def filters(self) -> int:
        """Features a channel."""
        return self.first.shape[1] // self.channels


def settle(spec: Spec, layers: Layers, convention: Convention) -> Automaton:
    """An automaton of petri with such weights; their products are taken in float64.

    The Spec's perception is the filters of `layers`, the identity first and then the slopes.
    """
    columns = layers.first.double()
    if convention.order == "blocks":
        columns = columns.unflatten(1, (layers.filters, layers.channels)).transpose(1, 2).clone()
    else:
        columns = columns.unflatten(1, (layers.channels, layers.filters)).clone()
    columns[:, :, 1:] *= DIVISOR / convention.divisor
    if convention.axes == "yx":
        columns[:, :, 1 : len(SLOPES)] = columns[:, :, 1 : len(SLOPES)].flip(2)
    automaton = Automaton(spec, generator=torch.Generator())
    rule = automaton.rule
    rule.weights[0].data.copy_(columns.flatten(1))
    rule.biases[0].data.copy_(layers.first_bias)
    rule.weights[1].data.copy_(layers.last)
    rule.biases[1].data.copy_(torch.zeros(layers.channels) if layers.last_bias is None else layers.last_bias)
    return automaton

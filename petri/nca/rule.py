"""The rule every cell runs: a small network from what it senses to how it wants to change."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest

BOUNDS = ("sensed_bound", "hidden_bound", "change_bound")


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """Two or three pointwise layers with ReLU between.

    The bounds clamp what is sensed and the change to ±bound, and hidden units to at most the bound, as
    quantised published models need it.

    Raises:
        BadRequest: a value out of range or two that contradict each other.

    Source: the report, "Update Rule"; Niklasson et al. 2021 (the bounds).
    """

    hidden: int = 64  # width of the hidden layers, a multiple of 16
    layers: int = 3  # 2 (perception, hidden, update) or 3 (one hidden layer more)
    residual: bool = False  # add hidden layer 1 to hidden layer 2; needs 3 layers
    gated: bool = False  # one more output, a sigmoid: the cell's own probability to fire
    sensed_bound: float | None = None
    hidden_bound: float | None = None
    change_bound: float | None = None

    def __post_init__(self) -> None:
        checks.whole("hidden", self.hidden, 16, 512)
        if self.hidden % 16:
            raise BadRequest(f"hidden must be a multiple of 16, got {self.hidden}")
        checks.whole("layers", self.layers, 2, 3)
        for name in ("residual", "gated"):
            checks.truth(name, getattr(self, name))
        if self.residual and self.layers != 3:
            raise BadRequest(f"residual needs layers = 3, got layers = {self.layers}")
        for name in BOUNDS:
            if getattr(self, name) is not None:
                bound = checks.number(name, getattr(self, name), 0.0, 1e6, low_open=True)
                object.__setattr__(self, name, bound)

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return any(getattr(self, name) is not None for name in BOUNDS)

    def describe(self) -> str:
        """In a few words, such as `64 hidden · 3 layers residual`."""
        words = f"{self.hidden} hidden · {self.layers} layers" + " residual" * self.residual
        return words + " gated" * self.gated + " bounded" * self.bounded


RULES: dict[str, type] = {"mlp": Mlp}
# The shapes of rule there are, by the words with which a Spec describes them.
SHAPES: dict[str, dict[str, Any]] = {
    "2 layers": {"layers": 2, "residual": False, "gated": False},
    "2 layers gated": {"layers": 2, "residual": False, "gated": True},
    "3 layers": {"layers": 3, "residual": False, "gated": False},
    "3 layers residual": {"layers": 3, "residual": True, "gated": False},
    "3 layers gated": {"layers": 3, "residual": False, "gated": True},
    "3 layers residual gated": {"layers": 3, "residual": True, "gated": True},
}


class Rule(nn.Module):
    """What an `Mlp` describes; the output layer starts at zero.

    Args:
        mlp: the layers.
        features: numbers that a cell senses.
        outputs: an update a channel and, if gated, the gate.

    Attributes:
        weights: matrices `[out, in]`, first layer first.
        biases: vectors `[out]`.

    Source: the report, "Update Rule" and "Neutral Initialization".
    """

    def __init__(
        self, mlp: Mlp, features: int, outputs: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.mlp, self.outputs = mlp, outputs
        sizes = [features] + [mlp.hidden] * (mlp.layers - 1) + [outputs]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, width in itertools.pairwise(sizes):
            last = len(self.weights) == mlp.layers - 1
            bound = 0.0 if last else 1.0 / math.sqrt(inputs)
            for values, shape in ((self.weights, (width, inputs)), (self.biases, (width,))):
                values.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))

    def forward(self, features: Tensor) -> Tensor:
        """Propose a change.

        Args:
            features: `[batch, features, height, width]`, from `Perception`.

        Returns:
            `[batch, outputs, height, width]`: an update a channel and, if gated, the gate's logit.
        """
        mlp = self.mlp
        *inner, last = zip(self.weights, self.biases, strict=True)
        hidden = _within(features, mlp.sensed_bound)
        for depth, (weight, bias) in enumerate(inner):
            above = F.relu(_pointwise(hidden, weight, bias))
            if mlp.hidden_bound is not None:
                above = above.clamp(max=mlp.hidden_bound)
            hidden = above + hidden if mlp.residual and depth == 1 else above
        proposed = _pointwise(hidden, *last)
        if mlp.change_bound is None:
            return proposed
        changes = self.outputs - mlp.gated
        bounded = _within(proposed[:, :changes], mlp.change_bound)
        return torch.cat([bounded, proposed[:, changes:]], dim=1) if mlp.gated else bounded


def _within(values: Tensor, bound: float | None) -> Tensor:
    return values if bound is None else values.clamp(-bound, bound)


def _pointwise(cells: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(cells, weight[:, :, None, None], bias)

"""The rule every cell runs: a small network from what it senses to how it wants to change."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri.nca.spec import Spec


class Rule(nn.Module):
    """Two or three pointwise layers with ReLU between; the output layer starts at zero.

    Attributes:
        weights: matrices `[out, in]`, first layer first.
        biases: vectors `[out]`.

    Source: the report, "Update Rule" and "Neutral Initialization".
    """

    def __init__(self, spec: Spec, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.residual = spec.residual
        sizes = [spec.features] + [spec.hidden] * (spec.layers - 1) + [spec.outputs]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, outputs in itertools.pairwise(sizes):
            last = len(self.weights) == spec.layers - 1
            bound = 0.0 if last else 1.0 / math.sqrt(inputs)
            for values, shape in ((self.weights, (outputs, inputs)), (self.biases, (outputs,))):
                values.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))

    def forward(self, features: Tensor) -> Tensor:
        """Propose a change.

        Args:
            features: `[batch, features, height, width]`, from `Perception`.

        Returns:
            `[batch, outputs, height, width]`: an update a channel and, if gated, the gate's logit.
        """
        *inner, last = zip(self.weights, self.biases, strict=True)
        hidden = features
        for depth, (weight, bias) in enumerate(inner):
            above = F.relu(_pointwise(hidden, weight, bias))
            hidden = above + hidden if self.residual and depth == 1 else above
        return _pointwise(hidden, *last)


def _pointwise(cells: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(cells, weight[:, :, None, None], bias)

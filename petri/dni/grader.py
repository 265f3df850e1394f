"""Graders: small networks that predict the gradient at an activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from petri.dni.network import linear

WIDER = 2  # the hidden layer of a grader, in widths of the activation: the report
LARGEST_PREDICTION = 1.0  # of one element: the report
LARGEST_NORM = 1.0  # of a grader's parameter gradients: the report
KINDS = ("mlp", "linear", "silent")
UNITS = ("sample", "mean")


class Grader(nn.Module):
    """Predicts the gradient of the loss with respect to one activation.

    Args:
        width: of the activation.
        kind: `mlp` (one hidden layer of twice the width, ReLU), `linear`, or `silent`, which predicts zero
            and learns nothing: the control that shows what predictions are worth.
        classes: a label-conditioned grader (cDNI) is also given the label as this many inputs; 0 for none.
        zero_init: whether the output layer starts at zero, so that nothing is predicted at first.
        generator: of the first weights.

    Source: the report, "Implementation"; the linear label-conditioned one is that of Jaderberg et al. 2017.
    """

    def __init__(
        self, width: int, *, kind: str, classes: int, zero_init: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.classes = classes
        sizes = (width + classes, *((WIDER * width,) if kind == "mlp" else ()), width)
        pairs = () if kind == "silent" else pairwise(sizes)
        self.layers = nn.ModuleList([linear(inputs, outputs, generator) for inputs, outputs in pairs])
        if zero_init and self.layers:
            for parameter in self.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, activation: Tensor, labels: Tensor) -> Tensor:
        """Predict a gradient `[batch, width]` from an activation `[batch, width]` and labels `[batch]`."""
        if not self.layers:
            return torch.zeros_like(activation)
        if self.classes:
            activation = torch.cat([activation, F.one_hot(labels, self.classes).to(activation)], 1)
        for layer in self.layers[:-1]:
            activation = layer(activation).relu()
        return self.layers[-1](activation)


@dataclass(frozen=True)
class Prediction:
    """What a grader says of one activation."""

    raw: Tensor  # [batch, width] in the graders' unit, with the graph that it learns through
    gradient: Tensor  # [batch, width]: bounded, of the mean loss of the batch, detached


class Graders(nn.Module):
    """The graders of several activations, with the one optimiser that trains them.

    Args:
        widths: of the activations, the lowest first.
        kind, classes, zero_init, generator: as for `Grader`.
        bounded: whether predictions are clamped to ±1 and each grader's parameter gradient to norm 1.
        unit: what a grader predicts the gradient of: the mean loss of the batch (`mean`, the report), whose
            elements shrink with the batch, or a sample's own loss (`sample`).
        learning_rate: of Adam.

    Source: the report, "Stability Conditions".
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        kind: str,
        classes: int,
        zero_init: bool,
        bounded: bool,
        unit: str,
        learning_rate: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.bounded, self.unit = bounded, unit
        self.each = nn.ModuleList(
            [
                Grader(width, kind=kind, classes=classes, zero_init=zero_init, generator=generator)
                for width in widths
            ]
        )
        self.adam = None if kind == "silent" else Adam(self.parameters(), lr=learning_rate, fused=True)

    def predict(self, index: int, activation: Tensor, labels: Tensor, *, learning: bool) -> Prediction:
        """Ask one grader.

        Args:
            index: of the activation.
            activation: `[batch, width]`; what is computed from it does not go back into it.
            labels: int64 `[batch]`.
            learning: whether `learn` follows.
        """
        with torch.set_grad_enabled(learning):
            raw = self.each[index](activation.detach(), labels)
        gradient = raw.detach()
        if self.bounded:
            gradient = gradient.clamp(-LARGEST_PREDICTION, LARGEST_PREDICTION)
        return Prediction(raw, gradient / self._scale(gradient))

    def learn(self, predictions: Sequence[Prediction], targets: Sequence[Tensor]) -> None:
        """Take one step of Adam towards the gradients that were to be predicted, by mean squared error.

        Args:
            predictions: of each grader, made with `learning`.
            targets: gradients of the mean loss of the batch, in the same order.
        """
        if self.adam is None:
            return
        self.adam.zero_grad()
        losses = [
            F.mse_loss(prediction.raw, target * self._scale(target))
            for prediction, target in zip(predictions, targets, strict=True)
        ]
        torch.stack(losses).sum().backward()
        if self.bounded:
            for grader in self.each:
                nn.utils.clip_grad_norm_(grader.parameters(), LARGEST_NORM, foreach=True)
        self.adam.step()

    def _scale(self, gradient: Tensor) -> int:
        return len(gradient) if self.unit == "sample" else 1

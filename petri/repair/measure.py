"""How good a repaired network is: what it says, and what its weights are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.repair.layers import Part


@dataclass(frozen=True)
class Judge:
    """What a repaired network is held against: the same network undamaged, on the test images."""

    whole: Part
    given: Tensor  # what the layer is given of the images
    labels: Tensor
    said: Tensor  # log-probabilities of the undamaged network, [image, class]

    @classmethod
    def of(cls, whole: Part, images: Tensor, labels: Tensor) -> Judge:
        """Of an undamaged network and images `[image, pixel]`."""
        given = whole.given(images)
        return cls(whole, given, labels, whole.outputs(given).log_softmax(1))

    @property
    def accuracy(self) -> float:
        """Of the undamaged network, percent."""
        return self._right(self.said)

    def _right(self, said: Tensor) -> float:
        return 100 * float((said.argmax(1) == self.labels).float().mean())

    def of_part(self, part: Part) -> tuple[float, float]:
        """Accuracy in percent, and the divergence (KL) from the undamaged outputs, nats an image."""
        said = part.outputs(self.given).log_softmax(1)
        return self._right(said), float(divergence(self.said, said))

    def explained(self, matrix: Tensor, known: Tensor) -> float:
        """R² of the missing weights: 1 if all are right, 0 for their mean; NaN if all are alike."""
        lost = ~known
        wanted = self.whole.matrix[lost]
        error = (matrix[lost] - wanted).double().square().sum()
        spread = (wanted - wanted.mean()).double().square().sum()
        return float(1 - error / spread) if spread > 0 else math.nan


def divergence(wanted: Tensor, said: Tensor) -> Tensor:
    """KL of log-probabilities from those that are wanted, `[image, class]` each: nats an image."""
    return (wanted.exp() * (wanted - said)).sum(1).mean()


def gradient(part: Part, images: Tensor) -> Tensor:
    """Of what the network says with the answers it gives itself, by the layer's weights, `[unit, input]`."""
    matrix = part.matrix.clone().requires_grad_()
    said = part.with_matrix(matrix).outputs(part.given(images))
    torch.nn.functional.cross_entropy(said, said.argmax(1)).backward()
    assert matrix.grad is not None
    return matrix.grad

"""How good a repaired network is: what it says, and what its weights are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from petri.repair.networks import Weights


@dataclass(frozen=True)
class Judge:
    """What a repaired network is held against: the same network undamaged, on the test images."""

    whole: Weights
    images: Tensor  # [image, pixel]
    labels: Tensor
    said: Tensor  # log-probabilities of the undamaged network, [image, class]

    @classmethod
    def of(cls, whole: Weights, images: Tensor, labels: Tensor) -> Judge:
        """Of an undamaged network."""
        return cls(whole, images, labels, whole.outputs(images).log_softmax(1))

    @property
    def accuracy(self) -> float:
        """Of the undamaged network, percent."""
        return self._right(self.said)

    def _right(self, said: Tensor) -> float:
        return 100 * float((said.argmax(1) == self.labels).float().mean())

    def of_network(self, network: Weights) -> tuple[float, float]:
        """Accuracy in percent, and the divergence (KL) from the undamaged outputs, nats an image."""
        said = network.outputs(self.images).log_softmax(1)
        return self._right(said), float((self.said.exp() * (self.said - said)).sum(1).mean())

    def explained(self, first: Tensor, known: Tensor) -> float:
        """R² of the missing weights: 1 if all are right, 0 for their mean."""
        lost = ~known
        wanted = self.whole.first[lost]
        error = (first[lost] - wanted).double().square().sum()
        return float(1 - error / (wanted - wanted.mean()).double().square().sum())


def gradient(network: Weights, images: Tensor) -> Tensor:
    """Of what the network says with the answers it gives itself, by the first layer's weights."""
    first = network.first.clone().requires_grad_()
    said = (images @ first.T + network.first_bias).relu() @ network.second.T + network.second_bias
    torch.nn.functional.cross_entropy(said, said.argmax(1)).backward()
    assert first.grad is not None
    return first.grad

"""Ways to give the layers of a network their gradients.

Each runs the network forward on a batch, leaves a gradient in `.grad` of every parameter of it, and returns
the loss, what the graders predicted and what they were to predict: the graders' own training is the caller's.
The last layer has the loss beside it and is always given the true gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.dni.blending import blend
from petri.dni.grader import Graders, Prediction
from petri.dni.network import Network


@dataclass(frozen=True)
class Backward:
    """What one backward pass gave."""

    loss: Tensor  # mean cross-entropy of the batch
    predictions: list[Prediction]  # of each hidden layer's grader
    targets: list[Tensor]  # the gradients, [batch, width], that the graders were to predict


def plain(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """Backpropagation; returns the loss."""
    network.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    return loss.detach()


def chained(
    network: Network, graders: Graders, images: Tensor, labels: Tensor, *, beta: float, learning: bool
) -> Backward:
    """The report's way: a hook on each activation replaces its gradient by the blend, which flows on.

    A lower layer, and its grader's target, so see what the upper hooks have left of the true gradient.

    Args:
        images, labels: the batch, `[batch, sizes[0]]` and int64 `[batch]`.
        beta: share of the synthetic gradients, 0..1.
        learning: whether the graders will learn from this batch.

    Source: the report, "Implementation".
    """
    network.zero_grad()
    predictions, targets = [], [images] * len(network.hidden)

    def hook(index: int, synthetic: Tensor) -> Callable[[Tensor], Tensor]:
        def replace(gradient: Tensor) -> Tensor:
            targets[index] = gradient
            return blend(gradient, synthetic, beta)

        return replace

    signal = images
    for index in network.hidden:
        signal = network.layer(index, signal)
        predictions.append(graders.predict(index, signal, labels, learning=learning))
        signal.register_hook(hook(index, predictions[index].gradient))
    loss = F.cross_entropy(network.layer(len(network.layers) - 1, signal), labels)
    loss.backward()
    return Backward(loss.detach(), predictions, targets)


def clean(
    network: Network, graders: Graders, images: Tensor, labels: Tensor, *, beta: float, learning: bool
) -> Backward:
    """The true gradient goes down untouched; only a layer's own weights are given its blend.

    Each grader so learns the gradient that plain backpropagation gives. The arguments are those of `chained`.
    """
    inputs, outputs, predictions = [], [], []
    signal = images
    for index in range(len(network.layers)):
        inputs.append(signal.detach().requires_grad_(index > 0))
        signal = network.layer(index, inputs[index])
        outputs.append(signal)
        if index in network.hidden:
            predictions.append(graders.predict(index, signal, labels, learning=learning))
    loss = F.cross_entropy(signal, labels)
    below = _give(network, len(network.hidden), loss, inputs[-1], None)
    targets = []
    for index in reversed(network.hidden):
        true = below
        targets.append(true)
        blended = blend(true, predictions[index].gradient, beta)
        if index > 0 and blended is not true:
            (below,) = torch.autograd.grad(outputs[index], inputs[index], true, retain_graph=True)
            _give(network, index, outputs[index], None, blended)
        else:
            below = _give(network, index, outputs[index], inputs[index] if index else None, blended)
    return Backward(loss.detach(), predictions, targets[::-1])


def decoupled(
    network: Network, graders: Graders, images: Tensor, labels: Tensor, *, learning: bool
) -> Backward:
    """No backward pass: a hidden layer has its gradients as soon as it has run, from its grader alone.

    A grader's target comes from the layer above, one layer back from that one's own synthetic gradient;
    only the top grader ever sees a true gradient. The arguments are those of `chained`.

    Source: Jaderberg et al. 2017, section 2.
    """
    predictions, targets = [], []
    signal = images
    for index in network.hidden:
        entering = signal.detach().requires_grad_(index > 0)
        signal = network.layer(index, entering)
        predictions.append(graders.predict(index, signal, labels, learning=learning))
        below = _give(network, index, signal, entering if index else None, predictions[index].gradient)
        if index > 0:
            targets.append(below)
    top = len(network.hidden)
    entering = signal.detach().requires_grad_(top > 0)
    loss = F.cross_entropy(network.layer(top, entering), labels)
    targets.append(_give(network, top, loss, entering, None))
    return Backward(loss.detach(), predictions, targets)


def _give(
    network: Network, index: int, output: Tensor, entering: Tensor | None, gradient: Tensor | None
) -> Tensor:
    """Give one layer's parameters their gradients; returns that of `entering`, if there is one."""
    parameters = list(network.layers[index].parameters())
    wanted = [*parameters, *([] if entering is None else [entering])]
    gradients = torch.autograd.grad(output, wanted, gradient)
    for parameter, value in zip(parameters, gradients, strict=False):
        parameter.grad = value
    return gradients[-1]


def true_gradients(network: Network, images: Tensor, labels: Tensor) -> list[Tensor]:
    """What plain backpropagation gives at each hidden activation; nothing else is changed."""
    activations = []
    signal = images
    for index in range(len(network.layers)):
        signal = network.layer(index, signal)
        activations.append(signal)
    loss = F.cross_entropy(signal, labels)
    return list(torch.autograd.grad(loss, activations[:-1]))

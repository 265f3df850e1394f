"""A classifier as its layers, and one of them as the matrix that is damaged and repaired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest

CLASSES = 10
TOGETHER = 250  # images that a convolution is given at once


def picture(pixels: int) -> tuple[int, int]:
    """Height and width of the square picture that so many weights are.

    Raises:
        BadRequest: so many pixels make no square.
    """
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise BadRequest(f"the weights of a unit must make a square picture, got {pixels}")
    return side, side


@dataclass(frozen=True)
class Layer:
    """What is stored of a layer."""

    weights: Tensor  # [unit, input]; of a convolution [unit, channel, height, width]
    bias: Tensor  # [unit]

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution; a ReLU and a maximum over 2×2 places belong to it."""
        return self.weights.ndim == 4

    def before(self, values: Tensor) -> Tensor:
        """Pre-activations: `[image, unit]` of `[image, input]`; a convolution's have places, too."""
        if self.convolves:
            return F.conv2d(values, self.weights, self.bias)
        return values @ self.weights.T + self.bias

    def after(self, values: Tensor) -> Tensor:
        """What the next layer is given."""
        if not self.convolves:
            return self.before(values).relu()
        parts = [F.max_pool2d(self.before(some), 2).relu() for some in values.split(TOGETHER)]
        return torch.cat(parts)


@dataclass(frozen=True)
class Classifier:
    """A network: its layers by name, first to last; the last gives logits and is no convolution."""

    layers: Mapping[str, Layer]

    def outputs(self, images: Tensor) -> Tensor:
        """Logits, `[image, class]`, of images `[image, pixel]` in 0..1."""
        first = self.part(next(iter(self.layers)))
        return first.outputs(first.given(images))

    def part(self, name: str) -> Part:
        """One of its layers.

        Raises:
            BadRequest: there is none of that name.
        """
        if name not in self.layers:
            raise BadRequest(f"the network has the layers {', '.join(self.layers)}, got {name!r}")
        return Part(self, name)


@dataclass(frozen=True)
class Part:
    """One layer of a classifier as a matrix, all else being whole."""

    classifier: Classifier
    name: str

    @property
    def layer(self) -> Layer:
        """It."""
        return self.classifier.layers[self.name]

    @property
    def matrix(self) -> Tensor:
        """Its weights, `[unit, input]`."""
        return self.layer.weights.flatten(1)

    @property
    def bias(self) -> Tensor:
        """`[unit]`."""
        return self.layer.bias

    @property
    def index(self) -> int:
        """Layers before it."""
        return list(self.classifier.layers).index(self.name)

    def _beside(self, step: int) -> Layer | None:
        number = self.index + step
        return (
            list(self.classifier.layers.values())[number]
            if 0 <= number < len(self.classifier.layers)
            else None
        )

    @property
    def following(self) -> Tensor | None:
        """What the next layer makes of each unit, `[weight, unit]`; None: there is none."""
        after = self._beside(1)
        if after is None:
            return None
        weights, units = after.weights, len(self.bias)
        return weights.reshape(len(weights), units, -1).transpose(1, 2).reshape(-1, units)

    @property
    def side(self) -> tuple[int, int] | None:
        """Height and width of the pictures that a unit's weights are, one for each channel that it sees.

        None: its inputs are units of the layer before, which are in no order.
        """
        if self.layer.convolves:
            return int(self.layer.weights.shape[2]), int(self.layer.weights.shape[3])
        before = self._beside(-1)
        if before is None:
            return picture(self.matrix.shape[1])
        return picture(self.matrix.shape[1] // len(before.bias)) if before.convolves else None

    @property
    def pictures(self) -> int:
        """Pictures that a unit's weights are; 0: they are none."""
        return 0 if self.side is None else self.matrix.shape[1] // math.prod(self.side)

    def cut(self, values: Tensor) -> Tensor:
        """Values of its shape as rows that mean the same in all networks.

        They are pictures, `[picture, pixel]`; where there are none, what each input says for all units.
        """
        return values.T if self.side is None else values.reshape(-1, math.prod(self.side))

    def joined(self, rows: Tensor) -> Tensor:
        """The matrix of such rows."""
        return rows.T if self.side is None else rows.reshape(self.matrix.shape)

    def with_matrix(self, matrix: Tensor, bias: Tensor | None = None) -> Part:
        """The same layer with other weights."""
        bias = self.bias if bias is None else bias
        layer = Layer(matrix.reshape(self.layer.weights.shape), bias)
        return replace(self, classifier=Classifier({**self.classifier.layers, self.name: layer}))

    def given(self, images: Tensor) -> Tensor:
        """What it is given of images `[image, pixel]`: `[image, input]`, or maps for a convolution."""
        layers = list(self.classifier.layers.values())
        values = images
        if layers[0].convolves:
            channels = layers[0].weights.shape[1]
            values = images.view(len(images), channels, *picture(images.shape[1] // channels))
        for layer in layers[: self.index]:
            values = layer.after(values)
        return values if self.layer.convolves else values.flatten(1)

    def rows(self, given: Tensor) -> Tensor:
        """All that its matrix is multiplied with, `[row, input]`; of a convolution the pieces of each map."""
        if not self.layer.convolves:
            return given
        kernel = tuple(self.layer.weights.shape[2:])
        return F.unfold(given, kernel).transpose(1, 2).flatten(0, 1)

    def outputs(self, given: Tensor) -> Tensor:
        """Logits, of what the layer is given."""
        *inner, last = list(self.classifier.layers.values())[self.index :]
        for layer in inner:
            given = layer.after(given)
        return last.before(given.flatten(1))

    def in_order(self, order: Tensor) -> Part:
        """The same network, the units of this layer in another order.

        Raises:
            BadRequest: it is the last layer, the units of which are the classes.
        """
        after = self._beside(1)
        if after is None:
            raise BadRequest(f"the units of the last layer are the classes, {self.name} has no other order")
        moved = Layer(self.layer.weights[order], self.bias[order])
        weights, units = after.weights, len(self.bias)
        columns = weights.reshape(len(weights), units, -1)[:, order].reshape(weights.shape)
        name = list(self.classifier.layers)[self.index + 1]
        layers = {**self.classifier.layers, self.name: moved, name: Layer(columns, after.bias)}
        return Part(Classifier(layers), self.name)

    def with_pixels(self, order: Tensor) -> Part:
        """The first layer with its inputs in another order; it is to be given images in that order."""
        return self.with_matrix(self.matrix[:, order].contiguous())

"""Trains one network, by plain backpropagation or with graders, an epoch at a time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from petri import checks, devices
from petri.datasets import Dataset
from petri.dni import ways
from petri.dni.agreement import Agreement, agreement, synthetic_share
from petri.dni.blending import beta
from petri.dni.grader import Graders
from petri.dni.network import Network
from petri.dni.recipe import DniRecipe

CLASSES = 10
LOOK_EVERY = 100  # steps between looks at how well the graders predict; at first more often


@dataclass(frozen=True)
class NetworkEpoch:
    """What one epoch gave.

    Raises:
        BadRequest: a value that none gives, as in a file that was edited.
    """

    number: int  # from 1
    beta: float  # at its end
    loss: float  # mean over its batches; not finite where training diverged
    accuracy: float  # on the test images, in percent
    step_ms: float  # mean wall clock of a step

    def __post_init__(self) -> None:
        checks.whole("epoch", self.number, 1, 10_000)
        checks.number("beta", self.beta, 0, 1)
        if not math.isnan(self.loss):
            checks.number("loss", self.loss, 0, math.inf)
        checks.number("accuracy", self.accuracy, 0, 100)
        checks.number("step_ms", self.step_ms, 0, 1e9)


@dataclass(frozen=True)
class GraderLook:
    """How well the graders predicted before one step."""

    step: int  # from 1
    beta: float
    graders: list[Agreement]  # with the gradients of plain backpropagation; the lowest hidden layer first
    shares: list[float]  # of what each hidden layer is given, by length, that its grader made up


class NetworkTrainer:
    """One network in training.

    The first weights and the order of the samples depend on the seed alone, so a network with graders and
    one without begin alike and see the same batches.

    Args:
        recipe: how.
        data: on the device that is to train.
        seed: of the weights, the graders' weights and the order of the samples.
        graded: with graders, by the recipe's way; else by plain backpropagation.
    """

    def __init__(self, recipe: DniRecipe, data: Dataset, *, seed: int, graded: bool) -> None:
        self.recipe, self.data = recipe, data
        self.device = data.train.images.device
        sizes = (data.train.images.shape[1], *recipe.widths, CLASSES)
        self.network = Network(sizes, torch.Generator().manual_seed(seed)).to(self.device)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate, fused=True)
        self.order = torch.Generator().manual_seed(seed)
        self.graders = make_graders(recipe, recipe.widths, seed).to(self.device) if graded else None
        self.epoch = self.step = 0
        self.looks: list[GraderLook] = []

    @property
    def steps_per_epoch(self) -> int:
        """Batches in the training images; the last one may be smaller."""
        return math.ceil(len(self.data.train) / self.recipe.batch)

    @property
    def beta(self) -> float:
        """Share of the synthetic gradients in the next step."""
        if self.graders is None:
            return 0.0
        time_now = self.step / self.steps_per_epoch
        return beta(time_now, beta_max=self.recipe.beta_max, warm_up=self.recipe.warm_up)

    def train_epoch(self) -> NetworkEpoch:
        """Go through all training images once, in a new order; then through the test images."""
        data, recipe = self.data, self.recipe
        order = torch.randperm(len(data.train), generator=self.order).to(self.device)
        devices.synchronise(self.device)
        begun, looking, losses = time.perf_counter(), 0.0, []
        for picked in order.split(recipe.batch):
            images, labels = data.train.images[picked], data.train.labels[picked]
            if self.graders is not None and self._is_looked_at():
                devices.synchronise(self.device)  # the steps before it are no part of the look
                look_begun = time.perf_counter()
                self._look(images, labels)
                looking += time.perf_counter() - look_begun
            losses.append(self.train_step(images, labels))
        loss = float(torch.stack(losses).mean())  # waits for the device
        seconds = time.perf_counter() - begun - looking
        self.epoch += 1
        return NetworkEpoch(self.epoch, self.beta, loss, self.accuracy(), 1000 * seconds / len(losses))

    def _is_looked_at(self) -> bool:
        """Before steps 1, 2, 4, 8 … 64, then one in `LOOK_EVERY`, and the last."""
        number = self.step + 1
        if number == self.recipe.epochs * self.steps_per_epoch:
            return True
        return number % LOOK_EVERY == 0 if number >= LOOK_EVERY else number.bit_count() == 1

    def train_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Change the weights by one batch, and the graders' if it is their turn; returns the loss."""
        recipe = self.recipe
        progress = self.step / (recipe.epochs * self.steps_per_epoch)
        self.adam.param_groups[0]["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        if self.graders is None:
            loss = ways.plain(self.network, images, labels)
        else:
            learning = self.step % recipe.grader_every == 0
            back = self._backward(self.graders, images, labels, learning=learning)
            if learning:
                self.graders.learn(back.predictions, back.targets)
            loss = back.loss
        self.adam.step()
        self.step += 1
        return loss

    def _backward(self, graders: Graders, images: Tensor, labels: Tensor, *, learning: bool) -> ways.Backward:
        """Give the network its gradients by the recipe's way."""
        if self.recipe.way == "decoupled":
            return ways.decoupled(self.network, graders, images, labels, learning=learning)
        way = ways.chained if self.recipe.way == "chained" else ways.clean
        return way(self.network, graders, images, labels, beta=self.beta, learning=learning)

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of the test images that the network gets right, in percent."""
        test = self.data.test
        return 100 * float((self.network(test.images).argmax(1) == test.labels).float().mean())

    def _look(self, images: Tensor, labels: Tensor) -> None:
        """Compare the predictions for a batch, before anything learns from it, with the true gradients."""
        assert self.graders is not None
        true = ways.true_gradients(self.network, images, labels)
        back = self._backward(self.graders, images, labels, learning=False)
        predicted = [prediction.gradient for prediction in back.predictions]
        self.looks.append(
            GraderLook(
                self.step + 1,
                self.beta,
                [agreement(*pair) for pair in zip(predicted, true, strict=True)],
                [synthetic_share(*pair, self.beta) for pair in zip(predicted, back.targets, strict=True)],
            )
        )


def make_graders(recipe: DniRecipe, widths: tuple[int, ...], seed: int) -> Graders:
    """The recipe's graders for activations of these widths."""
    return Graders(
        widths,
        kind=recipe.grader,
        classes=CLASSES if recipe.conditioned else 0,
        zero_init=recipe.zero_init,
        bounded=recipe.bounded,
        unit=recipe.unit,
        learning_rate=recipe.grader_learning_rate,
        # Not the network's own numbers again; a generator on the CPU looks at the low 32 bits of its seed.
        generator=torch.Generator().manual_seed(2**32 - 1 - seed),
    )

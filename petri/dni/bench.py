"""What graders cost: the time of a training step beside that of plain backpropagation, in one run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from petri import devices
from petri.datasets import Dataset
from petri.dni.grader import LARGEST_NORM
from petri.dni.recipe import DniRecipe
from petri.dni.trainer import NetworkTrainer

WARM_UP = 5  # steps of each variant before the clock runs
FUSED, PLAIN = "backpropagation", "backpropagation, plain Adam"
REPORTED = "mlp graders as the report builds them (plain Adam)"
VARIANTS: dict[str, dict[str, Any]] = {
    "mlp graders, chained way": {"way": "chained"},
    "mlp graders, clean way": {},
    "… that learn every 4 batches": {"grader_every": 4},
    "linear label-conditioned graders, clean way": {"grader": "linear", "conditioned": True},
    "… that learn every 4 batches ": {"grader": "linear", "conditioned": True, "grader_every": 4},
    "linear label-conditioned graders, decoupled": {
        "grader": "linear", "conditioned": True, "way": "decoupled", "beta_max": 1.0, "warm_up": 0.0,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """One variant's step."""

    name: str
    baseline: str  # name of the variant that it is compared with
    wall: list[float]  # milliseconds a step, the mean of each repetition
    cpu: list[float]  # the same, of all threads' time on the processor: what company cannot lengthen much


def ratios(times: list[float], baseline: list[float]) -> list[float]:
    """Times the baseline, repetition by repetition."""
    return [own / other for own, other in zip(times, baseline, strict=True)]


class _PlainAdam(NetworkTrainer):
    """Backpropagation with Adam as PyTorch has it by default: the baseline of what uses that too."""

    def __init__(self, recipe: DniRecipe, data: Dataset, *, seed: int) -> None:
        super().__init__(recipe, data, seed=seed, graded=False)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate)


class _AsReported(NetworkTrainer):
    """Graders as the report describes them, to reproduce its overhead.

    One forward pass of each grader to predict and another to learn, an optimiser for each.
    """

    def __init__(self, recipe: DniRecipe, data: Dataset, *, seed: int) -> None:
        super().__init__(recipe, data, seed=seed, graded=True)
        assert self.graders is not None
        self.adams = [torch.optim.Adam(grader.parameters()) for grader in self.graders.each]
        self.adam = torch.optim.Adam(self.network.parameters())

    def train_step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Change the weights and the graders' by one batch."""
        assert self.graders is not None
        seen: dict[int, tuple[Tensor, Tensor]] = {}
        self.adam.zero_grad()
        signal = images
        for index in self.network.hidden:
            signal = self.network.layer(index, signal)
            activation = signal.detach().clone()
            with torch.no_grad():
                synthetic = self.graders.each[index](activation, labels).clamp(-1, 1)

            def blend(
                gradient: Tensor, index: int = index, at: Tensor = activation, synthetic: Tensor = synthetic
            ) -> Tensor:
                seen[index] = at, gradient.detach().clone()
                return (1 - self.recipe.beta_max) * gradient + self.recipe.beta_max * synthetic

            signal.register_hook(blend)
        loss = F.cross_entropy(self.network.layer(len(self.network.hidden), signal), labels)
        loss.backward()
        self.adam.step()
        for index, (activation, target) in seen.items():
            self.adams[index].zero_grad()
            F.mse_loss(self.graders.each[index](activation, labels), target).backward()
            nn.utils.clip_grad_norm_(self.graders.each[index].parameters(), LARGEST_NORM)
            self.adams[index].step()
        self.step += 1
        return loss.detach()


def bench(
    recipe: DniRecipe, data: Dataset, *, steps: int, repetitions: int, note: Callable[[str], None]
) -> list[Timing]:
    """Time a step of each variant.

    In every repetition all variants take `steps` steps on the same batches, one variant after the other in
    a new order, and are compared with their baseline in that repetition: graders as the report builds them,
    with PyTorch's plain Adam, with backpropagation by that, all others with backpropagation by the fused one.

    Args:
        recipe: its widths, batch and β; the variants decide the rest.
        data: on the device to measure.
        note: told which repetition runs.

    Returns:
        A baseline before what is compared with it.
    """
    trainers: dict[str, NetworkTrainer] = {
        FUSED: NetworkTrainer(recipe, data, seed=0, graded=False),
        PLAIN: _PlainAdam(recipe, data, seed=0),
        REPORTED: _AsReported(replace(recipe, way="chained"), data, seed=0),
    }
    for name, changes in VARIANTS.items():
        trainers[name] = NetworkTrainer(replace(recipe, **changes), data, seed=0, graded=True)
    for trainer in trainers.values():
        for images, labels in _batches(data, recipe.batch, WARM_UP):
            trainer.train_step(images, labels)
    timings = {name: Timing(name.strip(), PLAIN if name == REPORTED else FUSED, [], []) for name in trainers}
    order = list(trainers)
    shuffle = random.Random(0).shuffle
    for repetition in range(repetitions):
        note(f"repetition {repetition + 1} of {repetitions}")
        shuffle(order)
        for name in order:
            wall, cpu = _time(trainers[name], data, steps)
            timings[name].wall.append(wall)
            timings[name].cpu.append(cpu)
    return list(timings.values())


def _time(trainer: NetworkTrainer, data: Dataset, steps: int) -> tuple[float, float]:
    device = data.train.images.device
    devices.synchronise(device)
    begun, cpu_begun = time.perf_counter(), time.process_time()
    for images, labels in _batches(data, trainer.recipe.batch, steps):
        trainer.train_step(images, labels)
    devices.synchronise(device)
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu_begun
    return 1000 * wall / steps, 1000 * cpu / steps


def _batches(data: Dataset, batch: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    whole = len(data.train) // batch
    for number in range(count):
        start = number % whole * batch
        yield data.train.images[start : start + batch], data.train.labels[start : start + batch]

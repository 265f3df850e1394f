"""One stage of a pipeline: some layers of a network, in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from petri import checks
from petri.datasets import Dataset, load
from petri.dni.grader import Graders
from petri.dni.network import Network

DELAY = 4  # batches that a grader's target may be behind before the stage waits for it
AHEAD = 2 * DELAY  # messages on their way to or from a neighbour
EVALUATED = 1000  # test images at a time; the number of them is a multiple of it
UP, DOWN = 1, 2  # tags of activations and of gradients
PATIENCE = timedelta(seconds=120)  # for a neighbour


@dataclass(frozen=True, kw_only=True)
class PipelinePlan:
    """A pipeline, described completely; every stage is given the same plan.

    Incomplete batches are left out, so that all messages have the same shape.
    """

    schedule: str  # decoupled, lock-step or micro-batches
    sizes: tuple[int, ...]  # of the whole network
    cuts: tuple[int, ...]  # the first layer of each stage, and the number of layers
    epochs: int
    batch: int
    micro_batches: int  # that a batch is cut into; 1 unless the schedule is `micro-batches`
    learning_rate: float
    grader_every: int  # graders learn from every so many batches
    seed: int
    threads: int = 1  # of each process

    @property
    def stages(self) -> int:
        """Processes."""
        return len(self.cuts) - 1


@dataclass(frozen=True)
class Measured:
    """One epoch of the whole pipeline.

    Raises:
        BadRequest: a value that none gives, as in a file that was edited.
    """

    samples_per_second: float
    loss: float  # mean over the epoch; of the last stage
    accuracy: float  # on the test images, in percent; of the last stage

    def __post_init__(self) -> None:
        checks.number("samples_per_second", self.samples_per_second, 0, 1e12, low_open=True)
        checks.number("accuracy", self.accuracy, 0, 100)


def _gradient(entering: Tensor) -> Tensor:
    """What the backward pass has left at the activations of the stage below."""
    assert entering.grad is not None
    return entering.grad


class Inbox:
    """Tensors from one neighbour in the order in which they were sent; the next ones are awaited ahead."""

    def __init__(self, source: int, tag: int, shape: tuple[int, int], count: int) -> None:
        self._source, self._tag, self._shape, self._left = source, tag, shape, count
        self._posted: deque[tuple[Tensor, dist.Work]] = deque()
        for _ in range(AHEAD):
            self._post()

    def _post(self) -> None:
        if self._left:
            self._left -= 1
            buffer = torch.empty(self._shape)
            work = dist.irecv(buffer, self._source, tag=self._tag)
            assert work is not None, "both processes are of the group"
            self._posted.append((buffer, work))

    def take(self) -> Tensor:
        """The next tensor; waits for it."""
        buffer, work = self._posted.popleft()
        work.wait()
        self._post()
        return buffer


class Outbox:
    """Tensors to one neighbour; waits only when `limit` of them are still on their way."""

    def __init__(self, target: int, tag: int, limit: int) -> None:
        self._target, self._tag, self._limit = target, tag, limit
        self._sent: deque[tuple[Tensor, dist.Work]] = deque()

    def put(self, tensor: Tensor) -> None:
        """Send a tensor, which must not be changed afterwards."""
        if len(self._sent) >= self._limit:
            self._sent.popleft()[1].wait()
        tensor = tensor.contiguous()
        work = dist.isend(tensor, self._target, tag=self._tag)
        assert work is not None, "both processes are of the group"
        self._sent.append((tensor, work))

    def flush(self) -> None:
        """Wait until all has arrived."""
        while self._sent:
            self._sent.popleft()[1].wait()


class Stage:
    """The layers of one process, their optimiser and, below another stage, the grader at their output.

    Args:
        plan: of the whole pipeline.
        rank: of this stage, from the images up.
        data: of all stages; only the first reads images, the graders and the last stage read labels.
        parent: process without which there is no reason to go on, if there is one.
    """

    def __init__(self, plan: PipelinePlan, rank: int, data: Dataset, parent: int | None = None) -> None:
        self.plan, self.rank, self.data, self.parent = plan, rank, data, parent
        self.first, self.last = rank == 0, rank == plan.stages - 1
        network = Network(plan.sizes, torch.Generator().manual_seed(plan.seed))
        self.network, self.own = network, range(plan.cuts[rank], plan.cuts[rank + 1])
        self.parameters = [p for index in self.own for p in network.layers[index].parameters()]
        self.adam = torch.optim.Adam(self.parameters, lr=plan.learning_rate, fused=True)
        self.entering, self.leaving = plan.sizes[self.own.start], plan.sizes[self.own.stop]
        self.graders = None
        if plan.schedule == "decoupled" and not self.last:
            self.graders = Graders(
                (self.leaving,), kind="linear", classes=plan.sizes[-1], zero_init=True, bounded=True,
                unit="sample", learning_rate=1e-3, generator=torch.Generator().manual_seed(plan.seed),
            )  # fmt: skip
        self.order = torch.Generator().manual_seed(plan.seed)

    def forward(self, signal: Tensor) -> Tensor:
        """Run this stage's layers."""
        for index in self.own:
            signal = self.network.layer(index, signal)
        return signal

    def train_epoch(self) -> float:
        """Train on all whole batches; returns the mean loss, 0 below the last stage."""
        plan = self.plan
        order = torch.randperm(len(self.data.train), generator=self.order)
        batches = order[: len(order) // plan.batch * plan.batch].split(plan.batch)
        return (self._decoupled if plan.schedule == "decoupled" else self._synchronous)(list(batches))

    def _boxes(self, count: int, size: int, back: int, limit: int = AHEAD) -> None:
        """Open the ways to the neighbours for `count` messages up, of `size` samples, and `back` down."""
        if not self.first:
            self.activations = Inbox(self.rank - 1, UP, (size, self.entering), count)
            self.gradients_down = Outbox(self.rank - 1, DOWN, limit)
        if not self.last:
            self.gradients = Inbox(self.rank + 1, DOWN, (size, self.leaving), back)
            self.activations_up = Outbox(self.rank + 1, UP, limit)

    def _flush(self) -> None:
        if not self.first:
            self.gradients_down.flush()
        if not self.last:
            self.activations_up.flush()

    def _input(self, picked: Tensor, *, wanted: bool) -> Tensor:
        return (
            self.data.train.images[picked] if self.first else self.activations.take().requires_grad_(wanted)
        )

    def _synchronous(self, batches: list[Tensor]) -> float:
        """Backpropagation through all stages: lock-step, or a batch in micro-batches (GPipe)."""
        parts = self.plan.micro_batches
        size, count = self.plan.batch // parts, len(batches) * parts
        # All parts of a batch can be on their way at once: two stages that wait for each other would stay so.
        self._boxes(count, size, count, limit=max(AHEAD, 2 * parts))
        losses = []
        for batch in batches:
            self.adam.zero_grad()
            waiting: deque[tuple[Tensor, Tensor]] = deque()
            for picked in batch.split(size):
                entering = self._input(picked, wanted=True)
                leaving = self.forward(entering)
                if self.last:
                    loss = F.cross_entropy(leaving, self.data.train.labels[picked])
                    (loss / parts).backward()
                    losses.append(loss.detach())
                    if not self.first:
                        self.gradients_down.put(_gradient(entering))
                else:
                    self.activations_up.put(leaving.detach())
                    waiting.append((entering, leaving))
            while waiting:
                entering, leaving = waiting.popleft()
                leaving.backward(self.gradients.take())
                if not self.first:
                    self.gradients_down.put(_gradient(entering))
            self.adam.step()
            self._stop_with_parent()
        self._flush()
        return float(torch.stack(losses).mean()) if losses else 0.0

    def _decoupled(self, batches: list[Tensor]) -> float:
        """Update on arrival: no stage waits for the gradient of what it has just sent up.

        The gradients that do come back, up to `DELAY` batches late, only teach the grader.
        """
        every = self.plan.grader_every
        self._boxes(len(batches), self.plan.batch, -(-len(batches) // every))
        losses = []
        lessons: deque[tuple[Tensor, Tensor]] = deque()  # activations and labels whose gradient is to come
        for number, picked in enumerate(batches):
            taught = number % every == 0
            entering = self._input(picked, wanted=taught)
            leaving = self.forward(entering)
            labels = self.data.train.labels[picked]
            if self.graders is None:
                loss = F.cross_entropy(leaving, labels)
                gradient = None
                losses.append(loss.detach())
            else:
                activation = leaving.detach()
                self.activations_up.put(activation)
                gradient = self.graders.predict(0, activation, labels, learning=False).gradient
            self.adam.zero_grad()
            (leaving if gradient is not None else loss).backward(gradient)
            self.adam.step()
            if not self.first and taught:
                self.gradients_down.put(_gradient(entering))
            if self.graders is not None and taught:
                lessons.append((activation, labels))
                if len(lessons) * every > DELAY:
                    self._learn(lessons)
            self._stop_with_parent()
        while lessons:
            self._learn(lessons)
        self._flush()
        return float(torch.stack(losses).mean()) if losses else 0.0

    def _stop_with_parent(self) -> None:
        if self.parent is not None and os.getppid() != self.parent:
            sys.exit(1)

    def _learn(self, lessons: deque[tuple[Tensor, Tensor]]) -> None:
        assert self.graders is not None
        activation, labels = lessons.popleft()
        # Its weights have changed since it predicted, so it is asked again.
        prediction = self.graders.predict(0, activation, labels, learning=True)
        self.graders.learn([prediction], [self.gradients.take()])

    @torch.no_grad()
    def evaluate(self) -> float:
        """Test accuracy in percent; 0 below the last stage."""
        test = self.data.test
        count = len(test) // EVALUATED
        self._boxes(count, EVALUATED, 0)
        right = 0
        for number in range(count):
            picked = slice(number * EVALUATED, (number + 1) * EVALUATED)
            leaving = self.forward(test.images[picked] if self.first else self.activations.take())
            if self.last:
                right += int((leaving.argmax(1) == test.labels[picked]).sum())
            else:
                self.activations_up.put(leaving)
        self._flush()
        return 100 * right / (count * EVALUATED)


def work(
    plan: PipelinePlan,
    rank: int,
    name: str,
    root: Path | None,
    meeting: Path,
    answers: Connection,
    parent: int,
) -> None:
    """Be one stage: the body of a process.

    Args:
        name, root: of the data set.
        meeting: a file that does not exist yet, through which the stages find each other.
        answers: given a `Measured` an epoch, whose loss and accuracy count in the last stage only, and a
            text if something goes wrong.
        parent: process that started this one; without it there is no reason to go on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its stages
    torch.set_num_threads(plan.threads)
    try:
        if plan.stages > 1:
            dist.init_process_group(
                "gloo", init_method=meeting.as_uri(), rank=rank, world_size=plan.stages, timeout=PATIENCE
            )
        stage = Stage(plan, rank, load(name, root), parent)
        for _ in range(plan.epochs):
            _meet(plan)
            begun = time.perf_counter()
            loss = stage.train_epoch()
            _meet(plan)
            trained = len(stage.data.train) // plan.batch * plan.batch
            speed = trained / (time.perf_counter() - begun)
            answers.send(Measured(speed, loss, stage.evaluate()))
        _meet(plan)
        if plan.stages > 1:
            dist.destroy_process_group()
    except BrokenPipeError:
        pass  # whoever asked has gone
    except Exception as error:
        answers.send(f"stage {rank}: {type(error).__name__}: {error}")


def _meet(plan: PipelinePlan) -> None:
    if plan.stages > 1:
        dist.barrier()

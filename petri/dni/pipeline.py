"""A network cut into stages, each a process: decoupled, in lock-step, and in micro-batches."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from petri import checks
from petri.datasets import Dataset
from petri.dni.stage import EVALUATED, Measured, PipelinePlan, work
from petri.dni.trainer import CLASSES
from petri.errors import BadRequest, RunFailed
from petri.record import Record, not_none

LAYERS_A_STAGE = 2  # hidden ones
DECOUPLED = "decoupled"
LOCK_STEP = "lock-step"


@dataclass(frozen=True)
class PipelineTrial:
    """One network trained by one schedule."""

    width: int
    schedule: str  # a name from `plans`
    seed: int
    epochs: list[Measured]


def sizes_of(pixels: int, width: int, stages: int) -> tuple[int, ...]:
    """Sizes of the network that is cut: `LAYERS_A_STAGE` hidden layers of `width` for each stage."""
    return (pixels, *(width,) * (LAYERS_A_STAGE * stages), CLASSES)


def cost(sizes: tuple[int, ...], begin: int, end: int, *, grader_every: int | None) -> float:
    """Multiplications of a sample in the layers `begin..end − 1` as one stage, forward and backward.

    A layer has as many for its output, for its weights' gradient and for its input's gradient, which the
    images have not, and a decoupled stage only where the grader below learns. A linear label-conditioned
    grader, at the output of every decoupled stage but the last, predicts, and where it learns does so again
    and has its weights' gradient.

    Args:
        sizes: of the whole network.
        grader_every: graders learn from every so many batches; None without graders.
    """
    total = 0.0
    for index in range(begin, end):
        downwards = 1.0 if index > begin or grader_every is None else 1 / grader_every
        total += (2 + (downwards if index else 0)) * sizes[index] * sizes[index + 1]
    if grader_every is not None and end < len(sizes) - 1:
        total += (1 + 2 / grader_every) * (sizes[end] + sizes[-1]) * sizes[end]
    return total


def cuts_of(sizes: tuple[int, ...], stages: int, *, grader_every: int | None) -> tuple[int, ...]:
    """Where to cut so that the busiest stage has least to do by `cost`.

    Returns:
        The first layer of each stage, and the number of layers.
    """
    layers = len(sizes) - 1
    return min(
        ((0, *inner, layers) for inner in itertools.combinations(range(1, layers), stages - 1)),
        key=lambda cuts: max(
            cost(sizes, *pair, grader_every=grader_every) for pair in itertools.pairwise(cuts)
        ),
    )


def plans(
    *, width: int, stages: int, epochs: int, batch: int, micro_batches: int, seed: int, data: Dataset
) -> dict[str, PipelinePlan]:
    """The schedules that are compared on one network, each cut where suits it best.

    And the whole network in one process, with one thread and with as many as there are stages.

    Raises:
        BadRequest: a value out of range, or micro-batches that do not fit the batch.
    """
    checks.whole("width", width, 1, 16_384)
    checks.whole("stages", stages, 2, 8)
    checks.whole("epochs", epochs, 1, 1000)
    checks.whole("batch", batch, 1, len(data.train))
    checks.whole("micro-batches", micro_batches, 1, batch)
    checks.whole("seed", seed, 0, 2**32 - 1)
    if batch % micro_batches:
        raise BadRequest(f"micro-batches must divide the batch of {batch}, got {micro_batches}")
    assert len(data.test) % EVALUATED == 0
    sizes = sizes_of(data.train.images.shape[1], width, stages)
    plan = PipelinePlan(
        schedule=LOCK_STEP,
        sizes=sizes,
        cuts=cuts_of(sizes, stages, grader_every=None),
        epochs=epochs,
        batch=batch,
        micro_batches=1,
        learning_rate=1e-3,
        grader_every=1,
        seed=seed,
    )
    whole = replace(plan, cuts=(0, len(sizes) - 1))
    decoupled = {
        every: replace(
            plan, schedule=DECOUPLED, grader_every=every, cuts=cuts_of(sizes, stages, grader_every=every)
        )
        for every in (1, 4)
    }
    return {
        "one process, 1 thread": whole,
        f"one process, {stages} threads": replace(whole, threads=stages),
        LOCK_STEP: plan,
        f"{micro_batches} micro-batches": replace(
            plan, schedule="micro-batches", micro_batches=micro_batches
        ),
        DECOUPLED: decoupled[1],
        "decoupled, graders learn every 4 batches": decoupled[4],
    }


def open_record(path: Path, *, data: str, stages: int, epochs: int, batch: int) -> Record[PipelineTrial]:
    """The record of what was measured, which may have more widths and repetitions later.

    Raises:
        BadRequest: see `petri.record.Record`.
    """

    def restore(fields: dict[str, Any]) -> PipelineTrial:
        measured = [Measured(**{**one, "loss": not_none(one["loss"])}) for one in fields.pop("epochs")]
        if len(measured) != epochs:
            raise ValueError(f"{len(measured)} epochs")
        trial = PipelineTrial(**fields, epochs=measured)
        checks.whole("width", trial.width, 1, 16_384)
        checks.printable("schedule", trial.schedule)
        checks.whole("seed", trial.seed, 0, 2**33)
        return trial

    asked = {"data": data, "stages": stages, "epochs": epochs, "batch": batch}
    return Record(path, asked, restore, kind="a pipeline")


def take_turns(names: Sequence[str], repetition: int) -> list[str]:
    """The schedules in another order in each repetition, from 0: each is the first in its turn."""
    begin = repetition % len(names)
    return [*names[begin:], *names[:begin]]


def run(
    plan: PipelinePlan, name: str, root: Path | None, seen: Callable[[Measured], None] = lambda one: None
) -> list[Measured]:
    """Train by a plan, a process a stage with the plan's threads each.

    Args:
        name, root: of the data set, as for `petri.datasets.load`; it must be there.
        seen: told of each epoch.

    Returns:
        Every epoch.

    Raises:
        RunFailed: a stage ended early.
    """
    context = multiprocessing.get_context("spawn")
    epochs: list[Measured] = []
    processes: list[BaseProcess] = []
    ranks: dict[Connection, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for rank in range(plan.stages):
                end, far_end = context.Pipe(duplex=False)
                arguments = (plan, rank, name, root, Path(folder) / "meeting", far_end, os.getpid())
                processes.append(context.Process(target=work, args=arguments, daemon=True))
                processes[-1].start()
                far_end.close()  # only the stage holds it now, so that its end is noticed
                ranks[end] = rank
            answered = [0] * plan.stages
            while ranks:
                ready = wait(list(ranks))
                for end, rank in [pair for pair in ranks.items() if pair[0] in ready]:
                    try:
                        answer = end.recv()
                    except EOFError:
                        if answered[rank] < plan.epochs:
                            raise RunFailed(f"stage {rank} of the pipeline ended early") from None
                        del ranks[end]
                        continue
                    if isinstance(answer, str):
                        raise RunFailed(f"the pipeline failed in {answer}")
                    answered[rank] += 1
                    if rank == plan.stages - 1:
                        epochs.append(answer)
                        seen(answer)
        finally:
            for process in processes:
                process.terminate()
                process.join()
    return epochs

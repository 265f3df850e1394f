"""A network cut into stages, each a process: decoupled, in lock-step, and in micro-batches."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from petri import checks
from petri.datasets import Dataset
from petri.dni.stage import EVALUATED, Measured, Plan, work
from petri.dni.trainer import CLASSES
from petri.errors import BadRequest, RunFailed

LAYERS_A_STAGE = 2  # hidden ones
WHOLE = "one process"


def sizes_of(pixels: int, width: int, stages: int) -> tuple[int, ...]:
    """Sizes of the network that is cut: `LAYERS_A_STAGE` hidden layers of `width` for each stage."""
    return (pixels, *(width,) * (LAYERS_A_STAGE * stages), CLASSES)


def cuts_of(sizes: tuple[int, ...], stages: int) -> tuple[int, ...]:
    """Where to cut so that the busiest stage has least to do.

    Counted are the multiplications of a sample, forward and backward, and those of a linear grader at the
    output of every stage but the last: a prediction, and another with its backward pass to learn.

    Returns:
        The first layer of each stage, and the number of layers.
    """
    layers = len(sizes) - 1

    def cost(begin: int, end: int) -> int:
        own = sum((3 if index else 2) * sizes[index] * sizes[index + 1] for index in range(begin, end))
        return own + (3 * sizes[end] ** 2 if end < layers else 0)

    return min(
        ((0, *inner, layers) for inner in itertools.combinations(range(1, layers), stages - 1)),
        key=lambda cuts: max(cost(*pair) for pair in itertools.pairwise(cuts)),
    )


def plans(
    *, width: int, stages: int, epochs: int, batch: int, micro_batches: int, seed: int, data: Dataset
) -> dict[str, Plan]:
    """The schedules that are compared on one network, and the whole network in one process.

    Raises:
        BadRequest: a value out of range, or micro-batches that do not fit the batch.
    """
    checks.whole("width", width, 1, 16_384)
    checks.whole("stages", stages, 2, 16)
    checks.whole("epochs", epochs, 1, 1000)
    checks.whole("batch", batch, 1, len(data.train))
    checks.whole("micro-batches", micro_batches, 1, batch)
    checks.whole("seed", seed, 0, 2**32 - 1)
    if batch % micro_batches:
        raise BadRequest(f"micro-batches must divide the batch of {batch}, got {micro_batches}")
    assert len(data.test) % EVALUATED == 0
    sizes = sizes_of(data.train.images.shape[1], width, stages)
    plan = Plan(
        schedule="lock-step",
        sizes=sizes,
        cuts=cuts_of(sizes, stages),
        epochs=epochs,
        batch=batch,
        micro_batches=1,
        learning_rate=1e-3,
        grader_every=1,
        seed=seed,
    )
    return {
        WHOLE: replace(plan, cuts=(0, len(sizes) - 1)),
        "lock-step": plan,
        f"{micro_batches} micro-batches": replace(
            plan, schedule="micro-batches", micro_batches=micro_batches
        ),
        "decoupled": replace(plan, schedule="decoupled"),
        "decoupled, graders learn every 4 batches": replace(plan, schedule="decoupled", grader_every=4),
    }


def run(
    plan: Plan, name: str, root: Path | None, seen: Callable[[Measured], None] = lambda one: None
) -> list[Measured]:
    """Train by a plan, a process a stage with one thread each.

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
    processes, ranks = [], {}
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
                for end in wait(list(ranks)):
                    rank = ranks[end]
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

"""What each part of the training is worth: the same run with and without it, over several seeds."""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from petri import checks, memory, verdict
from petri.errors import BadRequest, RunFailed, nearest
from petri.record import Record
from petri.training.recipe import Recipe

KEEP_ALL = 1_000_000  # steps between kept states: none is computed again

# Where a recipe has each part, the value with it and the value without.
PARTS: dict[str, tuple[str, Any, Any]] = {
    "checkpointing": ("checkpoint", 16, KEEP_ALL),
    "multi-scale": ("loss.scales", [1, 2, 4, 8], [1]),
    "perceptual": ("loss.perceptual", 0.1, 0.0),
    "curriculum": ("phases", 2, 1),  # how many
    "priority": ("pool.priority", 1.0, 0.0),
    "truncation": ("phases.truncate", 16, 0),
    "gate": ("spec.rule.gated", True, False),
    "damage": ("pool.damage", 2, 0),
    "average": ("optimiser.average", 0.99, 0.0),
    "warm-up": ("optimiser.warm_up", 0.1, 0.0),
    "stability": ("loss.stability", 0.5, 0.0),
    "overflow": ("loss.overflow", 0.1, 0.0),
}
STABILIZERS = tuple(PARTS)[:6]  # the report's six


@dataclass(frozen=True)
class Trial:
    """One trained automaton."""

    variant: str
    seed: int
    loss: float | None  # the report's, from the seed; None if training failed
    seconds: float
    memory: int  # bytes that the process grew by, at its peak


@dataclass(frozen=True)
class Outcome:
    """What a variant has come to over all seeds."""

    variant: str
    losses: tuple[float, ...]  # not a number where training failed
    seconds: tuple[float, ...]
    memory: tuple[int, ...]  # bytes

    @property
    def mean(self) -> float:
        """Of the losses."""
        return statistics.fmean(self.losses)

    @property
    def spread(self) -> float:
        """Standard deviation of the losses; 0 for a single one."""
        return verdict.spread(self.losses)

    def against(self, other: Outcome) -> str:
        """Whether this one is better or worse than another, or cannot be told apart from it."""
        return verdict.against(self.losses, other.losses)


def variants(recipe: Recipe, parts: Sequence[str]) -> dict[str, Recipe]:
    """The recipe itself, as `as it is`, and for each part the same recipe without it, or with it.

    Args:
        recipe: what is changed in one part at a time.
        parts: names from `PARTS`.

    Raises:
        BadRequest: no such part, or one that this recipe cannot have.
    """
    made = {"as it is": recipe}
    for part in parts:
        if part not in PARTS:
            raise BadRequest(
                f"there is no part {part!r}{nearest(part, list(PARTS))}; parts: {', '.join(PARTS)}"
            )
        path, on, off = PARTS[part]
        fields = copy.deepcopy(recipe.to_fields())
        *names, name = path.split(".")
        place: Any = fields
        for table in names:
            place = place[table]
        if part == "curriculum":
            has = len(recipe.phases) > 1
            place[name] = _phases(recipe, off if has else on)
        else:
            tables = place if isinstance(place, list) else [place]
            has = any(table[name] not in (off, 0) for table in tables)
            for table in tables:
                table[name] = off if has else on
        if part == "gate":
            fields["spec"]["fire_rate"] = "none"
        try:
            made[f"{'without' if has else 'with'} {part}"] = Recipe.from_fields(fields)
        except BadRequest as error:
            raise BadRequest(f"{part} cannot be tried here: {error}") from None
    return made


def _phases(recipe: Recipe, count: int) -> list[dict[str, Any]]:
    """The last phase for all epochs, or half of them after as many at half the size."""
    last = recipe.to_fields()["phases"][-1]
    if count == 1:
        return [{**last, "epochs": recipe.epochs}]
    first = recipe.epochs // 2
    return [
        {**last, "res": last["res"] // 2, "epochs": first},
        {**last, "epochs": recipe.epochs - first},
    ]


def ablate(
    recipe: Recipe,
    parts: Sequence[str],
    *,
    seeds: int,
    engine: str,
    record: Path,
    tell: Callable[[Trial, int, int], None] = lambda trial, done, total: None,
) -> list[Outcome]:
    """Train every variant with every seed, each in a process of its own, one after the other.

    Args:
        recipe: what is changed.
        parts: names from `PARTS`.
        seeds: how many, from the recipe's own on.
        engine: of the rollouts.
        record: a JSON file of the trials so far; those in it are not done again, so a run that was stopped
            goes on.
        tell: told of each trial, the number of those done and of all.

    Raises:
        BadRequest: a part that does not exist, a target that one of the variants cannot draw, or a record of
            another ablation.
        RunFailed: a training process has failed, or the record cannot be written; what it has is kept.
    """
    made = variants(recipe, parts)
    check(made, engine)
    asked = {"recipe": recipe.to_fields(), "engine": engine}

    def same(found: dict[str, Any]) -> bool:
        """Fields that a record of an earlier version lacks have their defaults."""
        theirs = {**found, "recipe": Recipe.from_fields(found["recipe"]).to_fields()}
        return theirs == asked

    wanted = [(name, recipe.seed + number) for number in range(seeds) for name in made]
    with closing(Record(record, asked, _restore, kind="an ablation", same=same)) as kept:
        known = {(trial.variant, trial.seed): trial for trial in kept.trials}
        for name, seed in wanted:
            trial = known.get((name, seed))
            if trial is None:
                fields = {**made[name].to_fields(), "seed": seed}
                trial = Trial(name, seed, **_apart(fields, engine))
                try:
                    kept.add(trial)
                except OSError as error:
                    raise RunFailed(f"cannot write {record}: {error.strerror or error}") from None
                known[name, seed] = trial
            tell(trial, wanted.index((name, seed)) + 1, len(wanted))
    return [_outcome(name, [known[pair] for pair in wanted if pair[0] == name]) for name in made]


def _restore(fields: dict[str, Any]) -> Trial:
    """A trial as a record has it."""
    trial = Trial(**fields)
    checks.printable("variant", trial.variant)
    checks.whole("seed", trial.seed, 0, 2**32)
    if trial.loss is not None:
        checks.number("loss", trial.loss, 0, sys.float_info.max)
    checks.number("seconds", trial.seconds, 0, 1e9)
    checks.whole("memory", trial.memory, 0, 2**62)
    return trial


def check(made: dict[str, Recipe], engine: str) -> None:
    """Refuse what a training process would have to, before the first of them has begun.

    Raises:
        BadRequest: a variant's target cannot be drawn, or this machine cannot hold its training.
    """
    import torch

    from petri import tasks
    from petri.training.memory import check as check_memory

    for name, recipe in made.items():
        try:
            check_memory(recipe, torch.device("cpu"), engine=engine)
            tasks.make(recipe)
        except BadRequest as error:
            raise BadRequest(f"{name}: {error}") from None


def _outcome(name: str, trials: list[Trial]) -> Outcome:
    return Outcome(
        name,
        tuple(float("nan") if trial.loss is None else trial.loss for trial in trials),
        tuple(trial.seconds for trial in trials),
        tuple(trial.memory for trial in trials),
    )


def _apart(fields: dict[str, Any], engine: str) -> dict[str, Any]:
    """Train in a process of its own, so that its memory can be told.

    Raises:
        RunFailed: the process was killed, or says what went wrong.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, fields, engine), daemon=True)
    process.start()
    there.close()
    try:
        answer = here.recv()
        if isinstance(answer, str):
            raise RunFailed(f"a training process failed: {answer}")
        return answer
    except EOFError:
        raise RunFailed(
            "a training process was killed, perhaps for want of memory; the same command goes on"
        ) from None
    finally:
        process.terminate()
        process.join()


def _answer(there: Connection, fields: dict[str, Any], engine: str) -> None:
    """Send what `_train` gives, or in words why it gives nothing."""
    try:
        there.send(_train(fields, engine))
    except Exception as error:
        there.send(f"{type(error).__name__}: {error}")


def _train(fields: dict[str, Any], engine: str) -> dict[str, Any]:
    import torch

    from petri import tasks
    from petri.engine import native_status
    from petri.evaluation.report import SEEDS
    from petri.training.trainer import Trainer

    recipe = Recipe.from_fields(fields)
    native_status()  # what compiling and trying the native step takes is no part of training
    memory.forget_peak()
    idle, begun = memory.peak(), time.monotonic()
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"), engine=engine)
    starter = parent_process()
    failed = False
    try:
        while trainer.epoch < recipe.epochs:
            if starter and not starter.is_alive():
                sys.exit(1)  # nobody waits for the answer
            trainer.train_epoch()
    except RunFailed:
        failed = True
    cost = {"seconds": time.monotonic() - begun, "memory": memory.peak() - idle}
    if failed:
        return {"loss": None, **cost}
    return {"loss": trainer.task.measure(trainer.result(), seeds=SEEDS)["loss"], **cost}

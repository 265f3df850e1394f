"""A whole training run: from the target to a folder with a model and pictures of it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from petri import ground as grounds
from petri import memory, modelfile, tasks
from petri.errors import BadRequest, RunFailed
from petri.modelfile import Model
from petri.progress import Observer, Progress
from petri.training import patience, plots
from petri.training.guard import Diverged
from petri.training.memory import check
from petri.training.pace import Pace
from petri.training.recipe import Recipe
from petri.training.results import GROWN, Result, finish
from petri.training.runs import CHECKPOINT, Row, Run, has_finished
from petri.training.trainer import Epoch, Return, Trainer

REPORT_EVERY = 1.0  # seconds between looks at the device
SAVE_EVERY = 60.0  # seconds between checkpoints


def start(
    recipe: Recipe,
    parent: Path,
    name: str | None,
    device: torch.device,
    *,
    model: Model | None = None,
    ground: str = grounds.AUTO,
    **how: Any,
) -> tuple[Run, Trainer]:
    """Make a run's folder and its trainer; nothing is written if either cannot be.

    Args:
        recipe: how it trains.
        parent: folder that holds runs.
        name: of the run's folder; made from the recipe if None.
        device: where it trains.
        model: what it starts from, if the recipe says that it starts from one.
        ground: what a figure is seen on; see `petri.ground.check`.
        how: `engine` and `ranks` of the trainer; only the leading rank may start a run.
    """
    trainer = make_trainer(recipe, device, model=model, **how)
    size = sum(
        tensor.numel() * tensor.element_size() for tensor in trainer.tensors_at(recipe.epochs).values()
    )
    trainer.tensors_at(0)
    room = 2 * size + 20_000_000  # the old checkpoint, the new one, and the pictures
    run = Run.create(parent, name, recipe, room=room)
    try:
        _begin(run, trainer, ground)
    except BaseException:
        run.discard()
        raise
    return run, trainer


def _begin(run: Run, trainer: Trainer, ground: str) -> None:
    """Write what a run has before its first epoch.

    Raises:
        BadRequest: the disk is full or cannot be written.
    """
    run.ground = trainer.task.settle(ground)
    try:
        if not run.path(CHECKPOINT).is_file():
            run.write_checkpoint(trainer.tensors(), 0, 0.0)
        trainer.task.introduce(run.folder)
    except OSError as error:
        raise BadRequest(f"cannot write to {run.folder}: {error.strerror or error}") from None


def make_trainer(recipe: Recipe, device: torch.device, *, model: Model | None = None, **how: Any) -> Trainer:
    """The trainer of a new run, if this machine can hold it.

    Raises:
        BadRequest: the machine cannot, the engine asked for cannot take the recipe's Spec, or the model is
            not the one that the recipe starts from.
    """
    check(recipe, device, **how)
    found = "" if model is None else modelfile.digest(model.automaton)
    if found != recipe.weights:
        given = f"the one given is {found}" if found else "give it by --from"
        raise BadRequest(f"the recipe starts from a model whose weights are {recipe.weights}: {given}")
    weights = None if model is None else model.automaton
    trainer = Trainer(recipe, tasks.make(recipe), device, weights=weights, **how)
    # Refused before it begins.
    trainer.automaton.rollout(trainer.pool.states[:1], 0, engine=trainer.engine, precision=trainer.precision)
    return trainer


def starting_from(recipe: Recipe, model: Model) -> Recipe:
    """The recipe of a run that starts from a model's weights.

    Raises:
        BadRequest: the model is of another architecture.
    """
    theirs, ours = (
        {name: getattr(spec, name) for name in ("channels", "fixed", "perception", "decoder")}
        | dataclasses.asdict(spec.rule)
        for spec in (model.automaton.spec, recipe.spec)
    )
    grown = [
        f"{count} target{'s' * (count > 1)}"
        for count in (len(model.conditions) or 1, len(recipe.targets) or 1)
    ]
    if grown[0] != grown[1]:
        raise BadRequest(
            f"the model to start from is of {grown[0]}, the run of {grown[1]}: they must be as many"
        )
    if ours["decoder"] is not None and theirs["decoder"] is None:
        raise BadRequest("the model to start from has no decoder, and a picture with --pixels needs one")
    for name, has in theirs.items():
        if has != ours[name]:
            raise BadRequest(
                f"the model to start from has {name} = {has}, the recipe {ours[name]}: "
                f"{'take a model with as many fixed planes' if name == 'fixed' else 'leave that out'}"
            )
    return dataclasses.replace(recipe, weights=modelfile.digest(model.automaton))


def resume(
    folder: Path,
    device: torch.device,
    *,
    more: int = 0,
    model: Model | None = None,
    lock: bool = True,
    **how: Any,
) -> tuple[Run, Trainer, float]:
    """Open a run where its last checkpoint left it; the third value is the seconds trained so far.

    A run that was killed before its first checkpoint begins now.

    Args:
        folder: of the run.
        device: where to go on.
        more: epochs to add to the recipe, in a phase like its last one.
        model: what the run starts from, if it was killed before its first checkpoint.
        lock: keep other processes out; of several ranks only the leading one does.
        how: `engine` and `ranks` of the trainer.
    """
    run = Run.open(folder, lock=lock)
    try:
        trainer = _blank(run.recipe, device, **how)
        saved = run.read_checkpoint(trainer.tensors_at)
        if saved is None:  # it was killed before the first
            trainer = make_trainer(run.recipe, device, model=model, **how)
            saved = trainer.tensors(), 0, 0.0
        tensors, epoch, seconds = saved
        early = patience.exhausted(run.recipe, run.looks)
        recipe = run.recipe
        if more:
            # What is left of a run that stopped early is not made up for.
            recipe = (recipe.so_far(epoch) if early else recipe).longer(more)
            trainer = _blank(recipe, device, **how)
        elif (early or epoch >= recipe.epochs) and _has_results_of(run, epoch):
            raise BadRequest(
                f"{folder} is finished: {epoch} of {recipe.epochs} epochs; --epochs trains it further"
            )
        try:
            trainer.restore(tensors, epoch)
        except RuntimeError as error:  # of a generator, whose state is not any bytes
            raise BadRequest(f"{run.path(CHECKPOINT)} is damaged: {error}") from None
        if more:
            run.lengthen(recipe)
        if lock:
            _begin(run, trainer, run.ground)  # what was not written before it was killed; 0.1 knew no ground
    except BaseException:
        run.close()
        raise
    return run, trainer, seconds


def _blank(recipe: Recipe, device: torch.device, **how: Any) -> Trainer:
    """A trainer whose task is still to be read."""
    check(recipe, device, **how)
    return Trainer(recipe, tasks.make(recipe, blank=True), device, **how)


def _has_results_of(run: Run, epoch: int) -> bool:
    """Whether the results are whole and those of this epoch, not of an earlier stop of the run."""
    try:
        model = modelfile.read(run.path("model.safetensors"))  # written last
    except BadRequest:
        return False
    fits = has_finished(model.training, run.recipe) and model.training.get("epochs") == epoch
    files = model.training.get("files", GROWN)  # version 0.1 named none
    return fits and run.has_metrics() and all(run.path(str(name)).is_file() for name in files)


def unrecorded(row: Row) -> None:
    """Keep no other record of an epoch than the run's own."""


def train(
    run: Run,
    trainer: Trainer,
    observer: Observer,
    *,
    seconds: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
    record: Callable[[Row], None] = unrecorded,
) -> Result:
    """Train to the end of the recipe, or until `stop` says so; then write the results.

    Args:
        run: its folder; closed at the end.
        trainer: fresh, or restored from the run's checkpoint.
        observer: told about once a second.
        seconds: trained before.
        stop: asked after every epoch.
        record: told of every epoch.

    Raises:
        RunFailed: the run has failed beyond repair, memory is at an end, or the results cannot be
            written; the last checkpoint is as it was.
    """
    try:
        with memory.explained("lower --res or, by --set, phases.batch or checkpoint"):
            seconds = _train_epochs(run, trainer, observer, seconds, stop, record)
            return finish(run, trainer, seconds)
    except Diverged as error:
        raise RunFailed(
            f"{error}; begin anew with --recipe RUN/recipe.toml and --set optimiser.learning_rate=…, "
            "or bound the state by spec.clamp"
        ) from None
    except OSError as error:
        message = f"cannot write to {run.folder}: {error.strerror or error}"
        if run.path(CHECKPOINT).is_file():
            message += "; its last checkpoint is whole"
        raise RunFailed(message) from None
    finally:
        run.close()


def follow(trainer: Trainer, stop: Callable[[], bool] = lambda: False) -> None:
    """Do this process's share of a run that another one leads."""
    stopping = False
    while trainer.epoch < trainer.recipe.epochs and not stopping:
        trainer.train_epoch()
        stopping = trainer.ranks.any(stop(), trainer.device)


def _train_epochs(
    run: Run,
    trainer: Trainer,
    observer: Observer,
    before: float,
    stop: Callable[[], bool],
    record: Callable[[Row], None],
) -> float:
    recipe = run.recipe
    begun = reported = saved = time.monotonic()
    pace = Pace(recipe, trainer.epoch)
    unread: list[Epoch] = []
    looks: dict[int, float] = {}  # losses from the seed, by epoch

    def read() -> None:
        """Wait for the device, keep the metrics of the epochs since the last time, and tell of them."""
        nonlocal reported
        if not unread:
            return
        losses = torch.stack([torch.stack([e.loss, *e.losses.values(), e.died]) for e in unread])
        values = losses.tolist()
        now = time.monotonic()
        for epoch, (*parts, died) in zip(unread, values, strict=True):
            row = (
                epoch.number, *parts, epoch.learning_rate, epoch.steps, before + now - begun, died,
                looks.pop(epoch.number, math.nan),
            )  # fmt: skip
            run.rows.append(row)
            record(row)
        means = dict(zip(unread[0].losses, losses[:, 1:-1].mean(dim=0).tolist(), strict=True))
        pace.add(unread, now - reported)
        observer.progress(
            Progress(
                epoch=unread[-1].number,
                epochs=recipe.epochs,
                phase=f"{trainer.number + 1} of {len(recipe.phases)}, {plots.written(trainer.phase.grid)}",
                loss=sum(value[0] for value in values) / len(values),
                died=_died(run),
                seconds=before + now - begun,
                seconds_left=pace.left(unread[-1].number),
                steps_per_second=sum(epoch.steps + recipe.hold for epoch in unread) / (now - reported),
                said=trainer.task.say(means),
                picture=trainer.task.picture(unread[-1].grown),
            )
        )
        unread.clear()
        reported = now

    stopping = early = patience.exhausted(recipe, run.looks)
    while trainer.epoch < recipe.epochs and not stopping:
        outcome = trainer.train_epoch()
        if isinstance(outcome, Epoch) and outcome.note:
            observer.note(f"epoch {outcome.number:,}: {outcome.note}")
        if isinstance(outcome, Epoch) and patience.due(recipe, outcome.number):
            found = trainer.task.measure(trainer.result(), seeds=patience.SEEDS)
            looks[outcome.number] = found.get("loss", math.nan)
            early = patience.exhausted(recipe, [*run.looks, *looks.items()])
        stopping = trainer.ranks.any(early or stop(), trainer.device)
        if isinstance(outcome, Return):
            read()  # some of them may be from before the state it went back to
            del run.rows[outcome.epoch :]
            observer.note(f"{outcome.reason}: back to epoch {outcome.epoch:,}, with half the learning rate")
        else:
            unread.append(outcome)
        last = stopping or trainer.epoch == recipe.epochs
        if not last and time.monotonic() - reported < REPORT_EVERY:
            continue
        read()
        now = time.monotonic()
        if last or now - saved >= SAVE_EVERY:
            try:
                run.write_checkpoint(trainer.tensors(), trainer.epoch, before + now - begun)
            except OSError as error:
                if last:
                    raise
                observer.note(f"no checkpoint now ({error.strerror or error}); the last one is whole")
            saved = time.monotonic()
    if early and trainer.epoch < recipe.epochs:
        share = f"{100 * recipe.patience:.0f} % of its epochs"
        observer.note(f"stopped early: for {share} it has not become better (--resume with --epochs goes on)")
    return before + time.monotonic() - begun


def _died(run: Run) -> int:
    """Rollouts of a run that ended without a living cell."""
    recipe, total = run.recipe, 0.0
    for number, died in enumerate(run.column("died")):
        if died:
            total += died * recipe.phases[recipe.phase_after(number)].batch
    return round(total)

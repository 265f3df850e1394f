"""A whole training run: from the target to a folder with a model and pictures of it."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from petri import images, memory, modelfile, plots, targets
from petri.errors import BadRequest, RunFailed
from petri.evaluation.report import ReportLoss, report_loss
from petri.film import EVERY, film
from petri.growth.catalogue import TABLE_5
from petri.growth.pace import Pace
from petri.growth.recipe import Recipe
from petri.growth.trainer import Epoch, Return, Trainer
from petri.progress import Observer, Progress
from petri.runs import CHECKPOINT, Row, Run

REPORT_EVERY = 1.0  # seconds between looks at the device
SAVE_EVERY = 60.0  # seconds between checkpoints
GROWTH_PIXELS = 256  # about the side of growth.webp
GROWTH_FPS = 20
GROWTH_BYTES = 10**9  # that its pictures may take on the way, about 7 a pixel
RESULTS = (
    "model.safetensors",
    "grown.png",
    "growth.webp",
    "target.png",
    "loss.png",
    "metrics.csv",
    "recipe.toml",
)


@dataclass(frozen=True)
class Result:
    """What a run has come to."""

    folder: Path
    epochs: int
    seconds: float
    loss: ReportLoss  # from the seed
    files: tuple[str, ...]  # in the folder
    finished: bool  # all epochs of the recipe


def seen_channels(recipe: Recipe) -> int:
    """How many channels are compared with the target: alpha counts only where there is a living mask."""
    return 4 if recipe.spec.living else 3


def draw_targets(recipe: Recipe) -> list[Tensor]:
    """The target at the size of each phase.

    Raises:
        BadRequest: it cannot be drawn at one of them.
    """
    seen = seen_channels(recipe)
    return [
        torch.from_numpy(targets.load(recipe.target, phase.res).pixels[:seen].copy())
        for phase in recipe.phases
    ]


def start(
    recipe: Recipe, parent: Path, name: str | None, device: torch.device, **how: Any
) -> tuple[Run, Trainer]:
    """Make a run's folder and its trainer; nothing is written if either cannot be.

    Args:
        recipe: how it trains.
        parent: folder that holds runs.
        name: of the run's folder; made from the recipe if None.
        device: where it trains.
        how: `engine` and `ranks` of the trainer; only the leading rank may start a run.
    """
    trainer = make_trainer(recipe, device, **how)
    size = sum(
        tensor.numel() * tensor.element_size() for tensor in trainer.tensors_at(recipe.epochs).values()
    )
    trainer.tensors_at(0)
    room = 2 * size + 20_000_000  # the old checkpoint, the new one, and the pictures
    run = Run.create(parent, name, recipe, room=room)
    try:
        run.write_checkpoint(trainer.tensors(), 0, 0.0)
        images.save_picture(run.path("target.png"), images.picture(trainer.targets[-1], recipe.spec))
    except BaseException as error:
        run.discard()
        if isinstance(error, OSError):
            raise BadRequest(f"cannot write to {run.folder}: {error.strerror or error}") from None
        raise
    return run, trainer


def make_trainer(recipe: Recipe, device: torch.device, **how: Any) -> Trainer:
    """The trainer of a new run, if this machine can hold it."""
    memory.check(recipe, device, **how)
    return Trainer(recipe, draw_targets(recipe), device, **how)


def resume(
    folder: Path, device: torch.device, *, lock: bool = True, **how: Any
) -> tuple[Run, Trainer, float]:
    """Open a run where its last checkpoint left it; the third value is the seconds trained so far.

    Args:
        folder: of the run.
        device: where to go on.
        lock: keep other processes out; of several ranks only the leading one does.
        how: `engine` and `ranks` of the trainer.
    """
    run = Run.open(folder, lock=lock)
    try:
        recipe = run.recipe
        memory.check(recipe, device, **how)
        seen = seen_channels(recipe)
        blank = [torch.zeros(seen, phase.res, phase.res) for phase in recipe.phases]
        trainer = Trainer(recipe, blank, device, **how)
        saved = run.read_checkpoint(trainer.tensors_at)
        if saved is None:
            raise BadRequest(f"{folder} has no checkpoint to resume from")
        tensors, epoch, seconds = saved
        if epoch >= recipe.epochs and _has_results_of(run, epoch):
            raise BadRequest(f"{folder} is finished: {epoch} of {recipe.epochs} epochs")
        try:
            trainer.restore(tensors, epoch)
        except RuntimeError as error:  # of a generator, whose state is not any bytes
            raise BadRequest(f"{run.path(CHECKPOINT)} is damaged: {error}") from None
    except BaseException:
        run.close()
        raise
    return run, trainer, seconds


def _has_results_of(run: Run, epoch: int) -> bool:
    """Whether the results are whole and those of this epoch, not of an earlier stop of the run."""
    try:
        model = modelfile.read(run.path("model.safetensors"))  # written last
    except BadRequest:
        return False
    whole = all(run.path(name).is_file() for name in RESULTS) and run.has_metrics()
    return model.training.get("epochs") == epoch and whole


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

    def read() -> None:
        """Wait for the device, keep the metrics of the epochs since the last time, and tell of them."""
        nonlocal reported
        if not unread:
            return
        losses = torch.stack([torch.stack([e.loss, e.pattern, e.stability, e.overflow]) for e in unread])
        values = losses.tolist()
        now = time.monotonic()
        for epoch, parts in zip(unread, values, strict=True):
            row = (epoch.number, *parts, epoch.learning_rate, epoch.steps, before + now - begun)
            run.rows.append(row)
            record(row)
        pace.add(unread, now - reported)
        observer.progress(
            Progress(
                epoch=unread[-1].number,
                epochs=recipe.epochs,
                phase=f"{trainer.number + 1} of {len(recipe.phases)}, {trainer.phase.res}²",
                loss=sum(value[0] for value in values) / len(values),
                seconds=before + now - begun,
                seconds_left=pace.left(unread[-1].number),
                steps_per_second=sum(epoch.steps + recipe.hold for epoch in unread) / (now - reported),
                picture=images.picture(unread[-1].grown, recipe.spec),
            )
        )
        unread.clear()
        reported = now

    stopping = False
    while trainer.epoch < recipe.epochs and not stopping:
        outcome = trainer.train_epoch()
        stopping = trainer.ranks.any(stop(), trainer.device)
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
    return before + time.monotonic() - begun


def finish(run: Run, trainer: Trainer, seconds: float) -> Result:
    """Measure the model from the seed and write it, its pictures and the plot of its loss."""
    recipe, automaton = run.recipe, trainer.result()
    loss = report_loss(automaton, trainer.targets[-1][:3], steps=recipe.steps[1], hold=recipe.hold)
    training = {
        "recipe": recipe.to_fields(),
        "epochs": trainer.epoch,
        "seconds": round(seconds),
        "loss": loss.to_fields(),
        "machine": f"{platform.system()} {platform.machine()}, {trainer.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
    }
    # A path says where a file lay on one machine; the model keeps only its name.
    training["recipe"]["target"] = recipe.name
    zoom = max(1, GROWTH_PIXELS // recipe.res)
    steps, room = recipe.steps[1] + recipe.hold, GROWTH_BYTES // (7 * (recipe.res * zoom) ** 2)
    shown = film(automaton, recipe.res, steps, every=max(EVERY, math.ceil(steps / max(1, room))))
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    run.write_metrics()  # a run that was killed behind its last checkpoint may have left a shorter file
    images.save_picture(run.path("grown.png"), frames[-1])
    images.save_animation(run.path("growth.webp"), frames, fps=GROWTH_FPS)
    plots.save_loss(
        run.path("loss.png"),
        [pattern + stability / 2 + overflow / 10 for _, _, pattern, stability, overflow, *_ in run.rows],
        phases=recipe.phases,
        reference=TABLE_5.get(recipe.target),
    )
    model = modelfile.Model(automaton=automaton, target=recipe.name, training=training)
    modelfile.write(run.path("model.safetensors"), model)
    return Result(run.folder, trainer.epoch, seconds, loss, RESULTS, trainer.epoch >= recipe.epochs)

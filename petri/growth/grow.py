"""A whole training run: from the target to a folder with a model and pictures of it."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri import images, memory, modelfile, plots
from petri.errors import BadRequest, RunFailed
from petri.evaluation.report import ReportLoss, report_loss
from petri.film import film
from petri.growth.catalogue import TABLE_5
from petri.growth.recipe import Recipe
from petri.growth.trainer import Epoch, Trainer
from petri.progress import Observer, Progress
from petri.runs import CHECKPOINT, Run
from petri.targets import Target

REPORT_EVERY = 1.0  # seconds between looks at the device
SAVE_EVERY = 60.0  # seconds between checkpoints
GROWTH_PIXELS = 256  # about the side of growth.webp
GROWTH_FPS = 20
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


def seen_channels(target: Target) -> Tensor:
    """What the automaton is to show, `[3 or 4, res, res]`: alpha counts where the target is transparent."""
    return torch.from_numpy(target.pixels[: 4 if target.transparent else 3].copy())


def start(
    recipe: Recipe, target: Target, parent: Path, name: str | None, device: torch.device
) -> tuple[Run, Trainer]:
    """Make a run's folder and its trainer; nothing is written if either cannot be."""
    memory.check(recipe)
    trainer = Trainer(recipe, seen_channels(target), device)
    size = sum(tensor.numel() * tensor.element_size() for tensor in trainer.tensors().values())
    room = 2 * size + 20_000_000  # the old checkpoint, the new one, and the pictures
    run = Run.create(parent, name, recipe, room=room)
    try:
        run.write_checkpoint(trainer.tensors(), 0, 0.0)
        images.save_picture(run.path("target.png"), images.picture(trainer.target, recipe.spec))
    except BaseException as error:
        run.discard()
        if isinstance(error, OSError):
            raise BadRequest(f"cannot write to {run.folder}: {error.strerror or error}") from None
        raise
    return run, trainer


def resume(folder: Path, device: torch.device) -> tuple[Run, Trainer, float]:
    """Open a run where its last checkpoint left it; the third value is the seconds trained so far."""
    run = Run.open(folder)
    try:
        recipe = run.recipe
        memory.check(recipe)
        blank = torch.zeros(4 if recipe.spec.living else 3, recipe.res, recipe.res)
        trainer = Trainer(recipe, blank, device)
        saved = run.read_checkpoint(trainer.tensors())
        if saved is None:
            raise BadRequest(f"{folder} has no checkpoint to resume from")
        tensors, epoch, seconds = saved
        if epoch >= recipe.epochs and _has_results_of(run, epoch):
            raise BadRequest(f"{folder} is finished: {epoch} of {recipe.epochs} epochs")
        trainer.restore(tensors, epoch)
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
    return model.training.get("epochs") == epoch and all(run.path(name).is_file() for name in RESULTS)


def train(
    run: Run,
    trainer: Trainer,
    observer: Observer,
    *,
    seconds: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Train to the end of the recipe, or until `stop` says so; then write the results.

    Args:
        run: its folder; closed at the end.
        trainer: fresh, or restored from the run's checkpoint.
        observer: told about once a second.
        seconds: trained before.
        stop: asked after every epoch.

    Raises:
        RunFailed: the loss is no longer finite, memory is at an end, or the results cannot be written; the
            last checkpoint is as it was.
    """
    try:
        seconds = _train_epochs(run, trainer, observer, seconds, stop)
        return finish(run, trainer, seconds)
    except OSError as error:
        message = f"cannot write to {run.folder}: {error.strerror or error}"
        if run.path(CHECKPOINT).is_file():
            message += "; its last checkpoint is whole"
        raise RunFailed(message) from None
    except (MemoryError, RuntimeError) as error:
        # PyTorch reports this in as many ways as it has devices.
        if isinstance(error, MemoryError) or re.search("out of memory|allocate memory", str(error), re.I):
            raise RunFailed("not enough memory: lower --batch or --res, or --truncate 16") from None
        raise
    finally:
        run.close()


def _train_epochs(
    run: Run, trainer: Trainer, observer: Observer, before: float, stop: Callable[[], bool]
) -> float:
    recipe = run.recipe
    begun = reported = saved = time.monotonic()
    first = trainer.epoch
    unread: list[Epoch] = []
    stopping = False
    while trainer.epoch < recipe.epochs and not stopping:
        unread.append(trainer.train_epoch())
        stopping = stop()
        last = stopping or trainer.epoch == recipe.epochs
        if not last and time.monotonic() - reported < REPORT_EVERY:
            continue
        losses = torch.stack([torch.stack([e.loss, e.pattern, e.stability, e.overflow]) for e in unread])
        values = losses.tolist()  # waits for the device, so the clock is right from here on
        now = time.monotonic()
        seconds = before + now - begun
        for epoch, (loss, *parts) in zip(unread, values, strict=True):
            if not np.isfinite(loss):
                raise RunFailed(
                    f"the loss was no longer finite at epoch {epoch.number}; "
                    f"the checkpoint in {run.folder} is from before"
                )
            run.rows.append((epoch.number, loss, *parts, epoch.learning_rate, epoch.steps, seconds))
        mean = sum(value[0] for value in values) / len(values)
        left = (now - begun) / (trainer.epoch - first) * (recipe.epochs - trainer.epoch)
        speed = sum(epoch.steps + recipe.hold for epoch in unread) / (now - reported)
        picture = images.picture(unread[-1].grown, recipe.spec)
        observer.progress(Progress(trainer.epoch, recipe.epochs, mean, seconds, left, speed, picture))
        unread.clear()
        reported = now
        if last or now - saved >= SAVE_EVERY:
            try:
                run.write_checkpoint(trainer.tensors(), trainer.epoch, seconds)
            except OSError as error:
                if last:
                    raise
                observer.note(f"no checkpoint now ({error.strerror or error}); the last one is whole")
            saved = time.monotonic()
    return before + time.monotonic() - begun


def finish(run: Run, trainer: Trainer, seconds: float) -> Result:
    """Measure the model from the seed and write it, its pictures and the plot of its loss."""
    recipe, automaton = run.recipe, trainer.automaton
    loss = report_loss(automaton, trainer.target[:3], steps=recipe.steps[1], hold=recipe.hold)
    training = {
        "recipe": recipe.to_fields(),
        "epochs": trainer.epoch,
        "seconds": round(seconds),
        "loss": loss.to_fields(),
        "machine": f"{platform.system()} {platform.machine()}, {trainer.target.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
    }
    # A path says where a file lay on one machine; the model keeps only its name.
    training["recipe"]["target"] = recipe.name
    zoom = max(1, GROWTH_PIXELS // recipe.res)
    shown = film(automaton, recipe.res, recipe.steps[1] + recipe.hold)
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    images.save_picture(run.path("grown.png"), frames[-1])
    images.save_animation(run.path("growth.webp"), frames, fps=GROWTH_FPS)
    plots.save_loss(run.path("loss.png"), [row[1] for row in run.rows], reference=TABLE_5.get(recipe.target))
    model = modelfile.Model(automaton=automaton, target=recipe.name, training=training)
    modelfile.write(run.path("model.safetensors"), model)
    return Result(run.folder, trainer.epoch, seconds, loss, RESULTS, trainer.epoch >= recipe.epochs)

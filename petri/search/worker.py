"""One worker: it asks what is to be done next, trains it and writes down what came of it."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from petri.errors import BadRequest, RunFailed
from petri.search.agenda import Agenda, Next
from petri.search.proposal import propose
from petri.search.study import REASON, SECONDS, STOPPED, Study
from petri.search.trials import Job
from petri.training.recipe import Recipe

if TYPE_CHECKING:
    from optuna.trial import Trial

LOOKS = 10  # times that a trial's loss is measured, the last one at its end
WAIT = 1.0  # seconds between looks at what others do


class Stopped(Exception):
    """Whoever runs the worker wants it to end."""


class Pruned(Exception):
    """The trial is worse than half of the others were."""


def work(
    study: Study, agenda: Agenda, device: torch.device, stop: Callable[[], bool] = lambda: False
) -> None:
    """Train until the study has all that is asked for, or until `stop` says so.

    Args:
        study: joined by any number of workers.
        agenda: what is asked for.
        device: where to train.
        stop: asked after every epoch; the trial under way is then left to others.
    """
    while not stop():
        study.fail_vanished()
        job = agenda.next(study.trials(), lambda tried: propose(study.space, tried))
        if job is Next.END:
            return
        if isinstance(job, Next):
            time.sleep(WAIT)
        elif (trial := study.claim(job, agenda)) is not None:
            with contextlib.suppress(Stopped):
                _try(study, trial, job, agenda, device, stop)


def _try(
    study: Study, trial: Trial, job: Job, agenda: Agenda, device: torch.device, stop: Callable[[], bool]
) -> None:
    """Train one job and tell the study how it ended."""
    from optuna.exceptions import OptunaError, UpdateFinishedTrialError
    from optuna.trial import TrialState
    from sqlalchemy.exc import SQLAlchemyError

    begun = time.monotonic()
    may_prune = job.seed == agenda.seed  # of those trained again a mean is wanted

    def look(epoch: int, loss: float) -> None:
        trial.report(loss, epoch)
        if may_prune and epoch < study.recipe.epochs and trial.should_prune():
            raise Pruned

    try:
        with _alive(study, trial):
            try:
                loss = train(
                    job.configuration.recipe(study.recipe, seed=job.seed), device, look=look, stop=stop
                )
                trial.set_user_attr(SECONDS, time.monotonic() - begun)
                study.optuna.tell(trial, loss)
            except Pruned:
                trial.set_user_attr(SECONDS, time.monotonic() - begun)
                study.optuna.tell(trial, state=TrialState.PRUNED)
            except (Stopped, KeyboardInterrupt):
                study.fail(trial, STOPPED)
                raise
            except (OptunaError, SQLAlchemyError):
                raise  # of the storage, not of the training
            except Exception as error:
                kind = "" if isinstance(error, (RunFailed, BadRequest)) else f"{type(error).__name__}: "
                study.fail(trial, REASON, kind + " ".join(str(error).split()))
    except UpdateFinishedTrialError:
        pass  # this process stood still for so long that the trial was given to another one


@contextlib.contextmanager
def _alive(study: Study, trial: Trial) -> Iterator[None]:
    """Give signs of life while a trial is trained."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(study.storage.heartbeat_interval):
            with contextlib.suppress(Exception):  # a server that is away for a moment; the next beat will do
                study.storage.record_heartbeat(trial._trial_id)
        study.storage.remove_session()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def train(
    recipe: Recipe,
    device: torch.device,
    *,
    look: Callable[[int, float], None],
    stop: Callable[[], bool] = lambda: False,
) -> float:
    """Train by a recipe; the report's loss at the end, from the seed.

    Args:
        recipe: of the training.
        device: where.
        look: told of the loss after every tenth of the epochs, the last time at the end; may raise.
        stop: asked after every epoch.

    Raises:
        Stopped: `stop` said so.
        BadRequest: this machine has not enough memory for it.
        RunFailed: training diverged beyond repair, the loss is not finite, or a figure has died.
    """
    from petri.evaluation.report import SEEDS
    from petri.training.loop import make_trainer

    trainer = make_trainer(recipe, device)
    every = max(1, recipe.epochs // LOOKS)
    loss, seen, found = math.nan, 0, {}
    while trainer.epoch < recipe.epochs:
        if stop():
            raise Stopped
        trainer.train_epoch()
        due = trainer.epoch % every == 0 or trainer.epoch == recipe.epochs
        if due and trainer.epoch > seen:  # the trainer may have gone back
            found = trainer.task.measure(trainer.result(), seeds=SEEDS)
            loss = found["loss"]
            if not math.isfinite(loss):
                raise RunFailed(f"the loss from the seed was {loss} after epoch {trainer.epoch:,}")
            seen = trainer.epoch
            look(seen, loss)
    if found.get("died") == SEEDS:
        raise RunFailed(f"all of {SEEDS} rollouts from the seed died")
    return loss

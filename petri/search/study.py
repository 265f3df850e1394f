"""A study: what is searched for which target, and every trial so far, kept where many processes can join."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from petri import checks
from petri.errors import BadRequest, nearest
from petri.search import space as spaces
from petri.search.space import Configuration, Space
from petri.search.trials import DONE, FAILED, LOST, PRUNED, RUNNING, Job, Tried
from petri.training.recipe import Recipe

if TYPE_CHECKING:
    import optuna
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

    from petri.search.agenda import Agenda

SPACE, RECIPE, PROMOTED = "petri.space", "petri.recipe", "petri.promoted"  # a study's attributes
# A trial's attributes: of a failed one `REASON` says why, `STOPPED` that it was interrupted and `SURPLUS`
# that another trial is the same; with none of them its worker has vanished.
SEED, WORKER, SECONDS, REASON, STOPPED, SURPLUS = "seed", "worker", "seconds", "reason", "stopped", "surplus"
STATES = {"RUNNING": RUNNING, "COMPLETE": DONE, "PRUNED": PRUNED, "FAIL": LOST}
VANISHES = 3  # after which a configuration is taken to have killed its workers
STARTUP = 5  # trials that must have come to their end before one is pruned
MAKING = 2.0  # seconds that a study may lack what it searches, while another process makes it
# What reading values may raise that have been edited: Optuna checks none of them.
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, OverflowError)
UNBORN = 600  # seconds after which a trial that never gave a sign of life is given up


class Study:
    """A search in its storage.

    Attributes:
        name: of the study.
        space: what may be chosen.
        recipe: how every trial trains, but for what is chosen and the seed.
        first: the configuration that the recipe has as it is, the one tried first; None if it is not in the
            space.
    """

    def __init__(self, storage: RDBStorage, name: str) -> None:
        """Open a study.

        Raises:
            BadRequest: there is none of this name, or it is not petri's.
        """
        import optuna

        with _undamaged(name):
            found = _load(storage, name)
            known = [] if found else sorted(optuna.get_all_study_names(storage))
        if found is None:
            hint = nearest(name, known) or (
                f"; there are {', '.join(known)}" if known else "; there are none yet"
            )
            raise BadRequest(f"there is no study {name!r}{hint}")
        self.optuna, self.storage, self.name = found, storage, name
        with _undamaged(name):
            attributes = self.optuna.user_attrs
            checks.choice("its direction", self.optuna.direction.name, ("MINIMIZE",))
        try:
            self.space = spaces.find(attributes[SPACE])
            self.recipe = Recipe.from_fields(attributes[RECIPE])
        except DAMAGE:
            raise BadRequest(
                f"the study {name!r} was not made by petri search, or by another version"
            ) from None
        self.first = self.space.configuration_of(self.recipe)
        self.optuna.pruner = _pruner(self.recipe.epochs)

    @classmethod
    def join(cls, storage: RDBStorage, name: str, space: Space, recipe: Recipe) -> Study:
        """Make a study, or open the one that another process has made by the same command.

        Raises:
            BadRequest: the one that is there is for another target, of another space or of another recipe.
        """
        import optuna

        try:
            made = optuna.create_study(study_name=name, storage=storage)
        except optuna.exceptions.DuplicatedStudyError:
            with _undamaged(name):
                made = optuna.load_study(study_name=name, storage=storage)
                begun = time.monotonic()
                while SPACE not in made.user_attrs and time.monotonic() - begun < MAKING:
                    time.sleep(0.1)  # another process is making it
        with _undamaged(name):
            if SPACE not in made.user_attrs and not made.get_trials(deepcopy=False):
                made.set_user_attr(RECIPE, recipe.to_fields())
                made.set_user_attr(SPACE, space.name)  # last: who finds it finds the study whole
        study = cls(storage, name)
        if study.recipe.name != recipe.name:
            raise BadRequest(f"the study {name!r} is for {study.recipe.name}: choose another --study")
        if study.space != space:
            raise BadRequest(
                f"the study {name!r} is of the space {study.space.name!r}, not {space.name!r}: "
                "choose another --study"
            )
        theirs, ours = study.recipe.to_fields(), recipe.to_fields()
        other = [field for field in ours if ours[field] != theirs.get(field) and field != "target"]
        if other:
            raise BadRequest(
                f"the study {name!r} trains in another way ({', '.join(other)}): "
                "give the same options, or choose another --study"
            )
        return study

    @property
    def promoted(self) -> list[dict[str, Any]]:
        """What was trained at full size, as `promotion.outcome` gives it.

        Raises:
            BadRequest: the storage has something else.
        """
        with _undamaged(self.name):
            found = self.optuna.user_attrs.get(PROMOTED, [])
            for done in found:
                checks.printable("configuration", done["configuration"])
                checks.printable("run", done["run"])
                checks.number("loss", done["loss"], 0, math.inf)
                checks.number("seconds", done["seconds"], 0, 1e9)
            return found

    def trials(self) -> list[Tried]:
        """Every trial so far, the oldest first, without those that were the same as another one.

        Raises:
            BadRequest: the storage has values that no trial has.
        """
        with _undamaged(self.name):
            found = [
                self._tried(trial)
                for trial in self.optuna.get_trials(deepcopy=False)
                if trial.params and trial.state.name in STATES and not trial.user_attrs.get(SURPLUS)
            ]
        vanished: dict[Job, int] = defaultdict(int)
        for trial in found:
            if trial.state == LOST and not trial.stopped:
                vanished[trial.job] += 1
        return [
            trial.given_up(f"its worker vanished {VANISHES} times")
            if trial.state == LOST and vanished[trial.job] >= VANISHES
            else trial
            for trial in found
        ]

    def _tried(self, trial: FrozenTrial) -> Tried:
        attributes = trial.user_attrs
        reason = attributes.get(REASON, "")
        state = FAILED if reason else STATES[trial.state.name]
        looks = trial.intermediate_values
        epoch = max(looks, default=0)
        loss: Any = trial.value if state == DONE else looks.get(epoch, math.nan)
        where = f"of trial {trial.number}"
        configuration = Configuration(**trial.params)
        if not self.space.holds(configuration):
            raise BadRequest(f"the configuration {where} is none of the space {self.space.name!r}")
        if state == DONE or not math.isnan(loss):
            checks.number(f"the loss {where}", loss, 0, sys.float_info.max)
        for name, text in (("reason", reason), ("worker", attributes.get(WORKER, ""))):
            if not isinstance(text, str):
                raise BadRequest(f"the {name} {where} must be a text, got {text!r:.60}")
        return Tried(
            number=trial.number,
            job=Job(
                configuration,
                checks.whole(f"the seed {where}", attributes.get(SEED, self.recipe.seed), 0, 2**32 - 1),
            ),
            state=state,
            loss=loss,
            epoch=checks.whole(f"the epoch {where}", epoch, 0, self.recipe.epochs),
            seconds=checks.number(f"the seconds {where}", attributes.get(SECONDS, 0.0), 0, 1e9),
            reason=reason,
            stopped=bool(attributes.get(STOPPED)),
            worker=attributes.get(WORKER, ""),
        )

    def claim(self, job: Job, agenda: Agenda) -> Trial | None:
        """Begin a trial; None if the agenda does not want it any more, since another worker was faster.

        The trial and its choices appear in the storage at once, with a number that shows who came first.
        """
        import optuna
        from optuna.trial import TrialState

        study_id = self.storage.get_study_id_from_name(self.name)
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=job.configuration.to_params(),
            distributions=self.space.distributions(job.configuration),
            user_attrs={SEED: job.seed},
        )
        identity = self.storage.create_new_trial(study_id, template)
        self.storage.record_heartbeat(identity)
        trial = optuna.trial.Trial(self.optuna, identity)
        trial.set_user_attr(WORKER, f"{socket.gethostname()}:{os.getpid()}")
        if not agenda.allows(job, [other for other in self.trials() if other.number < trial.number]):
            self.fail(trial, SURPLUS)
            return None
        return trial

    def fail(self, trial: Trial, why: str, value: str | bool = True) -> None:
        """End a trial that has come to nothing; `why` is `REASON`, `STOPPED` or `SURPLUS`."""
        from optuna.trial import TrialState

        trial.set_user_attr(why, value)
        self.optuna.tell(trial, state=TrialState.FAIL)

    def fail_vanished(self) -> None:
        """Fail the trials whose workers have not been heard of for a while, or never."""
        import optuna
        from optuna.trial import TrialState

        with _undamaged(self.name), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.optuna)
            for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                begun = trial.datetime_start or datetime.now()
                if WORKER not in trial.user_attrs and (datetime.now() - begun).total_seconds() > UNBORN:
                    self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _load(storage: RDBStorage, name: str) -> optuna.Study | None:
    """Optuna's study of this name; None if there is none."""
    import optuna

    # The sampler is never asked: what is tried comes from `proposal`.
    try:
        return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())
    except KeyError:
        return None


@contextlib.contextmanager
def _undamaged(study: str) -> Iterator[None]:
    """Say in one line that a storage holds what neither petri nor Optuna has written.

    Raises:
        BadRequest: it does.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError):
        raise  # of a storage that cannot be reached, or is none
    except DAMAGE as error:
        kind = "" if isinstance(error, BadRequest) else f"{type(error).__name__}: "
        raise BadRequest(f"the study {study!r} is damaged: {kind}{error}") from None


def _pruner(epochs: int) -> optuna.pruners.BasePruner:
    """Stop a trial that is worse than half of the others were at the same epoch, but none in its first third.

    Source: the report, "Architecture Search": median pruning.
    """
    import optuna

    return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=epochs // 3)

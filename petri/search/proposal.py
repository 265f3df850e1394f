"""Which configuration to try next: TPE proposes, and nothing is proposed twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from petri.search.space import Configuration, Space
from petri.search.trials import DONE, PRUNED, RUNNING, Tried

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ASKED = 20  # proposals, before those that are left are looked at one by one


def propose(space: Space, tried: Sequence[Tried], *, sampler_seed: int | None = None) -> Configuration:
    """A configuration that has not been tried: TPE's, or the one left that is most like TPE's.

    Args:
        space: what may be chosen; must have one left.
        tried: all trials so far; those under way count, so that several workers look in different places.
        sampler_seed: of all chance; drawn anew if None, so that workers differ.

    Source: the report, "Architecture Search"; Bergstra et al. 2011.
    """
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=sampler_seed))
    study.add_trials([_frozen(space, trial) for trial in tried if trial.state in (RUNNING, DONE, PRUNED)])
    known = {trial.job.configuration for trial in tried}
    proposals = []
    for _ in range(ASKED):
        trial = study.ask()
        proposals.append(space.suggest(trial))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if proposals[-1] not in known:
            return proposals[-1]
    left = [configuration for configuration in space.all() or () if configuration not in known]
    random.Random(sampler_seed).shuffle(left)
    return min(left, key=lambda configuration: _difference(configuration, proposals[0]))


def _difference(one: Configuration, other: Configuration) -> int:
    """How many choices are not the same."""
    return len(one.to_params().items() ^ other.to_params().items())


def _frozen(space: Space, trial: Tried) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    looked = trial.epoch > 0
    return create_trial(
        state={RUNNING: TrialState.RUNNING, DONE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED}[
            trial.state
        ],
        value=trial.loss if trial.state == DONE else None,
        params=trial.job.configuration.to_params(),
        distributions=space.distributions(trial.job.configuration),
        intermediate_values={trial.epoch: trial.loss} if looked else None,
    )

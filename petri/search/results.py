"""What a study has found: configurations compared, over several seeds where they were trained again."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass

from petri import verdict
from petri.errors import BadRequest
from petri.search.space import Configuration
from petri.search.study import Study
from petri.search.trials import DONE, FAILED, LOST, PRUNED, RUNNING, Tried

ENOUGH = 4  # trials that tell something of the choices
ORDER = (DONE, RUNNING, LOST, PRUNED, FAILED)  # of the table; lost ones wait to be trained again


@dataclass(frozen=True)
class Finding:
    """What is known of one configuration."""

    configuration: Configuration
    parameters: int  # as the report counts them
    first: Tried  # its first training, by which it was chosen to be trained again or not
    again: tuple[float, ...]  # losses of the other seeds: what it is judged by, as chance did not choose them
    seconds: float  # a training takes, the median of those that came to their end
    is_reference: bool  # the one that was tried first: of Table 4, or the default

    @property
    def mean(self) -> float:
        """Of the losses of the other seeds; of the first training if there are none."""
        return statistics.fmean(self.again) if self.again else self.first.loss

    @property
    def spread(self) -> float:
        """Standard deviation over the other seeds; 0 if there are fewer than two."""
        return verdict.spread(self.again)

    def against(self, best: Finding) -> str:
        """How it compares with the best, as in `petri ablate`; empty if it was trained only once."""
        if self is best:
            return "the best so far"
        return verdict.against(self.again, best.again) if self.again and best.again else ""


def findings(study: Study, tried: list[Tried] | None = None) -> list[Finding]:
    """One for each configuration: those trained again first, then those trained once, the best on top; then
    those under way, pruned and failed."""
    by_configuration: dict[Configuration, list[Tried]] = defaultdict(list)
    for trial in study.trials() if tried is None else tried:
        by_configuration[trial.job.configuration].append(trial)
    found = [_finding(study, configuration, trials) for configuration, trials in by_configuration.items()]
    return sorted(
        found,
        key=lambda one: (
            -1 if one.again else ORDER.index(one.first.state),
            math.inf if math.isnan(one.mean) else one.mean,
        ),
    )


def _finding(study: Study, configuration: Configuration, trials: list[Tried]) -> Finding:
    seed = study.recipe.seed
    firsts = [trial for trial in trials if trial.job.seed == seed]
    if not firsts:
        raise BadRequest(
            f"the study {study.name!r} is damaged: {configuration.describe()} was never trained with "
            f"the seed {seed}"
        )
    done = [trial for trial in trials if trial.state == DONE]
    timed = [trial.seconds for trial in done if trial.seconds]
    return Finding(
        configuration=configuration,
        parameters=configuration.recipe(study.recipe, seed=seed).spec.parameters,
        first=firsts[-1],
        again=tuple(trial.loss for trial in done if trial.job.seed != seed),
        seconds=statistics.median(timed) if timed else trials[-1].seconds,
        is_reference=configuration == study.first,
    )


def best(found: list[Finding]) -> Finding | None:
    """The one with the least mean loss over seeds that it was not chosen by; None if there are no such."""
    return min((one for one in found if len(one.again) > 1), key=lambda one: one.mean, default=None)


def candidates(found: list[Finding]) -> list[Finding]:
    """Those that came to their end, the best first: what is worth training at full size."""
    return [one for one in found if one.again or one.first.state == DONE]


def front(found: list[Finding]) -> list[Finding]:
    """Those of which no other is both smaller and better, the smallest first."""
    chosen: list[Finding] = []
    for one in sorted(candidates(found), key=lambda one: (one.parameters, one.mean)):
        if not chosen or one.mean < chosen[-1].mean:
            chosen.append(one)
    return chosen


def importance(study: Study) -> dict[str, float]:
    """How much of what makes a good trial good is each choice, in shares of 1; empty before there is enough.

    Of the trials that came to their end: what was pruned has no final loss.

    Source: Watanabe et al. 2023 (PED-ANOVA), as Optuna computes it.
    """
    import optuna

    if sum(trial.state == DONE for trial in study.trials()) < ENOUGH:
        return {}
    return optuna.importance.get_param_importances(study.optuna)

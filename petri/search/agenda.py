"""What a worker does next. Every worker answers this for itself, from the trials that the storage has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from petri.search.space import Configuration, Space
from petri.search.trials import DONE, FAILED, LOST, PRUNED, RUNNING, Job, Tried

TOP = 3  # configurations that are trained again with other seeds, besides the first one


class Next(Enum):
    """If there is nothing to train."""

    WAIT = "others are at work, and what they find decides"
    END = "all that was asked for is done"


@dataclass(frozen=True)
class Agenda:
    """What is asked of a study."""

    space: Space
    seed: int  # of each configuration's first training
    first: Configuration | None  # tried before all others, and trained again whatever it gave
    trials: int  # configurations to try
    seeds: int  # fresh seeds that the best few are trained with again

    @property
    def wanted(self) -> int:
        """Configurations to try, as far as there are so many."""
        return min(self.trials, self.space.size or self.trials)

    def next(self, tried: Sequence[Tried], propose: Callable[[Sequence[Tried]], Configuration]) -> Job | Next:
        """The next training, in this order: what was lost, what is new, the best few again.

        Args:
            tried: all trials of the study.
            propose: of these trials makes a configuration that is not among them; asked only if one is left.
        """
        settled = {trial.job for trial in tried if trial.counts}
        for trial in tried:
            if trial.state == LOST and trial.job not in settled:
                return trial.job
        configurations = self.begun(tried)
        if len(configurations) < self.wanted:
            if self.first is not None and self.first not in configurations:
                return Job(self.first, self.seed)
            return Job(propose(tried), self.seed)
        if any(trial.state == RUNNING and trial.job.seed == self.seed for trial in tried):
            return Next.WAIT  # it may be one of the best
        for seed in range(self.seed + 1, self.seed + 1 + self.seeds):
            for configuration in self.finalists(tried):
                if Job(configuration, seed) not in settled:
                    return Job(configuration, seed)
        return Next.WAIT if any(trial.state == RUNNING for trial in tried) else Next.END

    def allows(self, job: Job, before: Sequence[Tried]) -> bool:
        """Whether a job is still wanted after the trials that began before it.

        Another worker may have thought of it, or of the last new one, at the same moment.
        """
        if any(trial.job == job and trial.counts for trial in before):
            return False
        begun = self.begun(before)
        return job.configuration in begun or len(begun) < self.trials

    def begun(self, tried: Sequence[Tried]) -> set[Configuration]:
        """The configurations tried so far or being tried."""
        return {trial.job.configuration for trial in tried}

    def finalists(self, tried: Sequence[Tried]) -> list[Configuration]:
        """The best few by their first training, and the first one."""
        firsts = [trial for trial in tried if trial.job.seed == self.seed]
        done = sorted((trial for trial in firsts if trial.state == DONE), key=lambda trial: trial.loss)
        chosen = [trial.job.configuration for trial in done[:TOP]]
        if any(t.job.configuration == self.first and t.state in (DONE, PRUNED) for t in firsts):
            chosen += [self.first] if self.first is not None and self.first not in chosen else []
        return chosen

    def left(self, tried: Sequence[Tried]) -> int:
        """Trainings still to be done, those under way among them."""
        new = self.wanted - len(self.begun(tried))
        open_jobs = {t.job for t in tried if t.state in (LOST, RUNNING)} - {
            t.job for t in tried if t.state in (DONE, PRUNED, FAILED)
        }
        again = {t.job for t in tried if t.counts and t.job.seed != self.seed}
        finals = min(TOP + (self.first is not None), self.trials) * self.seeds
        return max(0, new) + len(open_jobs) + max(0, finals - len(again))

    def is_done(self, tried: Sequence[Tried]) -> bool:
        """Whether nothing is left to be done, by anybody."""
        return len(self.begun(tried)) >= self.wanted and self.next(tried, _none) is Next.END


def _none(tried: Sequence[Tried]) -> Configuration:
    raise AssertionError("nothing new is wanted")

"""Trials: what a worker is to train, and what has become of what was trained."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from petri.search.space import Configuration

RUNNING, DONE, PRUNED, FAILED, LOST = "running", "done", "pruned", "failed", "lost"


@dataclass(frozen=True)
class Job:
    """One training: nobody trains the same one twice."""

    configuration: Configuration
    seed: int


@dataclass(frozen=True)
class Tried:
    """A trial as the storage has it."""

    number: int  # in the study, from 0
    job: Job
    state: str  # running; done, pruned or failed: that was it; lost: to be trained again
    loss: float  # the report's, from the seed: at the end, or when it was last looked at; may be not a number
    epoch: int  # when that was
    seconds: float  # that training took; 0 if it is not known
    reason: str  # why it failed
    stopped: bool  # lost because whoever ran it stopped it
    worker: str  # host:process

    @property
    def counts(self) -> bool:
        """Whether the job needs nobody else: it is done, under way, or known to fail."""
        return self.state != LOST

    def given_up(self, reason: str) -> Tried:
        """The same, as failed."""
        return dataclasses.replace(self, state=FAILED, reason=reason)

"""Whether two ways to train can be told apart, each trained from several seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Standard errors that the means of equal trainings differ by in one case of twenty: Student's t, by degrees
# of freedom from 1 on; for more of them the last.
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
APART = "cannot be told apart"


def clear(freedom: int) -> float:
    """How many standard errors tell two means apart, with so many degrees of freedom, at least 1."""
    return STUDENT[min(freedom, len(STUDENT)) - 1]


def spread(losses: Sequence[float]) -> float:
    """Standard deviation, of a sample; 0 for a single loss, or where one is not finite."""
    return statistics.stdev(losses) if len(losses) > 1 and all(map(math.isfinite, losses)) else 0.0


def against(losses: Sequence[float], others: Sequence[float]) -> str:
    """Whether losses are `better` or `worse` than others, `failed`, or `cannot be told apart` from them.

    They are told apart if equal trainings would differ as much in less than one case of twenty (Student's t);
    one loss says nothing.
    """
    mean = statistics.fmean(losses)
    if not math.isfinite(mean):
        return "failed"
    error = (spread(losses) ** 2 / len(losses) + spread(others) ** 2 / len(others)) ** 0.5
    apart = mean - statistics.fmean(others)
    if len(losses) < 2:
        return APART
    if not abs(apart) > clear(len(losses) + len(others) - 2) * error:
        return APART
    return "worse" if apart > 0 else "better"

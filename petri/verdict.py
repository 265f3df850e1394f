"""Whether two ways to train can be told apart, each trained from several seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

CLEAR = 2.0  # standard errors between two means that can be told apart
APART = "cannot be told apart"


def spread(losses: Sequence[float]) -> float:
    """Standard deviation, of a sample; 0 for a single loss, or where one is not a number."""
    return statistics.stdev(losses) if len(losses) > 1 and not any(map(math.isnan, losses)) else 0.0


def against(losses: Sequence[float], others: Sequence[float]) -> str:
    """Whether losses are `better` or `worse` than others, `failed`, or `cannot be told apart` from them.

    Two means are told apart if more than `CLEAR` standard errors lie between them; one loss says nothing.
    """
    mean = statistics.fmean(losses)
    if math.isnan(mean):
        return "failed"
    error = (spread(losses) ** 2 / len(losses) + spread(others) ** 2 / len(others)) ** 0.5
    apart = mean - statistics.fmean(others)
    if len(losses) < 2 or not abs(apart) > CLEAR * error:
        return APART
    return "worse" if apart > 0 else "better"

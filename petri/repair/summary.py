"""What cases say together: for tables and files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from petri.repair.cases import Case, Paired, paired
from petri.repair.methods import BAR, CALIBRATED


@dataclass(frozen=True)
class Line:
    """One method at one kind and rate of damage, over all networks and masks."""

    kind: str
    rate: float
    method: str
    accuracy: float  # percent, the mean
    least: float
    greatest: float
    divergence: float  # nats an image, the mean
    explained: float  # R² of the missing weights, the mean
    bytes: int  # stored, the mean
    against: Paired  # kriging with recalibration, in the same cases


def lines(cases: Sequence[Case]) -> list[Line]:
    """One for each kind, rate and method, in the order in which cases have them."""
    found = []
    for kind in dict.fromkeys(case.kind for case in cases):
        for rate in sorted({case.rate for case in cases if case.kind == kind}):
            here = [case for case in cases if (case.kind, case.rate) == (kind, rate)]
            for name in [name for name in here[0].figures if all(name in case.figures for case in here)]:
                figures = [case.figures[name] for case in here]
                right = [figure.accuracy for figure in figures]
                found.append(
                    Line(
                        kind, rate, name, statistics.fmean(right), min(right), max(right),
                        statistics.fmean(figure.divergence for figure in figures),
                        _mean([figure.explained for figure in figures]),
                        round(statistics.fmean(figure.bytes for figure in figures)),
                        paired(here, name, BAR),
                    )
                )  # fmt: skip
    return found


def verdicts(found: Sequence[Line], variants: Sequence[str]) -> list[str]:
    """Whether the best automaton is better than kriging with recalibration, a sentence a kind and rate."""
    said = []
    names = {name + CALIBRATED * calibrate for name in variants for calibrate in (False, True)}
    for kind, rate in dict.fromkeys((line.kind, line.rate) for line in found):
        mine = [line for line in found if (line.kind, line.rate) == (kind, rate) and line.method in names]
        if not mine:
            continue
        best = max(mine, key=lambda line: line.accuracy)
        by = best.against
        apart = f"{abs(by.mean):.1f} points {'better' if by.mean > 0 else 'worse'} than {BAR}"
        said.append(
            f"{kind}, {100 * rate:.0f} % lost: the best automaton ({best.method}) is {apart} "
            f"({by.least:+.1f} to {by.greatest:+.1f}; better in {by.better} of {by.cases} cases)"
        )
    return said


def detection(cases: Sequence[Case]) -> list[str]:
    """How well flipped bits were found, a sentence a rate."""
    said = []
    for rate in sorted({case.rate for case in cases if case.found}):
        found = [case.found for case in cases if case.found and case.rate == rate]
        precision, recall, felt = (
            _mean([getattr(one, name) for one in found]) for name in ("precision", "recall", "felt")
        )
        said.append(
            f"{100 * rate:g} % of the weights with a flipped bit: of the suspects {precision:.0%} were, of "
            f"the flipped {recall:.0%} were found, of those that changed much {felt:.0%}"
        )
    return said


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return statistics.fmean(there) if there else math.nan


def to_fields(found: Sequence[Line]) -> list[dict[str, Any]]:
    """As plain values."""
    return [asdict(line) for line in found]

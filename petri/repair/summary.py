"""What cases say together: for tables and files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from petri.record import plain
from petri.repair.asked import PERMUTED, SHUFFLED
from petri.repair.cases import Case, Paired, paired
from petri.repair.methods import CALIBRATED, bar

OWN = ", its own network"  # of an automaton that repairs what it learned from


def own_apart(cases: Sequence[Case], own: Mapping[str, str]) -> list[Case]:
    """Cases in which automata that repair the very network that they learned from have another name.

    Args:
        own: of each such automaton, the name of that network.
    """

    def renamed(case: Case, named: Mapping[str, Any]) -> dict[str, Any]:
        mine = {name for name, network in own.items() if network == case.network}
        apart = {}
        for name, value in named.items():
            method, calibrated, _ = name.partition(CALIBRATED)
            apart[method + OWN * (method in mine) + calibrated] = value
        return apart

    return [
        replace(case, figures=renamed(case, case.figures), found=renamed(case, case.found)) for case in cases
    ]


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
    bar: str  # what it is held against: kriging with recalibration where there is kriging
    against: Paired  # that, in the same cases


def lines(cases: Sequence[Case]) -> list[Line]:
    """One for each kind, rate and method, in the order in which cases have them.

    A method that not all cases have is left out, but for an automaton, which may be apart on its own network.
    """
    found = []
    for kind in dict.fromkeys(case.kind for case in cases):
        for rate in sorted({case.rate for case in cases if case.kind == kind}):
            here = [case for case in cases if (case.kind, case.rate) == (kind, rate)]
            names = _common([case.figures for case in here])
            against = bar(names)
            for name in names:
                figures = [case.figures[name] for case in here if name in case.figures]
                right = [figure.accuracy for figure in figures]
                found.append(
                    Line(
                        kind, rate, name, statistics.fmean(right), min(right), max(right),
                        statistics.fmean(figure.divergence for figure in figures),
                        _mean([figure.explained for figure in figures]),
                        round(statistics.fmean(figure.bytes for figure in figures)),
                        against,
                        paired(here, name, against),
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
        apart = f"{abs(by.mean):.1f} points {'better' if by.mean > 0 else 'worse'} than {best.bar}"
        said.append(
            f"{kind}, {100 * rate:g} % lost: the best automaton ({best.method}) is {apart} "
            f"({by.least:+.1f} to {by.greatest:+.1f}; better in {by.better} of {by.cases} cases)"
        )
    return said


def detection(cases: Sequence[Case]) -> list[str]:
    """How well flipped bits were found, a sentence for each rate and what found them."""
    said = []
    for rate in sorted({case.rate for case in cases if case.found}):
        here = [case.found for case in cases if case.found and case.rate == rate]
        for name in _common(here):
            precision, recall, felt = (
                _mean([getattr(one[name], share) for one in here if name in one])
                for share in ("precision", "recall", "felt")
            )
            said.append(
                f"{100 * rate:g} % of the weights with a flipped bit, found by {name}: of the suspects "
                f"{_share(precision)} were, of the flipped {_share(recall)} were found, "
                f"of those that changed much {_share(felt)}"
            )
    return said


@dataclass(frozen=True)
class Control:
    """What an automaton gains over zeros, and what is left of it; points, or None without such cases."""

    rate: float
    method: str
    gain: float | None
    permuted: float | None  # with the pixels in another order: no picture is left
    shuffled: float | None  # greatest difference of R² in any case, with the units in another order


def controls(cases: Sequence[Case], variants: Sequence[str]) -> list[Control]:
    """Of each rate and automaton, if pixels or units were put into another order at all."""
    if not {PERMUTED, SHUFFLED} & {case.kind for case in cases}:
        return []
    by = {case.place: case.figures for case in cases}

    def gain(kind: str, rate: float, name: str) -> float | None:
        here = [case for case in cases if (case.kind, case.rate) == (kind, rate) and name in case.figures]
        return paired(here, name, "zero").mean if here else None

    def apart(rate: float, name: str) -> float | None:
        found = [
            abs(figures[name].explained - by[network, "random", share, mask][name].explained)
            for (network, kind, share, mask), figures in by.items()
            if (kind, share) == (SHUFFLED, rate) and name in by.get((network, "random", share, mask), ())
        ]
        return max(found, default=None)

    return [
        Control(rate, name, gain("random", rate, name), gain(PERMUTED, rate, name), apart(rate, name))
        for rate in sorted({case.rate for case in cases})
        for name in variants
    ]


def frontier(found: Sequence[Line]) -> list[Line]:
    """Of lines of one kind and rate, those that no other beats with as few bytes; fewest bytes first."""
    best: list[Line] = []
    for line in sorted(found, key=lambda line: (line.bytes, -line.accuracy)):
        if not best or line.accuracy > best[-1].accuracy:
            best.append(line)
    return best


def _common(named: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that all have, and those of automata that are apart on their own network."""

    def there(name: str) -> bool:
        return all(name in one or name.replace(CALIBRATED, "") + OWN in _bare(one) for one in named)

    names = dict.fromkeys(name for one in named for name in one)
    return [name for name in names if OWN in name or there(name)]


def _bare(named: Iterable[str]) -> set[str]:
    return {name.replace(CALIBRATED, "") for name in named}


def _share(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return statistics.fmean(there) if there else math.nan


def to_fields(found: Sequence[Line | Control]) -> list[dict[str, Any]]:
    """As plain values that JSON has: None for what is not finite."""
    return [plain(asdict(line)) for line in found]

"""What a comparison keeps: one case for each damaged network, with what every method came to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from petri.record import not_none
from petri.repair.detect import Found


@dataclass(frozen=True)
class Figure:
    """What one method came to in one case."""

    accuracy: float  # percent
    divergence: float  # KL from the undamaged outputs, nats an image
    explained: float  # R² of the missing weights
    bytes: int  # stored beside the damaged network


@dataclass(frozen=True)
class Case:
    """One damaged network, and what methods made of it."""

    network: str
    kind: str
    rate: float
    mask: int
    whole: float  # accuracy of the undamaged network, percent
    figures: dict[str, Figure] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)  # how well flipped bits were, by what found them

    @property
    def place(self) -> tuple[str, str, float, int]:
        """What tells it from others."""
        return self.network, self.kind, self.rate, self.mask

    def with_more(self, other: Case) -> Case:
        """What a later run adds to it."""
        return replace(other, figures=self.figures | other.figures, found=self.found | other.found)


def restore(fields: dict[str, Any]) -> Case:
    """A case as a record has it."""
    figures = {
        name: Figure(
            bytes=int(figure.pop("bytes")), **{part: not_none(value) for part, value in figure.items()}
        )
        for name, figure in fields.pop("figures").items()
    }
    found = fields.pop("found", None) or {}
    if "precision" in found:  # before automata found any
        found = {"kriging": found}
    return Case(**fields, figures=figures, found={name: _found(one) for name, one in found.items()})


def _found(fields: dict[str, Any]) -> Found:
    return Found(**{name: not_none(value) for name, value in fields.items()})


def merged(trials: Sequence[Case]) -> dict[tuple[str, str, float, int], Case]:
    """Cases by their place; what later ones add to earlier ones belongs to one case."""
    found: dict[tuple[str, str, float, int], Case] = {}
    for case in trials:
        before = found.get(case.place)
        found[case.place] = case if before is None else before.with_more(case)
    return found


@dataclass(frozen=True)
class Paired:
    """One method beside another in the same cases: differences of accuracy, points."""

    mean: float
    least: float
    greatest: float
    better: int  # cases
    cases: int


def paired(cases: Sequence[Case], name: str, other: str) -> Paired:
    """The first method less the second, in the cases that have both."""
    cases = [case for case in cases if name in case.figures and other in case.figures]
    apart = [case.figures[name].accuracy - case.figures[other].accuracy for case in cases]
    better = sum(each > 0 for each in apart)
    return Paired(statistics.fmean(apart), min(apart), max(apart), better, len(apart))

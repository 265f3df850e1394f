"""Everything that is measured of a classifier, in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petri import checks
from petri.datasets import PICTURES, pictures
from petri.datasets.pictures import Labelled, Pictures
from petri.errors import BadRequest
from petri.evaluation.classes import EVALUATION_SEED, MARKS, SWAP, Classes, Reading, classify, others
from petri.modelfile import Model
from petri.nca import show
from petri.nca.seed import repainted

LONG, FEW = 2000, 1000  # steps after which so many of the pictures are asked once more: it takes long
SHOWN = 8  # pictures of a sheet


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """How good a classifier is on pictures that it was not trained on."""

    target: str  # title of the data set
    architecture: str  # of the automaton, in a few words
    parameters: int
    found: Classes  # of all test pictures
    long: Reading  # of the first of them, after many steps
    few: int  # how many these are
    rows: dict[str, list[np.ndarray]] = field(compare=False, repr=False)  # of a sheet, by title: uint8

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        return (
            f"{self.target}, {self.found.pictures:,} test pictures · {self.architecture} · "
            f"{self.parameters:,} parameters"
        )

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "task": "classify",
            "target": self.target,
            "architecture": self.architecture,
            "parameters": self.parameters,
            **self.found.to_fields(),
            "long": {**vars(self.long), "of": self.few},
        }


@torch.no_grad()
def evaluate(
    model: Model,
    target: str | None = None,
    *,
    data_dir: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Recognition:
    """Classify all test pictures of a data set, from nothing on.

    Args:
        model: a classifier.
        target: the data set; the one that it was trained on if None.
        data_dir: folder of the data sets; the usual one if None.
        say: told what is going on.

    Raises:
        BadRequest: the data set cannot be had, or has other classes or pictures than the model.
    """
    name = checks.choice("the data set", target or model.target, PICTURES)
    data = pictures.load(name, data_dir, say)
    check_fits(model, data)
    automaton, spec = model.automaton, model.spec
    marks = MARKS[spec.fixed]
    say(f"{len(data.test):,} pictures")
    found = classify(automaton, data.test, data.classes, marks=marks, confusion_at=marks[1])
    few = data.test.first(FEW)
    say(f"{LONG:,} steps")
    long = classify(automaton, few, data.classes, marks=(LONG,), swap=None).readings[0]
    return Recognition(
        target=data.title,
        architecture=spec.describe(),
        parameters=spec.parameters,
        found=found,
        long=long,
        few=len(few),
        rows=_rows(model, data.test.first(SHOWN), marks),
    )


def check_fits(model: Model, data: Pictures) -> None:
    """Refuse pictures that a model cannot see, or that show something else than it knows.

    Raises:
        BadRequest: other classes, or pictures of other planes.
    """
    if model.classes != data.classes:
        raise BadRequest(
            f"the model tells {', '.join(model.classes)} apart, {data.title} shows {', '.join(data.classes)}"
        )
    planes = data.test.images.shape[1]
    if model.spec.fixed != planes:
        raise BadRequest(f"the model sees {model.spec.fixed} planes, a picture of {data.title} has {planes}")


def _rows(model: Model, few: Labelled, marks: tuple[int, ...]) -> dict[str, list[np.ndarray]]:
    """The pictures, their cells' votes at the marks, and those after each has become another."""
    automaton, spec, planes = model.automaton, model.spec, few.planes()
    state = automaton.seed_state(*few.images.shape[-2:], batch=len(few), fixed=planes)
    how: dict[str, Any] = {"seed": EVALUATION_SEED}

    def drawn(seen: torch.Tensor) -> list[np.ndarray]:
        return list((seen * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())

    rows = {"pictures": drawn(planes.expand(-1, 3, -1, -1))}
    taken = 0
    for mark in (*marks[:1], SWAP):
        state, taken = automaton.rollout(state, mark - taken, start=taken, **how), mark
        rows[f"step {mark:,}"] = drawn(show(state, spec))
    state = repainted(state, spec, planes[others(few.labels)])
    state = automaton.rollout(state, SWAP, start=taken, **how)
    rows[f"each has become another, {SWAP} steps later"] = drawn(show(state, spec))
    return rows

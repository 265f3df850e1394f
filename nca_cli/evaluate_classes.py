"""The tables of `petri evaluate` for a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nca_cli.figures import columns

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation import Recognition
    from petri.evaluation.classes import Classes, Reading


def tables(found: Recognition) -> dict[str, Table]:
    """By title: what is recognised, what becomes of a change, and what is taken for what."""
    asked = found.found.asked
    return {
        "recognised": readings(found.found.readings, (found.long, f"first {found.few:,} pictures")),
        "another picture under the cells": swap(found.found),
        f"shown (rows) and said after {asked} steps (columns)": _confusion(found.found),
    }


def readings(read: Sequence[Reading], *more: tuple[Reading, str]) -> Table:
    """What is recognised after how many steps, percent."""
    made = columns("steps", "by the mean", "by majority", "of cells", "agreement")
    for one, note in (*((one, "") for one in read), *more):
        figures = (one.pictures, one.majority, one.cells, one.agreement)
        steps = f"{one.steps:,}" + f", {note}" * bool(note)
        made.add_row(steps, *(f"{100 * figure:.2f} %" for figure in figures))
    return made


def swap(found: Classes) -> Table:
    """What becomes of a picture that is changed for another."""
    made = columns("", "recognised")
    if found.swap is not None:
        made.add_row(f"before, at step {found.swap.steps}", f"{100 * found.swap.before:.2f} %")
        made.add_row(f"the other one, {found.swap.steps} steps later", f"{100 * found.swap.after:.2f} %")
        made.add_row("of what it was before", f"{found.swap.recovery:.2f} %")
    return made


def _confusion(found: Classes) -> Table:
    made = columns("", *found.classes)
    for name, row in zip(found.classes, found.confusion, strict=True):
        made.add_row(name, *(str(count) if count else "·" for count in row))
    return made

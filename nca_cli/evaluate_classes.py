"""What a classifier has come to, on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petri.evaluation.classes import Classes


def say_readings(found: Classes, what: str) -> None:
    """Print a table of what is recognised after how many steps, and what becomes of a swap."""
    from petri.console import out, table

    shown = table("after", "recognised, %", "by majority, %", "cells that are right, %", "agreement, %")
    for one in found.readings:
        figures = (one.pictures, one.majority, one.cells, one.agreement)
        shown.add_row(f"{one.steps:,} steps", *(f"{100 * figure:.2f}" for figure in figures))
    out.print(shown)
    said = f"{found.pictures:,} {what}"
    if found.swap is not None:
        swap = found.swap
        said += (
            f"; another picture after {swap.steps} steps is recognised after as many again: "
            f"{100 * swap.before:.2f} % before, {100 * swap.after:.2f} % after ({swap.recovery:.2f} %)"
        )
    out.print(said, style="dim", soft_wrap=True)

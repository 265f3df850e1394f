"""Figures of an evaluation as text, and the table that they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation.course import Course


def columns(first: str, *others: str) -> Table:
    """A quiet first column, and columns of figures."""
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    made.add_column(first, style="dim")
    for column in others:
        made.add_column(column, justify="right")
    return made


def healed(course: Course) -> str:
    """How much of a disturbance is gone, or why that says nothing."""
    if course.percent is None:
        return course.why or ""
    return f"{course.percent:.1f}" + (f" ± {course.spread:.1f}" if course.spread is not None else "") + " %"


def decibels(value: float | None) -> str:
    """A PSNR; a dash for none."""
    return "–" if value is None else f"{value:.1f} dB"

"""The tables of `petri evaluate` for a model that colours a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nca_cli.figures import columns, decibels, healed

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation import SurfaceEvaluation


def tables(found: SurfaceEvaluation) -> dict[str, Table]:
    """By title: how near it comes to its colours and stays there, and how it heals."""
    drift = columns("steps", "pattern", "PSNR")
    for look in found.drift:
        drift.add_row(
            f"{look.steps:,}", f"{look.pattern.mean:.4f} ± {look.pattern.spread:.4f}", decibels(look.psnr)
        )
    first = found.regeneration[0]
    damage = columns("", "pattern", f"{first.healed_at - first.damaged_at} steps later", "PSNR", "healed")
    course = first.loss
    none = course.psnr["undamaged"]
    damage.add_row("none", f"{course.before.mean:.4f}", f"{course.undamaged.mean:.4f}", decibels(none), "")
    for one in found.regeneration:
        course = one.loss
        later = course.psnr["healed"]
        damage.add_row(
            one.kind,
            f"{course.damaged.mean:.4f}",
            f"{course.healed.mean:.4f}",
            decibels(later),
            healed(course),
        )
    return {"pattern and drift": drift, "damage": damage}

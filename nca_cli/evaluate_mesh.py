"""The tables of `petri evaluate` for a model that colours a mesh, or weaves a texture on meshes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nca_cli.figures import columns, decibels, healed
from petri.wording import percent

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation import SurfaceEvaluation, WornEvaluation


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


def worn_tables(found: WornEvaluation) -> dict[str, Table]:
    """By title: how like its picture a texture stays, how like it is from nearer, and how it heals."""
    style = columns("steps", "distance", "way")
    for look in found.drift:
        distance = f"{look.distance.mean:.4f} ± {look.distance.spread:.4f}"
        style.add_row(f"{look.steps:,}", distance, percent(look.way))
    first = found.drift[0]
    fine = columns("mesh", "pixels an edge", "more of the same", "distance", "shuffled", "way")
    for look in found.fine:
        figures = (f"{figure:.4f}" for figure in (look.floor, look.distance.mean, look.ceiling))
        fine.add_row(look.mesh, str(look.fine), *figures, percent(look.way))
    one = found.regeneration[0]
    damage = columns("", "distance", f"{one.healed_at - one.damaged_at} steps later", "healed")
    damage.add_row("none", f"{one.course.before.mean:.4f}", f"{one.course.undamaged.mean:.4f}", "")
    for one in found.regeneration:
        course = one.course
        damage.add_row(one.kind, f"{course.damaged.mean:.4f}", f"{course.healed.mean:.4f}", healed(course))
    return {
        f"style on the sphere, pixels an edge: {first.fine}": style,
        f"from nearer, after {found.fine[0].steps:,} steps": fine,
        "damage": damage,
    }

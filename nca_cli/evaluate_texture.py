"""The tables of `petri evaluate` for a texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nca_cli.figures import columns, healed
from petri.wording import percent

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation import TextureEvaluation, TexturesEvaluation


def tables(found: TextureEvaluation | TexturesEvaluation) -> dict[str, Table]:
    """By title: how like the exemplar it is, and how it heals; of several textures for each."""
    from petri.evaluation import TexturesEvaluation

    if isinstance(found, TexturesEvaluation):
        each = zip(found.conditions, found.each, strict=True)
        return {f"{label}: {title}": table for label, one in each for title, table in tables(one).items()}
    return {
        "style, of 0 % for more of the same picture and 100 % for its shuffled pixels": _style(found),
        "damage": _damage(found),
        **({f"maps, after {found.regeneration[0].damaged_at:,} steps": _maps(found)} if found.maps else {}),
    }


def _style(found: TextureEvaluation) -> Table:
    made = columns("cells", "steps", "distance", "way", "colours: mean", "covariance")
    size = f"{found.res}×{found.res}"
    made.add_row(size, found.floor_by, f"{found.floor:.4f}", "0 %", "", "", style="dim")
    for look in (*found.looks, *found.sizes):
        side = found.res * look.factor
        distance = f"{look.distance.mean:.4f}"
        if look.factor == 1:
            distance += f" ± {look.distance.spread:.4f}"
        figures = (percent(look.way), f"{look.mean:.3f}", f"{look.spread:.0%}")
        made.add_row(f"{side}×{side}", f"{look.steps:,}", distance, *figures)
    made.add_row(size, "shuffled pixels", f"{found.ceiling:.4f}", "100 %", "", "", style="dim")
    return made


def _damage(found: TextureEvaluation) -> Table:
    first = found.regeneration[0]
    made = columns("", "distance", f"{first.healed_at - first.damaged_at} steps later", "healed")
    made.add_row("none", f"{first.course.before.mean:.4f}", f"{first.course.undamaged.mean:.4f}", "")
    for one in found.regeneration:
        course = one.course
        made.add_row(one.kind, f"{course.damaged.mean:.4f}", f"{course.healed.mean:.4f}", healed(course))
    return made


def _maps(found: TextureEvaluation) -> Table:
    made = columns("", found.floor_by, "distance", "shuffled pixels", "way")
    for one in found.maps:
        figures = (f"{figure:.4f}" for figure in (one.floor, one.distance, one.ceiling))
        made.add_row(one.maps, *figures, percent(one.way))
    return made

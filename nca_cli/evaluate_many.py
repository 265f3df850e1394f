"""The tables of `petri evaluate` for a model of several targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nca_cli.figures import columns, decibels, healed

if TYPE_CHECKING:
    from rich.table import Table

    from petri.evaluation import ManyEvaluation
    from petri.evaluation.course import Course


def tables(found: ManyEvaluation) -> dict[str, Table]:
    """By title: how each target is grown, holds and heals, and how each becomes each other."""
    return {
        "loss": _loss(found),
        "drift (PSNR, median, worst)": _drift(found),
        "damage": _damage(found),
        "mutation": _mutation(found),
    }


def _loss(found: ManyEvaluation) -> Table:
    first = found.each[0].loss
    made = columns(
        "", f"pattern, after {first.steps}", f"stability, after {first.steps + first.hold}", "loss"
    )
    for label, one in zip(found.conditions, found.each, strict=True):
        loss = one.loss
        made.add_row(
            label,
            f"{loss.pattern:.4f} ± {loss.pattern_spread:.4f}",
            f"{loss.stability:.4f} ± {loss.stability_spread:.4f}",
            f"{loss.loss:.4f} ± {loss.loss_spread:.4f}",
        )
    return made


def _drift(found: ManyEvaluation) -> Table:
    made = columns("steps", *found.conditions)
    for looks in zip(*(one.drift for one in found.each), strict=True):
        cells = []
        for look in looks:
            stands = look.standing
            count = f" · {stands.standing} of {stands.seeds}" if found.each[0].shows == "rgba" else ""
            cells.append(f"{stands.median:.1f}, {stands.worst:.1f} dB{count}")
        made.add_row(f"{looks[0].steps:,}", *cells)
    return made


def _damage(found: ManyEvaluation) -> Table:
    first = found.each[0].regeneration[0]
    made = columns("", *_columns(first.damaged_at, first.healed_at, "without"))
    for label, one in zip(found.conditions, found.each, strict=True):
        for cut in one.regeneration:
            made.add_row(f"{label} {cut.kind}", *_cells(cut.loss, cut.vgg16))
    return made


def _mutation(found: ManyEvaluation) -> Table:
    first = found.mutation[0]
    made = columns("", *_columns(first.changed_at, first.later_at, "from the seed"))
    for one in found.mutation:
        made.add_row(f"{one.source} → {one.target}", *_cells(one.loss, one.vgg16))
    return made


def _columns(at: int, later: int, control: str) -> tuple[str, ...]:
    return (f"at {at}", "right after", f"at {later}", control, "PSNR", "VGG16 distance", "done")


def _cells(loss: Course, vgg16: Course) -> tuple[str, ...]:
    means = (loss.before, loss.damaged, loss.healed, loss.undamaged)
    return (
        *(f"{measure.mean:.4f}" for measure in means),
        decibels(loss.psnr["healed"]),
        f"{vgg16.healed.mean:.3f}",
        healed(loss),
    )

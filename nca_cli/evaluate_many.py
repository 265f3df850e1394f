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
        "drift, in steps: PSNR in dB": _drift(found),
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
    figures = found.each[0].shows == "rgba"
    steps = [f"{look.steps:,}" for look in found.each[0].drift]
    made = columns("", *steps, *["standing"] * figures)
    for label, one in zip(found.conditions, found.each, strict=True):
        looks = [look.standing for look in one.drift]
        stand = [f"{looks[-1].standing} of {looks[-1].seeds}"] * figures
        made.add_row(f"{label} median", *(f"{look.median:.1f}" for look in looks), *stand)
        made.add_row("worst", *(f"{look.worst:.1f}" for look in looks))
    return made


def _damage(found: ManyEvaluation) -> Table:
    first = found.each[0].regeneration[0]
    made = columns("", *_columns(first.damaged_at, first.healed_at))
    for label, one in zip(found.conditions, found.each, strict=True):
        for cut in one.regeneration:
            made.add_row(f"{label} {cut.kind}", *_cells(cut.loss, cut.vgg16))
    return made


def _mutation(found: ManyEvaluation) -> Table:
    first = found.mutation[0]
    made = columns("", *_columns(first.changed_at, first.later_at))
    for one in found.mutation:
        made.add_row(f"{one.source} → {one.target}", *_cells(one.loss, one.vgg16))
    return made


def _columns(at: int, later: int) -> tuple[str, ...]:
    """The control is what the same rollouts come to without it, or the target's own from the seed."""
    return (f"at {at}", "then", f"at {later}", "control", "PSNR", "VGG16", "healed")


def _cells(loss: Course, vgg16: Course) -> tuple[str, ...]:
    means = (loss.before, loss.damaged, loss.healed, loss.undamaged)
    return (
        *(f"{measure.mean:.4f}" for measure in means),
        decibels(loss.psnr["healed"]),
        f"{vgg16.healed.mean:.3f}",
        healed(loss),
    )

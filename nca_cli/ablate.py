"""petri ablate: what each part of the training is worth."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca_cli.completion import complete_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petri.training.ablation import Outcome, Trial


def ablate(
    target: Annotated[
        str,
        typer.Argument(
            help="What to grow, as for `petri grow`.", autocompletion=complete_target, show_default=False
        ),
    ],
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parts to compare; the first six of those above if left out.", show_default=False
        ),
    ] = None,
    res: Annotated[int, typer.Option(help="Cells along a side.")] = 32,
    epochs: Annotated[int, typer.Option(help="Optimiser steps in a run.")] = 600,
    seeds: Annotated[
        int, typer.Option(help="Runs of each variant, each with its own random seed.", min=1, max=1000)
    ] = 3,
    preset: Annotated[str, typer.Option(help="Base of the recipe: quick, report or distill.")] = "quick",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Value that replaces one of the preset's; repeatable.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="Engine: auto, native, triton, torch or compiled.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="Results file; runs/ablate-TARGET-RES.json if left out.", show_default=False),
    ] = None,
) -> None:
    """Train TARGET with and without each part of its recipe.

    Parts: checkpointing, multi-scale, perceptual, curriculum, priority, truncation (the six that are compared
    by default), gate, damage, average, warm-up, stability, overflow. A part that the preset has is left out,
    one that it has not is added. After Ctrl-C the same command goes on; the run under way is lost.
    """
    from petri import checks, targets
    from petri.console import out as console
    from petri.training.ablation import STABILIZERS, ablate, variants
    from petri.training.presets import make_recipe

    recipe = make_recipe(
        targets.load(target, res), target, preset=preset, res=res, settings=settings or (), epochs=epochs
    )
    from petri.engine import ENGINES
    from petri.training.runs import slug

    checks.choice("engine", engine, ENGINES)
    chosen = tuple(parts or STABILIZERS)
    variants(recipe, chosen)  # refused before anything is written
    record = out or Path("runs") / f"ablate-{slug(recipe)}.json"

    def tell(trial: Trial, done: int, total: int) -> None:
        came_to = "failed" if trial.loss is None else f"loss {trial.loss:.4f}"
        console.print(
            f"{done} of {total}  {trial.variant}, seed {trial.seed}: {came_to}, "
            f"{trial.seconds:.0f} s, {trial.memory / 1e6:,.0f} MB",
            soft_wrap=True,
        )

    with console.status("training"):
        outcomes = ablate(recipe, chosen, seeds=seeds, engine=engine, record=record, tell=tell)
    _show(outcomes)
    console.say("\n", (str(record), "bold"), " has all runs")


def _show(outcomes: list[Outcome]) -> None:
    from petri.console import out, table

    base = outcomes[0]
    shown = table("", "loss", "time, s", "MB", "against the first", text=("against the first",))
    shown.columns[0].no_wrap = True  # the names are short
    for outcome in outcomes:
        shown.add_row(
            outcome.variant,
            f"{outcome.mean:.4f} ± {outcome.spread:.4f}",
            _range(outcome.seconds),
            f"{statistics.median(outcome.memory) / 1e6:,.0f}",
            "" if outcome is base else outcome.against(base),
        )
    out.print()
    out.print(shown)


def _range(values: Sequence[float]) -> str:
    """The median, and how far the values spread about it."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.0f} ({least:,.0f}–{most:,.0f})" if len(values) > 1 else f"{middle:,.0f}"

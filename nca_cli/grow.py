"""petri grow: train an automaton that grows a target."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca_cli.completion import complete_target
from petri.errors import BadRequest

if TYPE_CHECKING:
    from petri.growth.grow import Result
    from petri.growth.recipe import Recipe
    from petri.growth.trainer import Trainer
    from petri.runs import Run


def grow(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            help="A pattern (see `petri targets`), an image file, emoji:🦎, text:Hi or a .glsl shader.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    res: Annotated[int, typer.Option(help="Cells along a side.")] = 64,
    epochs: Annotated[int, typer.Option(help="Optimiser steps.")] = 600,
    batch: Annotated[int, typer.Option(help="States trained together.")] = 8,
    steps: Annotated[
        str | None, typer.Option(help="Steps to grow, LEAST-MOST; by --res if left out.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    perception: Annotated[
        str | None, typer.Option(help="sobel, learned, dilated or learned+dilated.", show_default=False)
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(help="Width of the hidden layers, a multiple of 16.", show_default=False)
    ] = None,
    layers: Annotated[int | None, typer.Option(help="2 or 3.", show_default=False)] = None,
    residual: Annotated[
        bool | None, typer.Option(help="Add hidden layer 1 to hidden layer 2.", show_default=False)
    ] = None,
    gated: Annotated[
        bool | None, typer.Option(help="Each cell decides whether it fires.", show_default=False)
    ] = None,
    truncate: Annotated[
        int, typer.Option(help="Backpropagate through this many steps at most; 0 for all.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder that holds runs.")] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Of the run's folder; TARGET-RES if left out.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run, from its last checkpoint.", show_default=False)
    ] = None,
) -> None:
    """Train an automaton that grows TARGET.

    It grows from a single cell and then holds. Leaves a run folder: the model, pictures of it, its recipe,
    its metrics and a checkpoint.
    """
    if resume is not None:
        given = [
            name for name in context.params if _is_given(context, name) and name not in ("resume", "device")
        ]
        if given:
            names = ", ".join("TARGET" if option == "target" else f"--{option}" for option in given)
            raise BadRequest(f"--resume goes on with the run's own recipe: leave out {names}")
        _resume(resume, device)
        return
    if target is None:
        raise BadRequest("say what to grow: petri grow TARGET (petri targets lists the patterns)")

    from petri import targets

    drawn = targets.load(target, res)

    from petri import devices  # torch takes seconds to import: a typing error is found before
    from petri.growth import grow as growing
    from petri.growth.recipe import make_recipe

    asked = {
        "perception": perception, "hidden": hidden, "layers": layers, "residual": residual, "gated": gated,
    }  # fmt: skip
    recipe = make_recipe(
        drawn,
        target,
        architecture={field: value for field, value in asked.items() if value is not None},
        steps=None if steps is None else _parse_steps(steps),
        res=res,
        epochs=epochs,
        batch=batch,
        truncate=truncate,
        seed=seed,
    )
    chosen = devices.choose(device)
    notes = drawn.notes + _prepare(chosen.type)
    run, trainer = growing.start(recipe, drawn, out, name, chosen)
    _watch(run, trainer, 0.0, notes)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _resume(folder: Path, device: str) -> None:
    from petri import devices
    from petri.growth import grow as growing

    chosen = devices.choose(device)
    notes = _prepare(chosen.type)
    run, trainer, seconds = growing.resume(folder, chosen)
    _watch(run, trainer, seconds, (f"resumed at epoch {trainer.epoch}", *notes))


def _prepare(device: str) -> tuple[str, ...]:
    """Have the native step compiled if this is the first use of it; a note if it cannot be."""
    from petri.console import out
    from petri.engine import native_status

    if device != "cpu":
        return ()
    with out.status("compiling the native step for this machine, once"):
        native, status = native_status()
    return () if native else (f"by PyTorch alone, several times slower: {status}",)


def _watch(run: Run, trainer: Trainer, seconds: float, notes: tuple[str, ...]) -> None:
    from rich.markup import escape

    from petri.console import GrowDisplay, interruptible, out
    from petri.growth import grow as growing

    recipe, device = run.recipe, trainer.target.device.type
    out.print(
        f"[bold]{escape(recipe.name)}[/] · {recipe.res}×{recipe.res} cells · {recipe.spec.describe()} · "
        f"{recipe.spec.parameters:,} parameters · {device}",
        soft_wrap=True,
    )
    for note in notes:
        out.print(f"[dim]{escape(note)}[/]", soft_wrap=True)
    display = GrowDisplay(f"growing {recipe.name}")
    try:
        with interruptible(display), display:
            result = growing.train(run, trainer, display, seconds=seconds, stop=lambda: display.stopping)
    except KeyboardInterrupt:
        folder = shlex.quote(str(run.folder))
        out.print(f"stopped at once; go on from the last checkpoint:  petri grow --resume {escape(folder)}")
        raise
    _conclude(recipe, result)
    if not result.finished:
        raise typer.Exit(130)


def _conclude(recipe: Recipe, result: Result) -> None:
    from rich.markup import escape

    from petri.console import duration, grid, out
    from petri.growth.catalogue import TABLE_5

    loss, folder = result.loss, escape(str(result.folder))
    quoted = escape(shlex.quote(str(result.folder)))
    said = f"{loss.loss:.4f}"
    if recipe.target in TABLE_5:
        said += f" (the report, at 256²: {TABLE_5[recipe.target]:.3f})"
    done = "grown" if result.finished else f"stopped at epoch {result.epochs:,} of {recipe.epochs:,}"
    out.print(f"\n[bold]{escape(recipe.name)} {done}[/] in {duration(result.seconds)}")
    rows = [
        ("loss from the seed", said),
        (f"after {loss.steps} steps", f"{loss.pattern:.4f} mean squared error"),
        (f"after {loss.steps + loss.hold} steps", f"{loss.stability:.4f}"),
    ]
    out.print(grid(*rows))
    out.print(f"\n[bold]{folder}/[/]")
    said_of = {
        "model.safetensors": "the model",
        "grown.png": "what it grows",
        "growth.webp": "the same, from the seed on",
        "target.png": "what it was to grow",
        "loss.png": "the loss over the epochs",
        "metrics.csv": "all losses",
        "recipe.toml": "how it was trained",
    }
    out.print(grid(*[(f"  {file}", said_of[file]) for file in result.files]))
    if result.finished:
        out.print(f"\nWatch it grow:  petri play {quoted}")
    else:
        out.print(f"\nGo on:  petri grow --resume {quoted}")


def _parse_steps(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip())
    if not match:
        raise BadRequest(f"--steps must be LEAST-MOST, such as 48-96, got {text!r}")
    least = int(match[1])
    return least, int(match[2] or least)

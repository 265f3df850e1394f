"""petri play: grow a model from its seed, in the terminal or into a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca_cli.completion import complete_model
from petri.errors import BadRequest

if TYPE_CHECKING:
    import numpy as np

    from petri.modelfile import Model

SIZE = 72  # cells, where a model does not say what it was trained on
STEPS = 200
HOLE = (0.6, 0.45)  # beside the centre, so that part of the outline goes too


def play(
    model: Annotated[
        str,
        typer.Argument(
            help="A model file, a run's folder or the name of a shipped model.", autocompletion=complete_model
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .png, .gif, .webp, .apng or .mp4. Without it, the terminal."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Cells along a side; as trained if left out.", min=8, max=4096)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps to take; twice those it had to grow in.", min=1, max=100_000)
    ] = None,
    zoom: Annotated[
        int | None, typer.Option(help="Pixels a cell, in files; 512 in all if left out.", min=1, max=64)
    ] = None,
    fps: Annotated[int, typer.Option(help="Pictures a second; each is two steps.", min=1, max=60)] = 20,
    seed: Annotated[int, typer.Option(help="Decides which cells fire.", min=0, max=2**32 - 1)] = 0,
    damage: Annotated[
        bool, typer.Option("--damage", help="Cut a hole of a quarter of the area half-way.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Grow MODEL from a single cell."""
    from petri import devices, images, modelfile, models

    if out is not None:
        images.check_name(out)
    chosen = devices.choose(device)
    loaded = modelfile.read(models.find(model))
    loaded.automaton.to(chosen)
    trained_size, trained_steps = _as_trained(loaded)
    size = size or trained_size
    pictures = _pictures(loaded, size, steps or 2 * trained_steps, seed, damage)
    if out is not None:
        _save(out, pictures, zoom or max(1, 512 // size), fps)
    else:
        _show(loaded.target, pictures, fps)


def _as_trained(model: Model) -> tuple[int, int]:
    """Cells along a side and most steps to grow; ours to check, since a file may say anything."""
    recipe = model.training.get("recipe")
    recipe = recipe if isinstance(recipe, dict) else {}
    size, steps = recipe.get("res"), recipe.get("steps")
    steps = steps[-1] if isinstance(steps, list) and steps else None
    return (
        size if isinstance(size, int) and 8 <= size <= 4096 else SIZE,
        steps if isinstance(steps, int) and 1 <= steps <= 50_000 else STEPS // 2,
    )


def _pictures(
    model: Model, size: int, steps: int, seed: int, damage: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Each second step's number and picture, uint8 `[size, size, 3]`."""
    import torch

    from petri.evaluation.damage import cut_circle
    from petri.images import picture

    automaton = model.automaton
    state = automaton.seed_state(size)
    yield 0, picture(state[0], automaton.spec)
    step = 0
    while step < steps:
        count = min(2, steps - step)
        if damage and step <= steps // 2 < step + count:
            state = cut_circle(state, x=HOLE[0], y=HOLE[1])
            yield step, picture(state[0], automaton.spec)
        with torch.no_grad():
            state = automaton.rollout(state, count, seed=seed, start=step)
        step += count
        yield step, picture(state[0], automaton.spec)


def _save(path: Path, pictures: Iterator[tuple[int, np.ndarray]], zoom: int, fps: int) -> None:
    from rich.markup import escape

    from petri import images
    from petri.console import out

    try:
        frames = [images.enlarge(rgb, zoom) for _, rgb in pictures]
        if path.suffix.lower() in images.STILL:
            images.save_picture(path, frames[-1])
        else:
            images.save_animation(path, frames, fps=fps)
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None
    height, width = frames[-1].shape[:2]
    out.print(
        f"[bold]{escape(str(path))}[/] · {width}×{height} pixels · {path.stat().st_size / 1000:,.0f} kB"
    )


def _show(name: str, pictures: Iterator[tuple[int, np.ndarray]], fps: int) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from petri.console import half_blocks, out

    if not out.is_terminal:
        raise BadRequest("the output is no terminal: say where to write with --out FILE")
    with Live(console=out, auto_refresh=False) as live:
        for step, rgb in pictures:
            begun = time.monotonic()
            drawn = half_blocks(rgb, out.width - 1, out.height - 2)
            live.update(Group(drawn, Text(f"{name} · step {step}", "dim")), refresh=True)
            time.sleep(max(0.0, 1 / fps - (time.monotonic() - begun)))

"""Options that several verbs have, and what is read from them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from nca_cli.completion import complete_model
from petri.errors import BadRequest

Epochs = Annotated[
    int | None,
    typer.Option(help="Optimiser steps in all; with --resume, additional ones.", show_default=False),
]
Seed = Annotated[int | None, typer.Option(help="Random seed.", show_default=False)]
Moment = Annotated[
    float | None,
    typer.Option(help="Moment of a moving shader, in seconds; 0 if left out.", show_default=False),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y",
        help="Place of the square in the image, as fractions from the left and the top; 0.5,0.5 if left out.",
        show_default=False,
    ),
]
Perception = Annotated[
    str | None,
    typer.Option(help="What a cell senses, such as learned+dilated or conv3+conv5d2.", show_default=False),
]
Hidden = Annotated[
    int | None, typer.Option(help="Width of the hidden layers, a multiple of 16.", show_default=False)
]
Layers = Annotated[int | None, typer.Option(help="Layers of the update rule: 2 or 3.", show_default=False)]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        help="TOML file whose values replace the preset's, such as a run's recipe.toml.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Value that replaces one of the recipe's, such as pool.damage=0; repeatable.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only the plan (phases, memory, time), no training.")]
Device = Annotated[str, typer.Option(help="Device: auto, cpu, cuda or mps.")]
Engine = Annotated[str, typer.Option(help="Engine: auto, native, triton, torch or compiled.")]
Runs = Annotated[Path, typer.Option(help="Parent folder of the run's folder.")]
FromModel = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Model to start from: a model file, a run's folder or a shipped model's name.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Ground = Annotated[
    str,
    typer.Option(help="Background of a figure: auto, white, black, #rrggbb or transparent."),
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Curves for TensorBoard in the run's folder.")
]
Resume = Annotated[
    Path | None,
    typer.Option(help="Folder of a run to continue from its last checkpoint.", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="PETRI_DATA",
        help="Folder of the data sets; the platform's cache folder if left out.",
        show_default=False,
    ),
]


def place_of(crop: str | None) -> tuple[float, float] | None:
    """Two fractions, as `--crop` has them."""
    if crop is None:
        return None
    try:
        x, y = (float(part) for part in crop.split(","))
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise BadRequest(f"--crop must be two fractions in 0..1, such as 0.5,0.5, got {crop!r}")
    return x, y

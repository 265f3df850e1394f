"""petri import: turn models that others have published into petri's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli import alone
from nca_cli.examples import examples
from petri.errors import BadRequest

if TYPE_CHECKING:
    from petri.modelfile import Model

app = typer.Typer(
    help="Turn models that others have published into petri's.",
    epilog=examples("import"),
    invoke_without_command=True,
)
Out = Annotated[Path | None, typer.Option(help="Model file to write; NAME.safetensors here if left out.")]
Order = Annotated[
    str | None,
    typer.Option(help="Order of the features: interleaved (each channel's filters) or blocks."),
]
Divisor = Annotated[float | None, typer.Option(help="Divisor of the filters' whole numbers: 1 or 8.")]
Axes = Annotated[str | None, typer.Option(help="Order of the slopes: xy or yx.")]
Padding = Annotated[str | None, typer.Option(help="Edges of the grid: wrap or zero.")]
Offset = Annotated[
    float | None, typer.Option(help="Number added to the first three channels for the colours.")
]


@app.callback()
def import_(context: typer.Context) -> None:
    """Turn models that others have published into petri's."""
    alone.show_help(context)


@app.command(epilog=examples("import distill"))
def distill(
    file: Annotated[
        Path, typer.Argument(help="JSON file of the article's demo, such as ex3_butterfly.json.")
    ],
    out: Out = None,
) -> None:
    """Import a model of the Distill article.

    That is "Growing Neural Cellular Automata" by Mordvintsev and others, 2020.
    """
    from petri.published import read_distill

    _write(read_distill(file), out)


@app.command(epilog=examples("import textures"))
def textures(
    file: Annotated[Path, typer.Argument(help="Atlas of self-organising textures, such as models.json.")],
    name: Annotated[str | None, typer.Option(help="Name of the texture.")] = None,
    index: Annotated[int | None, typer.Option(help="Number of the texture instead, from 0.")] = None,
    out: Out = None,
) -> None:
    """Import a texture of an atlas, or list what the atlas has.

    The atlases are of "Self-Organising Textures" by Niklasson and others, 2021.
    """
    from petri.console import out as console
    from petri.published import read_textures, texture_names
    from petri.wording import quoted

    if name is not None and index is not None:
        raise BadRequest("--name and --index both say which texture: leave one out")
    which = name if index is None else index
    if which is not None:
        _write(read_textures(file, which), out)
        return
    names = texture_names(file)
    for number, known in enumerate(names):
        console.say(f"{number:4}  {known}")
    console.say(f"Import one:  petri import textures {quoted(file)} --name {quoted(names[0])}")


@app.command(epilog=examples("import cells2pixels"))
def cells2pixels(
    file: Annotated[
        Path, typer.Argument(help="JSON file of a figure or a material, such as Butterfly.json.")
    ],
    coordinates: Annotated[
        str, typer.Option(help="Place of a cell in what is painted of it: centre or corner.")
    ] = "centre",
    out: Out = None,
) -> None:
    """Import an automaton with its decoder.

    Those are of "Cells2Pixels" by Pajouheshgar and others, 2025. A material lies under a light.
    """
    from petri.console import err
    from petri.published import other_coordinates, read_cells2pixels

    _write(read_cells2pixels(file, coordinates=coordinates), out)
    if other := other_coordinates(file, coordinates=coordinates):
        err.say(f"Where cells meet the picture jumps less with --coordinates {other}.")


@app.command(epilog=examples("import raw"))
def raw(
    file: Annotated[Path, typer.Argument(help="File of float32 numbers, such as texture-weave.bin.")],
    channels: Annotated[int, typer.Option(help="Channels of the state.")] = 12,
    hidden: Annotated[int, typer.Option(help="Units of the hidden layer.")] = 96,
    order: Order = None,
    divisor: Divisor = None,
    axes: Axes = None,
    padding: Padding = None,
    offset: Offset = None,
    out: Out = None,
) -> None:
    """Import weights that are stored as bare numbers.

    First layer, its bias, second layer and, if there are so many numbers, its bias.
    """
    from petri.published import read_raw

    def read(**convention: Any) -> Model:
        return read_raw(file, channels=channels, hidden=hidden, **convention)

    _try(read, _told(order=order, divisor=divisor, axes=axes, padding=padding, offset=offset), out)


@app.command(epilog=examples("import torch"))
def torch(
    file: Annotated[Path, typer.Argument(help="File that torch.save wrote, such as dots.pt.")],
    order: Order = None,
    divisor: Divisor = None,
    axes: Axes = None,
    padding: Padding = None,
    offset: Offset = None,
    out: Out = None,
) -> None:
    """Import the weights in a PyTorch file.

    It is read without being unpickled: nothing in it is executed.
    """
    from petri.published import read_torch

    def read(**convention: Any) -> Model:
        return read_torch(file, **convention)

    _try(read, _told(order=order, divisor=divisor, axes=axes, padding=padding, offset=offset), out)


def _told(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _try(read: Any, told: dict[str, Any], out: Path | None) -> None:
    """Write a model of which the conventions were taken for granted, and say if they seem to be others."""
    from petri.published import Convention, remedy

    model = read(**told)
    _write(model, out, lambda: remedy(read, Convention(**model.training["convention"])))


def _write(model: Model, out: Path | None, remedy: Any = lambda: "") -> None:
    """Write an imported model, try it, and say what came of it."""
    from petri import modelfile
    from petri.console import err
    from petri.console import out as console
    from petri.published import complaint
    from petri.wording import quoted

    path = out or Path(f"{model.target}.safetensors".replace("/", "-"))
    if path.exists():
        raise BadRequest(f"{path} is there already: choose another --out")
    try:
        modelfile.write(path, model)
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None
    spec = model.automaton.spec
    console.say((str(path), "bold"), f" · {spec.describe()} · {spec.parameters:,} parameters")
    if wrong := complaint(model):
        changes = remedy()
        advice = (
            f"with --{changes.replace(' and ', ' and --')} it grows"
            if changes
            else ("its authors may have taken something else for granted than is said here")
        )
        err.say(f"It was tried: {wrong}; {advice}.")
    console.say(f"Watch it grow:  petri play {quoted(path)} --res {model.res}")

"""petri import: turn models that others have published into petri's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nca_cli import alone
from nca_cli.examples import examples

app = typer.Typer(
    help="Turn models that others have published into petri's.",
    epilog=examples("import"),
    invoke_without_command=True,
)


@app.callback()
def import_(context: typer.Context) -> None:
    """Turn models that others have published into petri's."""
    alone.show_help(context)


@app.command(epilog=examples("import distill"))
def distill(
    file: Annotated[
        Path, typer.Argument(help="JSON file of the article's demo, such as ex3_butterfly.json.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Model file to write; NAME.safetensors here if left out.")
    ] = None,
) -> None:
    """Import a model of the Distill article.

    That is "Growing Neural Cellular Automata" by Mordvintsev and others, 2020.
    """
    from petri import modelfile
    from petri.console import out as console
    from petri.errors import BadRequest
    from petri.published import read_distill
    from petri.wording import quoted

    model = read_distill(file)
    path = out or Path(f"{model.target}.safetensors")
    if path.exists():
        raise BadRequest(f"{path} is there already: choose another --out")
    try:
        modelfile.write(path, model)
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None
    spec = model.automaton.spec
    console.say((str(path), "bold"), f" · {spec.describe()} · {spec.parameters:,} parameters")
    console.say(f"Watch it grow:  petri play {quoted(path)} --res 72")

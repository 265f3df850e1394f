"""petri help: the help of a command."""

from __future__ import annotations

from typing import Annotated

import typer

from petri.errors import BadRequest, nearest


def help_(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(help="A command, such as grow or dni mnist.", show_default=False)
    ] = None,
) -> None:
    """Show what petri can do, or how a COMMAND is used."""
    shown = context.find_root()
    for word in command or ():
        verbs = getattr(shown.command, "commands", {})
        if word not in verbs:
            raise BadRequest(f"{shown.command_path} has no command {word!r}{nearest(word, list(verbs))}")
        shown = type(shown)(verbs[word], info_name=word, parent=shown)
    typer.echo(shown.get_help())

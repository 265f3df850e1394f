"""What a command with verbs of its own does when it is given none."""

from __future__ import annotations

import typer


def show_help(context: typer.Context) -> None:
    """Print the help if no verb follows, and end well: nothing was wrong."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit

"""petri dni and petri data: the verbs of each."""

from __future__ import annotations

import typer

from dni_cli import ablate, bench, fetch, mnist, pipeline
from nca_cli import alone

dni = typer.Typer(help="Train layers that predict their own gradients.", invoke_without_command=True)
dni.command("mnist")(mnist.mnist)
dni.command("ablate")(ablate.ablate)
dni.command("bench")(bench.bench)
dni.command("pipeline")(pipeline.pipeline)

data = typer.Typer(help="Get the data sets.", invoke_without_command=True)
data.command("fetch")(fetch.fetch)


@dni.callback()
def _dni(context: typer.Context) -> None:
    """Train layers that predict their own gradients."""
    alone.show_help(context)


@data.callback()
def _data(context: typer.Context) -> None:
    """Get the data sets."""
    alone.show_help(context)

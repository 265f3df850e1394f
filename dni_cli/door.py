"""petri dni and petri data: the verbs of each."""

from __future__ import annotations

import typer

from dni_cli import ablate, bench, fetch, mnist, pipeline
from nca_cli import alone
from nca_cli.examples import examples

dni = typer.Typer(
    help="Train layers that predict their own gradients.", epilog=examples("dni"), invoke_without_command=True
)
dni.command("mnist", epilog=examples("dni mnist"))(mnist.mnist)
dni.command("ablate", epilog=examples("dni ablate"))(ablate.ablate)
dni.command("bench", epilog=examples("dni bench"))(bench.bench)
dni.command("pipeline", epilog=examples("dni pipeline"))(pipeline.pipeline)

data = typer.Typer(help="Fetch data sets.", epilog=examples("data"), invoke_without_command=True)
data.command("fetch", epilog=examples("data fetch"))(fetch.fetch)


@dni.callback()
def _dni(context: typer.Context) -> None:
    """Train layers that predict their own gradients."""
    alone.show_help(context)


@data.callback()
def _data(context: typer.Context) -> None:
    """Fetch data sets."""
    alone.show_help(context)

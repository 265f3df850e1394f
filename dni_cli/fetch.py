"""petri data fetch: get a data set, checked."""

from __future__ import annotations

from typing import Annotated

import typer

from dni_cli.options import DataDir, note


def fetch(
    name: Annotated[str, typer.Argument(help="Data set: mnist, fashion or cifar10.")],
    data_dir: DataDir = None,
) -> None:
    """Fetch a data set, unless it is there already.

    From the mirrors in turn; every file is checked before it is written.
    """
    from petri import checks
    from petri.console import out
    from petri.datasets import files
    from petri.datasets.sources import SOURCES

    checks.choice("the data set", name, tuple(SOURCES))
    root = data_dir or files.default_root()
    there = files.read(SOURCES[name], root) is not None
    folder = files.fetch(SOURCES[name], root, note)
    said = "is here already, whole" if there else f"is in {folder}"
    out.say((SOURCES[name].title, "bold"), f" {said}")

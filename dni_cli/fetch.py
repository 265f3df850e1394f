"""petri data fetch: get a data set, or the weights of a network that losses look through, checked."""

from __future__ import annotations

from typing import Annotated

import typer

from dni_cli.options import note
from nca_cli.options import DataDir


def fetch(
    name: Annotated[
        str,
        typer.Argument(help="Data set: mnist, fashion or cifar10; or vgg16, blocks 4 and 5 of that network."),
    ],
    data_dir: DataDir = None,
) -> None:
    """Fetch a data set, unless it is there already.

    From the mirrors in turn; every file is checked before it is written.
    """
    from petri import checks
    from petri.console import out
    from petri.datasets import files, vgg16
    from petri.datasets.sources import SOURCES

    checks.choice("the data set", name, (*SOURCES, vgg16.NAME))
    root = data_dir or files.default_root()
    if name == vgg16.NAME:
        there = vgg16.read(root) is not None
        title, place = vgg16.TITLE, vgg16.fetch(root, note)
    else:
        source = SOURCES[name]
        there = files.read(source, root) is not None
        title, place = source.title, files.fetch(source, root, note)
    out.say((title, "bold"), f" is {'here already, whole' if there else f'in {place}'}")

"""petri view: models alive in the browser."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca_cli.completion import complete_model

if TYPE_CHECKING:
    from petri.viewing.specimens import Specimen

PORT = 8373
PATIENCE = 120.0  # seconds that a run may take to begin


def view(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Model files, folders of them, runs' folders or shipped models' names; all shipped "
            "models if left out. A run that is still training is followed.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a static site with page and models, instead of the browser.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)
    ] = PORT,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only the address, no browser.")] = False,
) -> None:
    """Show MODELS alive in the browser."""
    from petri.console import complain, out, tell_skipped
    from petri.viewing.export import export as write_site
    from petri.viewing.server import Server
    from petri.viewing.site import build
    from petri.viewing.specimens import gather

    if export is None:
        _await(models or [])
    specimens, problems, skipped = gather(models or [])
    tell_skipped(skipped)
    for problem in problems:
        complain(problem)
    if export is not None:
        # A static site cannot follow a run: it shows the last checkpoint.
        write_site(build([replace(specimen, run=None) for specimen in specimens]), export)
        out.say((str(export), "bold"), f" · {_count(specimens)}")
        if problems:
            raise typer.Exit(1)
        return
    with Server(port) as server:  # a port in use is told before pictures are grown
        server.site = build(specimens)
        out.say((server.url, "bold"), f" · {_what(specimens)} · Ctrl-C ends it")
        if not no_open:
            import webbrowser

            webbrowser.open(server.url)
        server.serve_forever()


def _await(places: list[str]) -> None:
    """Give runs that are just being started the time to begin."""
    from petri.console import err
    from petri.runfolder import is_blank

    end = time.monotonic() + PATIENCE
    for place in places:
        if _may_begin(place):
            err.say((f"waiting for {place}, which is not there yet; Ctrl-C ends it", "dim"))
            path = Path(place)
            while (not path.exists() or is_blank(path)) and time.monotonic() < end:
                time.sleep(0.2)


def _may_begin(place: str) -> bool:
    """Whether a place may be a run's folder in a moment: nothing is there, and it is called like one."""
    from petri.modelfile import ENDING

    path = Path(place)
    try:
        return path.parent != Path() and path.suffix != ENDING and place[0] != "~" and not path.exists()
    except OSError:  # a name too long for a file
        return False


def _what(specimens: list[Specimen]) -> str:
    runs = sum(specimen.run is not None for specimen in specimens)
    return _count(specimens) + f", {runs} of them training" * bool(runs)


def _count(specimens: list[Specimen]) -> str:
    return f"{len(specimens)} model{'s' * (len(specimens) != 1)}"

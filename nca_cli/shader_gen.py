"""petri shader-gen: models as shaders, weights and pages, for browsers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from nca_cli.completion import complete_model

if TYPE_CHECKING:
    from petri.modelfile import Model

FOLDER = Path("shaders")


def shader_gen(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Model files, folders of them, runs' folders or shipped models' names; "
            "all shipped models if left out.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for shaders, weights, models and their manifest; "
            f"{FOLDER} if left out, none with --html alone.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="HTML file with page and models in one, which needs no network.", show_default=False
        ),
    ] = None,
    shadertoy: Annotated[
        bool, typer.Option("--shadertoy", help="Also a text for each model to paste into Shadertoy.")
    ] = False,
    embed: Annotated[
        bool,
        typer.Option(
            "--embed", help="Also the web component <petri-dish>, with a snippet for your own page."
        ),
    ] = False,
) -> None:
    """Turn MODELS into shaders for browsers."""
    from petri.console import complain, tell_skipped
    from petri.errors import BadRequest
    from petri.files import check_place
    from petri.shaders import manifest
    from petri.shaders.html import page
    from petri.shaders.write import ENDING, write
    from petri.viewing.specimens import gather

    if html is not None:
        check_place(html)
    specimens, problems, skipped = gather(models or [])
    tell_skipped(skipped)
    chosen = {specimen.name: specimen.model for specimen in specimens}
    entries = [manifest.entry(model, name=name, file=quote(name + ENDING)) for name, model in chosen.items()]
    if out is not None or html is None or shadertoy or embed:
        folder = out or FOLDER
        paths, too_large = write(folder, chosen, entries, shadertoy=shadertoy, embed=embed)
        problems += too_large
        _say(*paths)
        if embed:
            _say_snippet(folder / "embed.html")
        if shadertoy:
            written = {path.name for path in paths}
            _warn_of_smaller_grids(
                {name: model for name, model in chosen.items() if f"{name}.shadertoy.txt" in written}
            )
    if html is not None:
        from petri.files import write_whole

        try:
            write_whole(html, page(chosen, entries))
        except OSError as error:
            raise BadRequest(f"cannot write {html}: {error.strerror or error}") from None
        _say(html)
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(1)


def _say(*paths: Path) -> None:
    from petri.console import out

    for path in paths:
        out.say((str(path), "bold"), f" · {path.stat().st_size / 1000:,.0f} kB")


def _warn_of_smaller_grids(models: dict[str, Model]) -> None:
    from petri.console import err
    from petri.shaders.shadertoy import side

    for name, model in models.items():
        if (room := side(model)) < model.res and not model.spec.fills_any_shape:
            err.print(
                f"{name} was trained on {model.res}×{model.res} cells, Shadertoy has room for {room}×{room}: "
                "it may grow something else there",
                style="yellow",
                soft_wrap=True,
            )


def _say_snippet(path: Path) -> None:
    from petri.console import out

    out.print(f"\n{path.read_text(encoding='utf-8')}", soft_wrap=True, end="")

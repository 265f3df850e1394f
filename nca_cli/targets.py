"""petri targets: list the patterns, or draw them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def targets(
    sheet: Annotated[
        Path | None, typer.Option(help="PNG file for a picture of all nine patterns.", show_default=False)
    ] = None,
) -> None:
    """List what can be grown."""
    from petri.console import grid, out
    from petri.errors import BadRequest
    from petri.targets import MATERIAL, MATERIALS, PATTERNS, PICTURES

    if sheet is not None:
        from petri.files import replacing
        from petri.targets import sheet as draw

        if sheet.suffix.lower() != ".png":
            raise BadRequest(f"--sheet must end in .png, got {sheet.name!r}")
        try:
            with replacing(sheet) as temporary:
                draw(256).save(temporary, optimize=True)
        except OSError as error:
            raise BadRequest(f"cannot write {sheet}: {error.strerror or error}") from None
        out.say((str(sheet), "bold"))
        return
    from rich.text import Text

    out.print(
        grid(
            *[
                (Text(name, "bold not dim"), known.description)
                for name, known in (PATTERNS | PICTURES).items()
            ]
        )
    )
    out.print("\nMaterials, to weave with all their maps")
    out.print(
        grid(
            *[
                (Text(f"{MATERIAL}{name}", "bold not dim"), description)
                for name, description in MATERIALS.items()
            ]
        )
    )
    out.print("\nAlso")
    out.print(
        grid(
            (
                "picture.png",
                "any image, or an SVG; a transparent one grows as a figure, an opaque one fills the plane",
            ),
            ("emoji:🦎", "an emoji"),
            ("text:Hi", "a few letters"),
            ("folder/", "the maps of a material, to weave: albedo.png, height.png, normal.png and so on"),
            ("shader.glsl", "a Shadertoy fragment shader; shader.glsl@2.5 as it stands after 2.5 seconds"),
        )
    )

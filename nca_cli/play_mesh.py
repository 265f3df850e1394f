"""petri play for a model of a ring or a mesh: its growth from all sides, or the coloured mesh."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from petri.errors import BadRequest
from petri.files import check_place

if TYPE_CHECKING:
    import numpy as np
    import torch

    from petri.graph.mesh import Surface
    from petri.modelfile import Model

PIXELS, TERMINAL = 480, 192  # along a side, if nobody says
MOST = 2048
TILT = 15.0  # degrees that the eye stands above it
EVERY = 2  # steps a picture


def check(out: Path | None, options: dict[str, object]) -> None:
    """Refuse what is not for rings and meshes.

    Args:
        out: the file that is to be written.
        options: of `petri play`, by name; those that were given are not None.

    Raises:
        BadRequest: one of these was given, or the file's name has no ending that can be written.
    """
    from petri import ground, images
    from petri.graph.write import WRITTEN

    for name, value in options.items():
        if value:
            raise BadRequest(
                f"--{name.replace('_', '-')} is for grids, and not for rings and meshes: leave it out"
            )
    if out is not None and out.suffix.lower() not in WRITTEN:
        endings = (*WRITTEN, *images.STILL, *images.ANIMATED)
        if out.suffix.lower() not in endings:
            raise BadRequest(f"a mesh is written as one of {' '.join(endings)}, got {out.name!r}")
        images.check_name(out, ground.AUTO)
    elif out is not None:
        check_place(out)


def play(
    model: Model,
    folder: Path,
    mesh: str | None,
    out: Path | None,
    device: torch.device,
    *,
    steps: int | None,
    pixels: int | None,
    seed: int,
    damage: bool,
    save: Callable[[Path, Iterator[tuple[int, np.ndarray]]], None],
    show: Callable[[Iterator[tuple[int, np.ndarray]]], None],
) -> None:
    """Grow a model of a ring or a mesh, and show it as it turns once, or write what has grown.

    Args:
        model: as read from `folder`.
        folder: where its own mesh is looked for.
        mesh: that it is to colour, if another one.
        out: a mesh (.ply, .glb), a picture from four sides (.png) or a film; None for the terminal.
        save, show: take the pictures of a film, each with its step.
    """
    from petri import worn
    from petri.console import err
    from petri.graph import named
    from petri.graph.growth import growth
    from petri.graph.raster import draw, sides
    from petri.graph.write import WRITTEN, write
    from petri.nca import Ring
    from petri.training.meshes import top

    first = None
    if mesh is not None:
        if isinstance(model.spec.space, Ring):
            raise BadRequest(f"{model.target} is of a ring and colours no mesh: leave out --mesh")
        found = named.load(mesh)
        for note in found.notes:
            err.say((note, "dim"))
        model, first = worn.on(model, found.surface), top(found.surface)
    model = worn.on_its_mesh(model, folder)

    steps = steps or 2 * model.steps
    pixels = pixels or (TERMINAL if out is None else PIXELS)
    if pixels > MOST:
        raise BadRequest(f"a mesh is drawn with at most {MOST} pixels along a side, got {pixels}")
    surfaces = growth(
        model.automaton.to(device),
        model.nodes,
        model.surface,
        steps,
        first=first,
        seed=seed,
        damage_at=steps // 2 if damage else None,
        every=EVERY,
    )
    if out is not None and out.suffix.lower() in WRITTEN:
        _written(out, _last(surfaces)[1], write)
    elif out is not None and out.suffix.lower() == ".png":
        step, surface = _last(surfaces)
        save(out, iter([(step, sides(surface, pixels=pixels))]))
    else:
        pictures = (
            (step, draw(surface, turn=360 * step / steps, tilt=TILT, pixels=pixels))
            for step, surface in surfaces
        )
        if out is None:
            show(pictures)
        else:
            save(out, pictures)


def _last(surfaces: Iterator[tuple[int, Surface]]) -> tuple[int, Surface]:
    return deque(surfaces, maxlen=1)[0]


def _written(out: Path, surface: Surface, write: Callable[[Path, Surface], None]) -> None:
    from petri.console import out as console

    try:
        write(out, surface)
    except OSError as error:
        raise BadRequest(f"cannot write {out}: {error.strerror or error}") from None
    console.say(
        (str(out), "bold"), f" · {len(surface.vertices):,} vertices · {out.stat().st_size / 1000:,.0f} kB"
    )

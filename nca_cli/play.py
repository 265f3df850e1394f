"""petri play: grow a model from its seed, in the terminal or into a file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli import play_classes, play_mesh
from nca_cli.completion import complete_model
from nca_cli.options import Device, Ground
from petri.errors import BadRequest
from petri.files import check_place
from petri.wording import as_utf8

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from petri.modelfile import Model
    from petri.nca import Automaton


PICTURES_BYTES = 2_000_000_000  # of a file, all of which are held at once, unless it is a film of MP4
MAPS_BYTES = 10  # of a pixel of all maps of a material
TERMINAL = 192  # pixels along a side of what a decoder paints for a terminal


def play(
    model: Annotated[
        str,
        typer.Argument(
            help="A model file, a run's folder or a shipped model's name.", autocompletion=complete_model
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write (.png, .gif, .webp, .apng or .mp4; of a mesh also .ply and .glb) instead of "
            "the terminal."
        ),
    ] = None,
    tile: Annotated[
        Path | None,
        typer.Option(
            help="PNG of a texture's last step, a pixel a cell or as many as a decoder paints: its edges fit "
            "each other. Of a material a folder, for its maps."
        ),
    ] = None,
    res: Annotated[
        int | None, typer.Option(help="Cells along a side; as in training if left out.", min=8, max=4096)
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps to take; if left out, twice as many as in training.", min=1, max=100_000),
    ] = None,
    zoom: Annotated[
        int | None,
        typer.Option(
            help="Pixels per cell in a file; as many as fit into 512 pixels if left out.", min=1, max=64
        ),
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option(
            help="Pixels along a side that a decoder paints, as in training if left out; or of a mesh.",
            min=16,
            max=16384,
            show_default=False,
        ),
    ] = None,
    fps: Annotated[int, typer.Option(help="Pictures per second, two steps each.", min=1, max=60)] = 20,
    seed: Annotated[int, typer.Option(help="Random seed of the cells' updates.", min=0, max=2**32 - 1)] = 0,
    damage: Annotated[
        bool, typer.Option("--damage", help="A hole of a quarter of the area, half-way through.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            help="What a model of several targets grows, such as 🦋; its first if left out.",
            show_default=False,
        ),
    ] = None,
    switch_to: Annotated[
        list[str] | None,
        typer.Option(
            help="Another of its targets to become, at the step of --at; repeatable.", show_default=False
        ),
    ] = None,
    at: Annotated[
        list[int] | None,
        typer.Option(
            help="Step of a --switch-to or of a further --image; one for each, in order.",
            min=0,
            max=100_000,
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="Picture for a classifier to look at; a further one takes its place at a step of --at.",
            show_default=False,
        ),
    ] = None,
    mesh: Annotated[
        str | None,
        typer.Option(
            help="Another mesh for a model of meshes to colour, as of `petri mesh grow`.", show_default=False
        ),
    ] = None,
    ground: Ground = "auto",
    device: Device = "auto",
) -> None:
    """Show MODEL growing from a single cell, or write a film of it.

    A model of several targets grows one of them, and becomes another where it is told to. A classifier looks
    at a picture, its own if none is given, and its cells are coloured by what they take it for. A model of a
    ring or a mesh is seen from all sides as it grows.
    """
    from petri import devices, images, memory, modelfile, models
    from petri import ground as grounds
    from petri.console import err
    from petri.film import EVERY, film, growth

    path = models.find(model)
    loaded = modelfile.read(path)
    if loaded.spec.space.on_graph:
        play_mesh.check(
            out,
            {"tile": tile, "res": res, "zoom": zoom, "target": target, "switch_to": switch_to, "at": at,
             "image": image, "ground": ground != grounds.AUTO},
        )  # fmt: skip
        play_mesh.play(
            loaded,
            path.parent,
            mesh,
            out,
            devices.choose(device),
            steps=steps,
            pixels=pixels,
            seed=seed,
            damage=damage,
            save=lambda name, pictures: _save(name, pictures, 1, fps),
            show=lambda pictures: _show({0: loaded.target}, pictures, fps),
        )
        return
    if mesh is not None:
        raise BadRequest(f"{model} colours no mesh: leave out --mesh")
    ground = grounds.check(ground)
    if tile is not None:
        if out is not None or zoom is not None:
            raise BadRequest("--tile writes one picture, a pixel a cell: leave out --out and --zoom")
        if tile.suffix.lower() == ".png":
            out = tile
        elif tile.suffix:
            raise BadRequest(f"a tile is a .png, got {tile}; of a material it is a folder")
    if out is not None:
        images.check_name(out, ground)
    elif ground == grounds.TRANSPARENT and tile is None:
        raise BadRequest("a terminal cannot be transparent: give --out FILE, or choose another --ground")
    grounds.check_figure(ground, loaded.target, loaded.automaton.spec)
    if tile is not None:
        if not loaded.spec.fills_any_shape:
            raise BadRequest(f"{model} is no texture: its edges do not fit each other, so it makes no --tile")
        material = loaded.spec.decoder is not None and bool(loaded.spec.decoder.maps)
        if material != (out is None):
            raise BadRequest(
                f"{model} is a material, a tile of which is a folder of maps: leave out the .png, got {tile}"
                if material
                else f"a tile is a .png, got {tile}"
            )
        zoom = None if loaded.spec.decoder else 1
    shown = loaded.condition(None if target is None else as_utf8(target))
    switches: dict[int, int | Tensor] = {}
    seen = None
    if loaded.classes:
        if res is not None or switch_to:
            raise BadRequest(
                f"{model} classifies pictures of {loaded.res} cells a side: leave out --res and --switch-to"
            )
        seen, switches, notes = play_classes.pictures(loaded, image or [], at or [])
        for note in notes:
            err.say((note, "dim"))
    elif image:
        raise BadRequest(f"{model} is no classifier: leave out --image")
    else:
        switches |= _switches(loaded, switch_to or [], at or [])
    res, last = res or loaded.res, max(switches, default=0)
    if steps is not None and switches and last >= steps:
        raise BadRequest(f"--at {last} is not before the end: take more than {last} --steps, got {steps}")
    steps = steps or last + 2 * loaded.steps
    size, zoom = _size(loaded, res, pixels, zoom, file=(out or tile) is not None)
    advice = "--steps or --pixels" if loaded.spec.decoder else "--res, --steps or --zoom"
    if tile is not None and out is None:
        _check_folder(tile, size)
    elif out is not None:
        count = steps // EVERY + 2 if out.suffix.lower() in images.HELD else 1
        needed = count * (size * zoom) ** 2 * (4 if ground == grounds.TRANSPARENT else 3)
        if needed > PICTURES_BYTES:
            raise BadRequest(
                f"{count:,} × {size * zoom}² pixels make {needed / 1e9:,.0f} GB of pictures, at most "
                f"{PICTURES_BYTES / 1e9:.0f} are allowed: lower {advice}{', or name it .mp4' * (count > 1)}"
            )
    # Painting takes its time: of a still nothing else is painted than where the film has to stop.
    last_alone = loaded.spec.decoder is not None and out is not None and out.suffix.lower() in images.STILL
    automaton = loaded.automaton.to(devices.choose(device))
    memory.check_growing(automaton, res)
    if ground == grounds.AUTO:
        ground = grounds.of(loaded)
    how: dict[str, Any] = {
        "seed": seed,
        "damage_at": steps // 2 if damage else None,
        "condition": shown,
        "fixed": seen,
        "switches": switches,
        "every": max(1, steps // 2) if last_alone or (tile is not None) else EVERY,
    }
    pictures = film(automaton, (res, res), steps, ground=ground, pixels=size, **how)
    with memory.explained(f"lower {advice}" if (out or tile) is not None else "lower --res"):
        if out is not None:
            _save(out, pictures, zoom, fps)
        elif tile is not None:
            *_, (_, state) = growth(automaton, (res, res), steps, **how)
            _save_maps(tile, automaton, state, size)
        else:
            _show(_titles(loaded, shown, switches), pictures, fps)
    if seen is not None:
        *_, (_, state) = growth(automaton, (res, res), steps, **how | {"every": steps})
        play_classes.tell(loaded, state)


def _size(model: Model, res: int, pixels: int | None, zoom: int | None, *, file: bool) -> tuple[int, int]:
    """Pixels along a side of the pictures, and how often each is drawn along a side of a file's.

    Raises:
        BadRequest: both sizes are given, or one that the model cannot be seen at.
    """
    if model.spec.decoder is None:
        if pixels is not None:
            raise BadRequest(
                f"{model.target} has no decoder, which paints at any size: give --zoom, not --pixels"
            )
        return res, zoom or max(1, 512 // res)
    if pixels is not None and zoom is not None:
        raise BadRequest("--pixels and --zoom both say how large the picture is: leave one of them out")
    if zoom is not None:
        pixels = res * zoom
    if pixels is not None and pixels < res:
        raise BadRequest(f"--pixels must be at least the cells along a side, {res}, got {pixels}")
    if not file:
        return min(pixels or model.pixels_of(res), max(res, TERMINAL)), 1
    return pixels or model.pixels_of(res), 1


def _switches(model: Model, names: list[str], steps: list[int]) -> dict[int, int]:
    """The condition that is set at each step that is named."""
    if len(names) != len(steps):
        raise BadRequest(f"each --switch-to needs its --at, got {len(names)} and {len(steps)}")
    if sorted(set(steps)) != steps:
        raise BadRequest(f"the steps of --at must rise, got {', '.join(map(str, steps))}")
    found = (model.condition(as_utf8(name)) for name in names)
    return {step: number for step, number in zip(steps, found, strict=True) if number is not None}


def _titles(model: Model, first: int | None, switches: dict[int, int | Tensor]) -> dict[int, str]:
    """What is said to be growing from each step on that something else begins to."""
    if first is None:
        return {0: model.target}
    later = {step: model.conditions[one] for step, one in switches.items() if isinstance(one, int)}
    return {0: model.conditions[first]} | later


def _save(path: Path, pictures: Iterator[tuple[int, np.ndarray]], zoom: int, fps: int) -> None:
    from petri import images
    from petri.console import out

    try:
        if path.suffix.lower() in images.STILL:
            last = deque(pictures, maxlen=1)[0][1]
            images.save_picture(path, images.enlarge(last, zoom))
        else:
            frames: Iterable[np.ndarray] = (images.enlarge(picture, zoom) for _, picture in pictures)
            images.save_animation(path, frames, fps=fps)
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None
    out.say((str(path), "bold"), f" · {path.stat().st_size / 1000:,.0f} kB")


def _check_folder(folder: Path, pixels: int) -> None:
    """Refuse a folder that maps of so many pixels a side cannot be written into.

    Raises:
        BadRequest: it is a file, the folder that it is to be in is not there, or they are too large.
    """
    if MAPS_BYTES * pixels**2 > PICTURES_BYTES:
        raise BadRequest(
            f"maps of {pixels}² pixels make {MAPS_BYTES * pixels**2 / 1e9:.1f} GB, at most "
            f"{PICTURES_BYTES / 1e9:.0f} are allowed: lower --pixels"
        )
    if folder.exists() and not folder.is_dir():
        raise BadRequest(f"cannot write {folder}: it is no folder")
    if not folder.is_dir():
        check_place(folder)


def _save_maps(folder: Path, automaton: Automaton, state: Tensor, pixels: int) -> None:
    from petri import mapfiles
    from petri.console import out

    try:
        names = mapfiles.save(folder, automaton, state, pixels)
    except OSError as error:
        raise BadRequest(f"cannot write into {folder}: {error.strerror or error}") from None
    size = sum((folder / name).stat().st_size for name in names)
    out.say((f"{folder}/", "bold"), f" · {', '.join(names)} · {size / 1000:,.0f} kB")


def _show(titles: dict[int, str], pictures: Iterator[tuple[int, np.ndarray]], fps: int) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from petri.console import half_blocks, out

    if not out.is_terminal:
        raise BadRequest("the output is no terminal: say where to write with --out FILE")
    with Live(console=out, auto_refresh=False) as live:
        for step, rgb in pictures:
            name = " → ".join(title for begins, title in titles.items() if begins <= step)
            begun = time.monotonic()
            drawn = half_blocks(rgb, out.width - 1, out.height - 2)
            live.update(Group(drawn, Text(f"{name} · step {step}", "dim")), refresh=True)
            time.sleep(max(0.0, 1 / fps - (time.monotonic() - begun)))

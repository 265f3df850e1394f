"""The targets that petri can grow: nine patterns, a few pictures, images, emoji, text and shaders.

Importing this costs nothing: numpy, Pillow and the patterns themselves come in when one is painted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from petri.errors import BadRequest, nearest
from petri.wording import as_utf8, readable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]

SMALLEST, LARGEST = 16, 4096  # cells a side
SHADERS = (".glsl", ".frag")
FILE = "file:"  # begins a path of which some bytes are no text, percent-encoded


@dataclass(frozen=True, eq=False)
class Target:
    """One picture to grow, at one size."""

    name: str  # as it was asked for; of a file, its name without the folders
    pixels: np.ndarray  # float32 [4, res, res]: RGB premultiplied by alpha, then alpha; 0..1, row 0 on top
    transparent: bool  # whether alpha counts: trained as RGBA, with the living mask
    seed: tuple[float, float] = (0.5, 0.5)  # where growth begins: x, y as fractions of the picture
    notes: tuple[str, ...] = ()  # one-line remarks for the user, such as what was left out
    enlarged_from: int | None = None  # pixels along the longer side of what it is, if that is smaller


@dataclass(frozen=True)
class Pattern:
    """One of the nine: a module of this package, imported when it is first painted."""

    name: str
    description: str  # one line

    @property
    def paint(self) -> Paint:
        """The colours of points: `paint(x, y)` takes arrays in 0..1 (x right, y down), gives `[..., 3]`."""
        return import_module(f"petri.targets.{self.name}").paint


PATTERNS: dict[str, Pattern] = {
    pattern.name: pattern
    for pattern in (
        Pattern("spiral", "two arms wound through the whole plane, the hue cycling along them"),
        Pattern("voronoi", "sixteen cells, a colour each, with darkened edges"),
        Pattern("checkerboard", "eight by eight squares of magenta and chartreuse"),
        Pattern("braid", "red, green and blue strands passing over and under each other"),
        Pattern("circle", "one bright disc on dark"),
        Pattern("mandelbrot", "the Mandelbrot set, coloured by how fast points escape"),
        Pattern("topo", "blue ridges of fractal noise, in bands like a map"),
        Pattern("cross", "a white cross on dark"),
        Pattern("rings", "concentric rings, from warm in the middle to cool outside"),
    )
}


@dataclass(frozen=True)
class Picture:
    """One that comes with petri."""

    file: str  # in the folder `pictures` beside this
    description: str  # one line

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(__file__).parent / "pictures" / self.file


# Brick, gravel and grass are CC0, from scikit-image's data; the others are petri's own.
PICTURES: dict[str, Picture] = {
    "logo": Picture("logo.png", "petri's own, a figure"),
    "brick": Picture("brick.webp", "a wall of grey bricks, to weave: petri texture brick"),
    "clouds": Picture("clouds.webp", "coloured noise without an edge, to weave"),
    "grass": Picture("grass.webp", "a lawn in grey, to weave"),
    "gravel": Picture("gravel.webp", "small grey stones, to weave"),
    "scales": Picture("scales.webp", "rows of scales in green and blue, to weave"),
}

MATERIAL = "material:"  # begins the name of one that petri makes; `petri.targets.materials` does
MATERIALS = {
    "bricks": "red bricks in mortar",
    "scales": "green scales with a yellow rim, shiny",
    "planks": "boards with their grain",
}


def load(name: str, res: int) -> Target:
    """Find out what is asked for and draw it.

    Args:
        name: a pattern's or a picture's of petri, `emoji:🦎`, `text:Hi`, or the path of an image or of a
            `.glsl` or `.frag` shader, which `waves.glsl@2.5` draws as it stands after 2.5 seconds.
            petri's own win over a file of the same name; `./spiral` is the file.
        res: cells a side, 16..4096.

    Raises:
        BadRequest: no such target, a size out of range, or a picture that cannot be used.
    """
    check_res(res)
    if name in PATTERNS:
        from petri.targets.render import opaque, render

        return Target(name, opaque(render(PATTERNS[name].paint, res)), transparent=False)
    if name in PICTURES:
        from petri.targets import image

        return replace(image.load(PICTURES[name].path, res), name=name)
    kind, colon, rest = name.partition(":")
    if colon and kind == "emoji":
        from petri.targets import emoji

        return emoji.load(as_utf8(rest), res)
    if colon and kind == "text":
        from petri.targets import text

        return text.load(as_utf8(rest), res)
    if name.startswith(MATERIAL):
        raise BadRequest(f"a material is woven, not grown: petri texture {readable(name)}")
    target = _load_file(name, res)
    return replace(target, name=readable(target.name))


def travels(name: str) -> bool:
    """Whether a target is known by its name alone, wherever petri is: no file of the user's."""
    return name in PATTERNS or name in PICTURES or name.startswith(("emoji:", "text:", MATERIAL))


def is_material(name: str) -> bool:
    """Whether a target is the maps of a material: one that petri makes, or a folder."""
    return name.startswith(MATERIAL) or (
        bool(name) and not travels(name) and path_of(name).expanduser().is_dir()
    )


def written(name: str) -> str:
    """A target as a recipe can hold it: the same, but the path of a file whose name is no text, as `file:…`.

    Such are names in another encoding than the system's: `caf\\xe9.png` of Latin-1 becomes `file:caf%E9.png`.
    """
    kind, colon, _ = name.partition(":")
    if colon and kind in ("emoji", "text"):
        return as_utf8(name)
    if readable(name) == name:
        return name
    return FILE + quote(os.fsencode(name), safe="/@")


def name_of(asked: str) -> str:
    """What a target is called, as asked for: of a file its name without the folders."""
    if travels(asked):
        return asked
    file, _ = split_time(asked)
    return readable(path_of(file).name) + asked[len(file) :]


def path_of(name: str) -> Path:
    """The file that a target's name stands for, if it stands for one."""
    if name.startswith(FILE):
        return Path(os.fsdecode(unquote_to_bytes(name.removeprefix(FILE))))
    return Path(os.fsdecode(name.encode("utf-8", "surrogateescape")))  # as the locale has it


def _load_file(name: str, res: int) -> Target:
    path, time = found(name)
    if path.suffix.lower() in SHADERS:
        from petri.targets import shader

        file, _ = split_time(name)
        return shader.load(path, res, path.name + name[len(file) :], time)
    from petri.targets import image

    return image.load(path, res)


def found(name: str) -> tuple[Path, float]:
    """The file that a target's name stands for, and the second of a shader.

    Raises:
        BadRequest: it can be no file's name.
    """
    file, time = split_time(name)
    path = path_of(file)
    # An empty name would be the current directory.
    if not name or not ("/" in name or "\\" in name or path.suffix or os.path.exists(name)):
        known = [*PATTERNS, *PICTURES, "emoji:🦎", "text:Hi"]
        hint = nearest(name, known) or (
            f"; patterns: {', '.join(PATTERNS)}; pictures: {', '.join(PICTURES)}; "
            "or an image, emoji:🦎, text:Hi"
        )
        raise BadRequest(f'unknown target "{name}"{hint}')
    try:
        return path.expanduser(), time
    except RuntimeError:  # ~nobody
        raise BadRequest(f'no such file: "{name}"') from None


def split_time(name: str) -> tuple[str, float]:
    """The path that a target's name means, and the second of a shader: `waves.glsl@2.5` has both.

    Raises:
        BadRequest: what follows the @ is not a number.
    """
    file, at, time = name.rpartition("@")
    if not at or not file.lower().endswith(SHADERS) or "/" in time or "\\" in time:
        return name, 0.0
    try:
        return file, float(time)
    except ValueError:
        raise BadRequest(f'the time of "{file}" must be a number of seconds, got "{time}"') from None


def at_time(name: str, seconds: float) -> str:
    """The name of a shader's target at another second.

    Raises:
        BadRequest: only shaders have a time.
    """
    file, _ = split_time(name)
    if not file.lower().endswith(SHADERS):
        raise BadRequest(f'only a shader ({" or ".join(SHADERS)}) has a time, "{name}" has none')
    return f"{file}@{seconds!r}".removesuffix(".0")


def check_res(res: object) -> int:
    """A size that a target can be drawn at, as it is.

    Raises:
        BadRequest: not a whole number in 16..4096.
    """
    if not isinstance(res, int) or isinstance(res, bool) or not SMALLEST <= res <= LARGEST:
        raise BadRequest(f"res must be a whole number in {SMALLEST}..{LARGEST}, got {res!r}")
    return res


def check_scale(grid: tuple[int, int], pixels: tuple[int, int]) -> None:
    """Refuse a picture that has not as many pixels for each cell, the same number down and across.

    Raises:
        BadRequest: it has not.
    """
    down, right = (side / cells for side, cells in zip(pixels, grid, strict=True))
    if down != right or down < 1 or down != int(down):
        raise BadRequest(
            "each cell must have a whole number of pixels along its side: "
            f"{pixels[0]}×{pixels[1]} pixels do not fit {grid[0]}×{grid[1]} cells"
        )


def sheet(res: int) -> Image:
    """All nine patterns with their names, three by three, each `res` pixels a side."""
    check_res(res)
    from petri.targets import contact

    return contact.draw(res)

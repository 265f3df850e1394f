"""A material in a folder: an image for each of its maps, named so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from petri.errors import BadRequest
from petri.maps import MAPS
from petri.targets import image
from petri.wording import readable

WHITE = (255, 255, 255)


def read(path: Path, pixels: int, notes: list[str]) -> dict[str, Image.Image]:
    """The maps in a folder, in the order of `MAPS`: in mode RGB, or F in 0..1 of those of one channel.

    Args:
        path: of the folder.
        pixels: along a side, for drawings.
        notes: remarks for the user are put behind these.

    Raises:
        BadRequest: there is none, two of one name, one that cannot be read, or they are of different sizes.
    """
    found: dict[str, Path] = {}
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise BadRequest(f"cannot read {readable(str(path))}: {error.strerror or error}") from None
    for file in files:
        name = file.stem.lower()
        if name in MAPS and name in found:
            raise BadRequest(
                f"{readable(str(path))} has two images of the {name}: {found[name].name}, {file.name}"
            )
        if name in MAPS:
            found[name] = file
    if not found:
        raise BadRequest(
            f"{readable(str(path))} has none of the maps of a material, such as albedo.png: {', '.join(MAPS)}"
        )
    read = {}
    for name in MAPS:
        if name in found:
            picture = image.read(found[name], pixels, notes)
            read[name] = opaque(picture, found[name].name, notes) if MAPS[name] == 3 else grey(picture)
    first, *others = read
    for name in others:
        if read[name].size != read[first].size:
            sizes = (f"{read[one].width} × {read[one].height}" for one in (first, name))
            one, other = (f"{found[one].name} {size}" for one, size in zip((first, name), sizes, strict=True))
            raise BadRequest(f"maps of a material must be of one size: {one}, {other} pixels")
    missing = [name for name in MAPS if name not in read]
    notes.append(f"maps: {', '.join(read)}" + f"; without {', '.join(missing)}" * bool(missing))
    return read


def opaque(picture: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """A picture in mode RGB; on white where it is transparent."""
    if picture.mode == "F":
        level = (np.asarray(picture).clip(0, 1) * 255).round().astype(np.uint8)
        return Image.fromarray(level).convert("RGB")
    if picture.mode != "RGBA":
        return picture
    if np.asarray(picture.getchannel("A")).min() < image.OPAQUE:
        notes.append(f"{name} is transparent in places: they are white here")
    ground = Image.new("RGBA", picture.size, WHITE)
    return Image.alpha_composite(ground, picture).convert("RGB")


def grey(picture: Image.Image) -> Image.Image:
    """A picture in mode F, grey in 0..1."""
    if picture.mode == "F":
        return picture
    return Image.fromarray(np.asarray(picture.convert("L"), np.float32) / 255)

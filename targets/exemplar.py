"""What a texture is to look like: a square of a picture, and others of it to measure by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from petri import checks, targets
from petri.errors import BadRequest, nearest
from petri.maps import MAPS
from petri.targets import folder, image, materials
from petri.targets.render import one_colour
from petri.wording import readable

LEAST = 16  # pixels along a side of which something can be learned
MIDDLE = (0.5, 0.5)
PLACES = (0.0, 0.5, 1.0)  # where other squares lie, of the room that there is, both ways
SHARED = 0.5  # of a square's area that it may have in common with the exemplar, to be another one


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A square of a picture at one size, which fills the grid."""

    name: str  # as it was asked for; of a file, its name without the folders
    pixels: np.ndarray  # RGB, or the channels of all maps: float32 [3, pixels, pixels], 0..1, row 0 on top
    notes: tuple[str, ...] = ()  # one-line remarks for the user
    maps: tuple[str, ...] = ()  # of a material, in the order of their channels
    layers: tuple[Image.Image, ...] = field(default=(), repr=False)  # the whole picture; none if this is all
    box: tuple[float, float, float, float] = (0, 0, 0, 0)  # of the square in it: left, top, right, bottom

    def others(self, pixels: int | None = None) -> Iterator[np.ndarray]:
        """Squares of the same size from elsewhere in the picture, as `pixels`; none where it has no room.

        Args:
            pixels: along a side of each; as many as this has if None.
        """
        if not self.layers:
            return
        left, top, right, _ = self.box
        whole = self.layers[0]
        side = right - left
        for y in PLACES:
            for x in PLACES:
                across, down = x * (whole.width - side), y * (whole.height - side)
                in_common = max(0.0, side - abs(across - left)) * max(0.0, side - abs(down - top))
                if in_common <= SHARED * side**2:
                    yield _cut(
                        self.layers,
                        (across, down, across + side, down + side),
                        pixels or self.pixels.shape[-1],
                    )


def load(
    name: str,
    res: int,
    *,
    pixels: int | None = None,
    scale: float = 0.0,
    crop: tuple[float, float] = MIDDLE,
) -> Exemplar:
    """Find a picture and cut out what the grid is to be like.

    Args:
        name: as for `petri.targets.load`. Only pictures in files have pixels of their own; anything else is
            drawn at the size of the grid. What is transparent becomes white.
        res: cells a side, 16..4096.
        pixels: a side of what is cut out, where a decoder paints; as many as there are cells if None.
        scale: pixels of the picture that a cell covers, along a side; 0: as many as make the largest square.
        crop: where the square lies: x, y as fractions of the room that the picture has around it.

    Raises:
        BadRequest: no such target, a picture that cannot be used, one colour, fewer than 16 pixels, or a
            scale or a place of what has no pixels of its own.
    """
    targets.check_res(res)
    if pixels is None:
        pixels = res
    checks.whole("pixels", pixels, targets.SMALLEST, targets.LARGEST)
    targets.check_scale((res, res), (pixels, pixels))
    checks.number("scale", scale, 0, 10_000)
    path = _file(name)
    if path is not None and path.is_dir():
        notes: list[str] = []
        maps = folder.read(path, pixels, notes)
        found = _of(tuple(maps.values()), readable(path.resolve().name), res, pixels, scale, crop, notes)
        return _checked(replace(found, maps=tuple(maps)))
    if path is not None:
        notes = []
        called = name if name in targets.PICTURES else readable(path.name)
        picture = folder.opaque(image.read(path, pixels, notes), called, notes)
        return _checked(_of((picture,), called, res, pixels, scale, crop, notes))
    if scale or tuple(crop) != MIDDLE:
        raise BadRequest(f"a scale and a crop are of a picture in a file, which {readable(name)} is not")
    if name.startswith(targets.MATERIAL):
        made = materials.maps(_known(name), pixels)
        ordered = {map_name: made[map_name] for map_name in MAPS}
        return Exemplar(name, np.concatenate(list(ordered.values())), maps=tuple(ordered))
    drawn = targets.load(name, pixels)
    notes = list(drawn.notes)
    rgb, alpha = drawn.pixels[:3], drawn.pixels[3]
    if drawn.transparent:
        notes.append(f"{drawn.name} lies on white")
        rgb = rgb + (1 - alpha)
    return _checked(Exemplar(drawn.name, rgb.clip(0, 1).astype(np.float32), tuple(notes)))


def _known(name: str) -> str:
    """The material of petri that a name such as `material:bricks` means."""
    short = name.removeprefix(targets.MATERIAL)
    if short not in targets.MATERIALS:
        hint = nearest(short, targets.MATERIALS)
        raise BadRequest(
            f"petri makes no material {readable(short)!r}{hint}; there are {', '.join(targets.MATERIALS)}"
        )
    return short


def _file(name: str) -> Path | None:
    """The picture that a name stands for, if it has pixels of its own."""
    if name in targets.PICTURES:
        return targets.PICTURES[name].path
    if targets.travels(name):
        return None
    path, _ = targets.found(name)
    return None if path.suffix.lower() in targets.SHADERS else path


def _of(
    layers: tuple[Image.Image, ...],
    name: str,
    res: int,
    pixels: int,
    scale: float,
    crop: tuple[float, float],
    notes: list[str],
) -> Exemplar:
    picture = layers[0]
    shorter = min(picture.size)
    if shorter < LEAST:
        raise BadRequest(
            f"{name} is {picture.width} × {picture.height} pixels: a texture needs {LEAST} along a side"
        )
    side = min(scale * res or shorter, shorter)
    if side < LEAST:
        raise BadRequest(
            f"{scale:g} pixels a cell make {side:g} pixels for {res} cells: a texture needs {LEAST}"
        )
    left, top = crop[0] * (picture.width - side), crop[1] * (picture.height - side)
    box = (left, top, left + side, top + side)
    covers = f"{side / res:.3g}"
    said = f"{side:.0f}² of the {picture.width} × {picture.height} pixels of {name}, {covers} along a cell"
    if side < scale * res:
        said += f": it is smaller than the {scale * res:.0f}² that {scale:g} a cell would need"
    elif side < pixels:
        said += ": it is enlarged"
    return Exemplar(name, _cut(layers, box, pixels), (*notes, said), layers=layers, box=box)


def _cut(layers: tuple[Image.Image, ...], box: tuple[float, float, float, float], pixels: int) -> np.ndarray:
    found = []
    for layer in layers:
        square = layer.resize((pixels, pixels), Image.Resampling.LANCZOS, box=box, reducing_gap=4.0)
        values = np.asarray(square, np.float32)
        found.append(np.moveaxis(values / 255, 2, 0) if layer.mode == "RGB" else values[None].clip(0, 1))
    return np.concatenate(found).copy()


def _checked(exemplar: Exemplar) -> Exemplar:
    if one_colour(exemplar.pixels):
        raise BadRequest(f"{exemplar.name} is one colour throughout: there is no texture in it")
    return exemplar

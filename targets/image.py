"""Any picture that Pillow reads, as a target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from petri.errors import BadRequest
from petri.files import check_plain
from petri.targets import Target, svg
from petri.targets.render import one_colour

LONGEST = 65_535  # pixels a side: Pillow needs memory for each row, however short
FRAMES = 100  # of an animation are looked at, if they are transparent
DARK = 0.25  # of white: a picture with nothing brighter was perhaps meant to be brighter
DEPTHS = (8, 10, 12)  # bits that are kept in 16 and of which 16 would make black
OPAQUE = 250  # of 255: an alpha nowhere below this is taken for none
# What Pillow's decoders raise on broken files.
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, ArithmeticError, RuntimeError
)  # fmt: skip
HEIC = (
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
)  # brands: telephones' photographs
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # modes that Pillow would clip to 8 bits


def load(path: Path, res: int) -> Target:
    """Read an image file as a target of `res` × `res` cells.

    A picture with transparency becomes a figure: fitted into the square with a margin, to be trained with
    alpha. Any other fills the plane: its central square, alpha 1. Turned as its EXIF data say; of an
    animation, the first frame that shows anything. An SVG is drawn by resvg.

    Raises:
        BadRequest: missing, a folder, not an image, truncated, too large, or with nothing visible.
    """
    notes: list[str] = []
    return from_image(read(path, res, notes), res, path.name, notes)


def read(path: Path, res: int, notes: list[str]) -> Image.Image:
    """The picture in a file, whole: in mode RGB, RGBA or F (grey in 0..1).

    Args:
        path: of the file.
        res: cells a side that it is for; a drawing is drawn at this size.
        notes: remarks for the user are put behind these.

    Raises:
        BadRequest: as for `load`.
    """
    with _explaining(path):
        check_plain(path)
        if svg.is_svg(path):
            return svg.draw(path, res, notes)
        with Image.open(path) as file:
            width, height = file.size
            if min(width, height) < 1:
                raise BadRequest(f'"{path}" is an empty image: {width} × {height} pixels')
            if max(width, height) > LONGEST:
                raise BadRequest(
                    f'"{path}" is too large: {width} × {height} pixels, at most {LONGEST} along a side'
                )
            return _first_seen(file, path, notes)


def _first_seen(file: Image.Image, path: Path, notes: list[str]) -> Image.Image:
    """The picture in a file; of several frames or pages, the first that is not transparent everywhere."""
    if file.format == "MPO" or not getattr(file, "is_animated", False):
        # The other pictures in a telephone's photograph are its previews.
        ImageOps.exif_transpose(file, in_place=True)
        return _plain(file, path, notes)
    for number in range(1, FRAMES + 1):
        said: list[str] = []
        image = _plain(ImageOps.exif_transpose(file), path, said)
        if image.mode != "RGBA" or image.getchannel("A").getextrema()[1]:
            which = f"the first to show anything, number {number}," if number > 1 else "only the first"
            notes += [f"{path.name} holds several frames or pages: {which} is taken", *said]
            return image
        try:
            file.seek(number)
        except EOFError:
            return image
    raise BadRequest(f'"{path}" is transparent in its first {FRAMES} frames: there is nothing to grow')


def from_image(image: Image.Image, res: int, name: str, notes: list[str]) -> Target:
    """Make a target of an image in mode RGB, RGBA or F (grey in 0..1).

    Raises:
        BadRequest: it is transparent everywhere.
    """
    from petri.targets import figure

    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        if alpha.max() == 0:
            raise BadRequest(f"{name} is entirely transparent: there is nothing to grow")
        if alpha.min() < OPAQUE:
            return figure.fit(image, res, name, notes)
        image = image.convert("RGB")
    return _fill(image, res, name, notes)


def _fill(image: Image.Image, res: int, name: str, notes: list[str]) -> Target:
    side = min(image.size)
    if image.width != image.height:
        notes = [*notes, f"{name} is {image.width} × {image.height}: only its central square is grown"]
        left, top = (image.width - side) // 2, (image.height - side) // 2
    else:
        left, top = 0, 0
    image = shrink(image, (left, top, left + side, top + side), side, res)
    pixels = np.ones((4, res, res), np.float32)
    scale = 1 if image.mode == "F" else 255
    bands = image.split()
    for channel in range(3):
        band = bands[channel % len(bands)].convert("F")
        pixels[channel] = np.asarray(band.resize((res, res), Image.Resampling.LANCZOS)) / scale
    pixels = pixels.clip(0, 1)
    brightest = pixels[:3].max()
    if one_colour(pixels):
        notes = [*notes, f"{name} is one colour throughout: there is no pattern to grow"]
    elif brightest < DARK:
        notes = [*notes, f"{name} is dark: its brightest value is {brightest:.0%} of white"]
    small = side if side < res else None
    return Target(name, pixels, transparent=False, notes=tuple(notes), enlarged_from=small)


def shrink(image: Image.Image, box: tuple[int, int, int, int], side: int, res: int) -> Image.Image:
    """Cut a box out of a picture; average whole blocks of one far larger than needed.

    So floats of it stay small. `side` is the length in pixels that becomes at most `res`; four times that is
    kept for the last step.
    """
    factor = side // (4 * res)
    return image.reduce(factor, box) if factor > 1 else image.crop(box)


def _plain(image: Image.Image, path: Path, notes: list[str]) -> Image.Image:
    """Any mode as RGB, RGBA or F in 0..1."""
    if image.mode in DEEP:
        return _grey(image, path, notes)
    if image.has_transparency_data:
        image = image.convert("LA") if image.mode == "La" else image
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey(image: Image.Image, path: Path, notes: list[str]) -> Image.Image:
    values = np.array(image, np.float32)
    if image.mode == "F" and not np.isfinite(values).all():
        raise BadRequest(f'"{path}" holds values that are not finite numbers')
    low, high = float(values.min()), float(values.max())
    top = 1.0
    if image.mode != "F":
        bits = next((bits for bits in DEPTHS if 0 < high < 2**bits), 16)
        top = 2.0**bits - 1
        if bits < 16 and low >= 0:
            # Cameras and microscopes keep 10 or 12 bits in 16.
            notes.append(
                f"{path.name} holds no value above {high:g}: {top:g}, {bits} bits, is taken for white"
            )
    if low < 0 or high > top:
        # There is no telling what stands for white: take what is there.
        notes.append(f"{path.name} holds values from {low:g} to {high:g}: stretched from black to white")
        values -= np.float32(low)
        top = high - low or 1.0
    values /= np.float32(top)
    grey = Image.fromarray(values)
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    alpha = Image.fromarray(np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8))
    picture = Image.fromarray((np.asarray(grey) * 255 + 0.5).astype(np.uint8)).convert("RGB")
    picture.putalpha(alpha)
    return picture


def _foreign(path: Path) -> str | None:
    """What a file is that Pillow does not read, if it is one of those that people have."""
    with path.open("rb") as file:
        start = file.read(16)
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        return "HEIC" if brand in HEIC else "AVIF" if brand in (b"avif", b"avis") else "a film"
    kinds = {
        b"%PDF": "a PDF",
        b"\xff\x0a": "JPEG XL",
        b"\0\0\0\x0cJXL ": "JPEG XL",
        b"\x1f\x8b": "compressed",
    }
    return next((kind for begins, kind in kinds.items() if start.startswith(begins)), None)


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn whatever Pillow and the file system say into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Raised from the header on, before any pixel is read.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except BadRequest:
        raise
    except FileNotFoundError:
        raise BadRequest(f'no such file: "{path}"') from None
    except IsADirectoryError:
        raise BadRequest(
            f'"{path}" is a folder, not an image; the maps of a material are for petri texture'
        ) from None
    except PermissionError:
        raise BadRequest(f'"{path}" cannot be read: permission denied') from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise BadRequest(f'"{path}" is too large: an image may have {limit} million pixels') from None
    except UnidentifiedImageError:
        kind = _foreign(path)
        if kind:
            command = f'magick "{path.name}" "{path.stem}.png"'
            raise BadRequest(f'"{path}" is {kind}: convert it to PNG first, such as by {command}') from None
        raise BadRequest(f'"{path}" is not an image that can be read') from None
    except MemoryError:
        raise BadRequest(f'"{path}" is too large for the memory of this machine') from None
    except BROKEN as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise BadRequest(f'"{path}" cannot be read: {what}') from None

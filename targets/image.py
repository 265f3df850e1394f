"""Any picture that Pillow reads, as a target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from petri.errors import BadRequest
from petri.targets import Target

OPAQUE = 250  # of 255: an alpha nowhere below this is taken for none
# What Pillow's decoders raise on broken files.
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, ArithmeticError, RuntimeError
)  # fmt: skip
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # modes that Pillow would clip to 8 bits


def load(path: Path, res: int) -> Target:
    """Read an image file as a target of `res` × `res` cells.

    A picture with transparency becomes a figure: fitted into the square with a margin, to be trained with
    alpha. Any other fills the plane: its central square, alpha 1. Turned as its EXIF data say; of an
    animation, the first frame.

    Raises:
        BadRequest: missing, a folder, not an image, truncated, too large, or with nothing visible.
    """
    notes: list[str] = []
    with _explaining(path):
        with Image.open(path) as file:
            if min(file.size) < 1:
                raise BadRequest(f'"{path}" is an empty image: {file.width} × {file.height} pixels')
            frames = getattr(file, "n_frames", 1)
            kind = file.format
            file.load()
            image = ImageOps.exif_transpose(file)
        if frames > 1 and kind != "MPO":  # the other pictures in a telephone's photograph are its previews
            notes.append(f"{path.name} holds {frames} frames or pages: only the first is grown")
        image = _plain(image, path, notes)
    return from_image(image, res, path.name, notes)


def from_image(image: Image.Image, res: int, name: str, notes: list[str]) -> Target:
    """Make a target of an image in mode RGB, RGBA or F (grey in 0..1).

    Raises:
        BadRequest: it is transparent everywhere.
    """
    from petri.targets import figure

    if image.mode == "RGBA":
        low, high = image.getchannel("A").getextrema()
        if high == 0:
            raise BadRequest(f"{name} is entirely transparent: there is nothing to grow")
        if low < OPAQUE:
            return figure.fit(image, res, name, notes)
        image = image.convert("RGB")
    return _fill(image, res, name, notes)


def _fill(image: Image.Image, res: int, name: str, notes: list[str]) -> Target:
    side = min(image.size)
    if image.width != image.height:
        notes = [*notes, f"{name} is {image.width} × {image.height}: only its central square is grown"]
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    image = shrink(image, side, res)
    pixels = np.ones((4, res, res), np.float32)
    scale = 1 if image.mode == "F" else 255
    bands = image.split()
    for channel in range(3):
        band = bands[channel % len(bands)].convert("F")
        pixels[channel] = np.asarray(band.resize((res, res), Image.Resampling.LANCZOS)) / scale
    return Target(name, pixels.clip(0, 1), transparent=False, notes=tuple(notes))


def shrink(image: Image.Image, side: int, res: int) -> Image.Image:
    """Average whole blocks of a picture far larger than needed, so that floats of it stay small.

    `side` is the length in pixels that becomes at most `res`; four times that is kept for the last step.
    """
    factor = side // (4 * res)
    return image.reduce(factor) if factor > 1 else image


def _plain(image: Image.Image, path: Path, notes: list[str]) -> Image.Image:
    """Any mode as RGB, RGBA or F in 0..1."""
    if image.mode in DEEP:
        return _grey(image, path, notes)
    if image.has_transparency_data:
        return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return image.convert("RGB")


def _grey(image: Image.Image, path: Path, notes: list[str]) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all():
        raise BadRequest(f'"{path}" holds values that are not finite numbers')
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else 65535.0
    if low < 0 or high > top:
        # There is no telling what stands for white: take what is there.
        notes.append(f"{path.name} holds values from {low:g} to {high:g}: stretched from black to white")
        values, top = values - low, high - low or 1.0
    grey = Image.fromarray(values / np.float32(top))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    alpha = Image.fromarray(np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8))
    picture = Image.fromarray((np.asarray(grey) * 255 + 0.5).astype(np.uint8)).convert("RGB")
    picture.putalpha(alpha)
    return picture


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
        raise BadRequest(f'"{path}" is a folder, not an image') from None
    except PermissionError:
        raise BadRequest(f'"{path}" cannot be read: permission denied') from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise BadRequest(f'"{path}" is too large: an image may have {limit} million pixels') from None
    except UnidentifiedImageError:
        raise BadRequest(f'"{path}" is not an image that can be read') from None
    except MemoryError:
        raise BadRequest(f'"{path}" is too large for the memory of this machine') from None
    except BROKEN as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise BadRequest(f'"{path}" cannot be read: {what}') from None

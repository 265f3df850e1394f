"""A few letters as a target."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from petri.errors import BadRequest
from petri.targets import LARGEST, Target
from petri.targets.colour import INK, mix
from petri.targets.render import opaque

BRIGHT = (0.96, 0.93, 0.84)
SHARE = 0.84  # of the square that the text may take, in width and height
WEIGHT = 0.02  # what is added around each stroke, in font sizes: thin strokes are hard to grow
MEASURE = 1000  # font size, in pixels, at which lengths are taken
LEAST = 6  # cells that a capital must be high to be read


def load(text: str, res: int) -> Target:
    r"""Draw bright text on dark, as large as fits; `\n` begins a new line.

    Opaque: several letters are separate figures, and a living mask could never reach from one to
    the next. The text is always drawn at one size and averaged down, so that it looks alike everywhere.

    Raises:
        BadRequest: nothing to draw, a character that the font lacks, or letters too small to read.
    """
    lines = "\n".join(line.strip() for line in text.replace("\\n", "\n").strip().split("\n"))
    if not lines.strip():
        raise BadRequest(f'text: must be followed by something to read, got "{text}"')
    font = _font(MEASURE)
    _check_characters(lines, font)
    size = _size_that_fits(lines, font)
    high = font.getbbox("H")
    cells = (high[3] - high[1]) / MEASURE * size * res / LARGEST
    if cells < LEAST:
        raise BadRequest(
            f"{text!r} is too long for res {res}: its capitals would be {cells:.1f} cells high, "
            f"at least {LEAST} are needed; shorten it, break it with \\n, or take more cells"
        )
    pixels = opaque(mix(INK, BRIGHT, _draw(lines, int(size), res)))
    return Target(f"text:{text}", pixels, transparent=False)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise BadRequest("text needs a Pillow with FreeType, which this one lacks")
    return font


def _size_that_fits(lines: str, font: ImageFont.FreeTypeFont) -> float:
    left, top, right, bottom = _box(lines, font)
    return MEASURE * SHARE * LARGEST / max(right - left, bottom - top, 1)


def _box(lines: str, font: ImageFont.FreeTypeFont) -> tuple[float, float, float, float]:
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    return pen.multiline_textbbox(
        (0, 0), lines, font=font, align="center", stroke_width=int(font.size * WEIGHT)
    )


def _draw(lines: str, size: int, res: int) -> np.ndarray:
    """How much of each cell the letters cover, `[res, res]` in 0..1."""
    font = _font(size)
    left, top, right, bottom = _box(lines, font)
    picture = Image.new("L", (LARGEST, LARGEST))
    corner = ((LARGEST - left - right) / 2, (LARGEST - top - bottom) / 2)
    ImageDraw.Draw(picture).multiline_text(
        corner, lines, fill=255, font=font, align="center", stroke_width=int(size * WEIGHT), stroke_fill=255
    )
    # Fonts count the space beside a letter as its own; what can be seen goes into the middle.
    ink = picture.crop(picture.getbbox())
    picture = Image.new("L", (LARGEST, LARGEST))
    picture.paste(ink, ((LARGEST - ink.width) // 2, (LARGEST - ink.height) // 2))
    small = picture.convert("F").resize((res, res), Image.Resampling.BOX)
    return np.asarray(small) / 255


def _check_characters(lines: str, font: ImageFont.FreeTypeFont) -> None:
    lacking = bytes(font.getmask("\U0010ffff"))  # what the font draws in place of what it has not
    for character in lines:
        if not character.isspace() and bytes(font.getmask(character)) in (lacking, b""):
            raise BadRequest(f'the font has no "{character}" (U+{ord(character):04X})')

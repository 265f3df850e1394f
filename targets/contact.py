"""One picture with all nine patterns on it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from petri.targets import PATTERNS
from petri.targets.render import render

GROUND, LETTERS = (24, 25, 27), (150, 153, 158)


def draw(res: int) -> Image.Image:
    """The nine in three rows, each `res` pixels a side, with its name under it."""
    gap = max(6, res // 10)
    size = max(10, res // 14)
    label = 2 * size
    side = res + gap
    picture = Image.new("RGB", (3 * side + gap, 3 * (side + label) + gap), GROUND)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    for index, pattern in enumerate(PATTERNS.values()):
        row, column = divmod(index, 3)
        left, top = gap + column * side, gap + row * (side + label)
        pixels = (render(pattern.paint, res).clip(0, 1) * 255 + 0.5).astype(np.uint8)
        picture.paste(Image.fromarray(pixels), (left, top))
        pen.text((left, top + res + label // 4), pattern.name, fill=LETTERS, font=font)
    return picture

"""One picture that shows all that was measured."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from petri.evaluation.evaluation import Evaluation
from petri.evaluation.report import Measure
from petri.files import replacing

TILE, GAP, COLUMNS = 192, 14, 8  # pixels; grids of 16, 24, 32, 48, 64, 96 and 192 cells fit exactly
TITLE, LETTERS, LINE = 26, 15, 20
GROUND, BRIGHT, QUIET = (24, 25, 27), (226, 227, 230), (150, 153, 158)


@dataclass(frozen=True)
class _Tile:
    picture: np.ndarray
    label: str
    note: str = ""


def save(path: Path, evaluations: Sequence[tuple[str, Evaluation]]) -> None:
    """Draw the models, each with its name, one under another, into a PNG: whole or not at all.

    A model has four rows: the target and how it grows; how it is long after; what each kind of damage does
    to it and what has healed; how it grows on other grids, beside what was to be seen there.
    """
    with replacing(path) as temporary:
        draw(evaluations).save(temporary, format="PNG", optimize=True)


def draw(evaluations: Sequence[tuple[str, Evaluation]]) -> Image.Image:
    """The picture that `save` writes."""
    row = LINE + TILE + 2 * LINE + GAP
    head = TITLE + LINE + 2 * GAP
    high = head + 4 * row
    width = COLUMNS * (TILE + GAP) + GAP
    picture = Image.new("RGB", (width, high * len(evaluations) + GAP), GROUND)
    pen = _Pen(picture)
    for index, (name, found) in enumerate(evaluations):
        top = index * high + GAP
        pen.write(GAP, top, name, TITLE, BRIGHT)
        pen.write(GAP, top + TITLE + 6, f"{found.summary} · {_losses(found)}", LETTERS, QUIET)
        top += head - GAP
        for title, tiles in _rows(found):
            pen.write(GAP, top, title, LETTERS, QUIET)
            for column, tile in enumerate(tiles):
                pen.tile(GAP + column * (TILE + GAP), top + LINE, tile)
            top += row
    return picture


class _Pen:
    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture
        self.pen = ImageDraw.Draw(picture)
        import matplotlib

        font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # it has ×, ± and ½
        self.fonts = {size: ImageFont.truetype(font, size) for size in (TITLE, LETTERS)}

    def write(self, left: int, top: int, text: str, size: int, colour: tuple[int, int, int]) -> None:
        self.pen.text((left, top), _legible(text), fill=colour, font=self.fonts[size])

    def tile(self, left: int, top: int, tile: _Tile) -> None:
        self.picture.paste(_fit(tile.picture), (left, top))
        self.write(left, top + TILE + 3, tile.label, LETTERS, BRIGHT)
        self.write(left, top + TILE + 3 + LINE, tile.note, LETTERS, QUIET)


def _rows(found: Evaluation) -> list[tuple[str, list[_Tile]]]:
    growth = [_Tile(found.growth[0].target, "target")]
    growth += [_Tile(look.picture, f"step {look.steps:,}", _figure(look.pattern)) for look in found.growth]
    drift = [_Tile(look.picture, f"step {look.steps:,}", _figure(look.pattern)) for look in found.drift]
    damage = []
    for one in found.regeneration:
        healed = one.why if one.percent is None else f"{one.percent:.1f} % healed"
        later = f"{one.healed_at - one.damaged_at} steps later"
        damage.append(_Tile(one.damaged_picture, one.kind, _figure(one.damaged)))
        damage.append(_Tile(one.healed_picture, later, f"{_figure(one.healed)} · {healed}"))
    sizes = []
    for look in found.sizes:
        sizes.append(_Tile(look.target, f"{look.res}×{look.res}", "to be seen"))
        sizes.append(_Tile(look.picture, f"step {look.steps:,}", _figure(look.pattern)))
    return [("growth", growth), ("drift", drift), ("damage", damage), ("other grids", sizes)]


def _losses(found: Evaluation) -> str:
    rgb, rgba = (f"{loss.loss:.4f} ± {loss.loss_spread:.4f}" for loss in (found.rgb, found.rgba))
    return f"loss {rgb} over RGB, {rgba} over RGBA"


def _figure(measure: Measure) -> str:
    return f"{measure.mean:.4f}"


def _fit(rgb: np.ndarray) -> Image.Image:
    """A tile: cells as squares, of one size wherever that divides."""
    image = Image.fromarray(rgb)
    if image.width < TILE:
        zoom = -(-TILE // image.width)
        image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    return image.resize((TILE, TILE), Image.Resampling.LANCZOS)


def _legible(text: str) -> str:
    """Symbols that a text font lacks, by their names: emoji:🦎 as emoji:lizard."""
    return "".join(c if ord(c) < 0x2500 else unicodedata.name(c, "?").lower() for c in text)

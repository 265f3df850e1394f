"""One picture that shows all that was measured."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from petri.evaluation import (
    Evaluation,
    Found,
    ManyEvaluation,
    Recognition,
    SurfaceEvaluation,
    TextureEvaluation,
    TexturesEvaluation,
    WornEvaluation,
    surface,
    texture,
)
from petri.evaluation.course import Course
from petri.evaluation.report import Measure
from petri.evaluation.texture import Look
from petri.evaluation.worn import WornLook
from petri.files import replacing
from petri.wording import percent, readable

TILE, GAP, COLUMNS = 192, 14, 8  # pixels; grids of 16, 24, 32, 48, 64, 96 and 192 cells fit exactly
NEAR = 4  # pixels between the two tiles of a pair
CURVE = 5, 3  # the column it begins in, and how many it takes
TITLE, LETTERS, LINE = 26, 15, 20
GROUND, BRIGHT, QUIET = (24, 25, 27), (226, 227, 230), (150, 153, 158)
CURVE_COLOUR = (112, 176, 214)


@dataclass(frozen=True)
class _Tile:
    picture: np.ndarray
    label: str
    note: str = ""
    second: bool = False  # of a pair


@dataclass(frozen=True)
class _Section:
    title: str
    said: str
    rows: list[tuple[str, list[_Tile]]]
    curve: Evaluation | None = None  # whose loss is drawn beside its drift


def save(path: Path, evaluations: Sequence[tuple[str, Found]]) -> None:
    """Draw the models, each with its name, one under another, into a PNG: whole or not at all.

    A model has four rows: the target and how it grows; how it is long after; what each kind of damage does
    to it and what has healed; how it grows on other grids, beside what was to be seen there. A model of
    several targets has these for each, and then rows of what each has become when another was asked for. A
    texture has three: the exemplar, its pixels in random order, and how it is early and late; damage; larger
    grids, of which a square twice the exemplar's size is shown. A classifier has pictures, and what their
    cells vote for. A mesh has two, and so has a texture on one: how it is early and late, and damage.
    """
    with replacing(path) as temporary:
        draw(evaluations).save(temporary, format="PNG", optimize=True)


def draw(evaluations: Sequence[tuple[str, Found]]) -> Image.Image:
    """The picture that `save` writes."""
    row = LINE + TILE + 2 * LINE + GAP
    head = TITLE + LINE + 2 * GAP
    sections = [section for name, found in evaluations for section in _sections(readable(name), found)]
    width = COLUMNS * (TILE + GAP) + GAP
    high = sum(head + len(section.rows) * row for section in sections)
    picture = Image.new("RGB", (width, high + GAP), GROUND)
    pen = _Pen(picture)
    top = GAP
    for section in sections:
        pen.write(GAP, top, section.title, TITLE, BRIGHT)
        pen.write(GAP, top + TITLE + 6, section.said, LETTERS, QUIET)
        top += head - GAP
        for title, tiles in section.rows:
            pen.write(GAP, top, title, LETTERS, QUIET)
            for column, tile in enumerate(tiles):
                left = GAP + column * (TILE + GAP)
                pen.tile(left - (GAP - NEAR) * tile.second, top + LINE, tile)
            if title == "drift" and section.curve:
                left, wide = GAP + CURVE[0] * (TILE + GAP), CURVE[1] * (TILE + GAP) - GAP
                picture.paste(_curve(section.curve, wide, TILE + 2 * LINE), (left, top + LINE))
            top += row
        top += GAP
    return picture


def _sections(name: str, found: Found) -> list[_Section]:
    if isinstance(found, Evaluation):
        return [_Section(name, f"{found.summary} · {_losses(found)}", _rows(found), found)]
    if isinstance(found, TexturesEvaluation):
        each = zip(found.conditions, found.each, strict=True)
        return [section for label, one in each for section in _sections(f"{name}, {label}", one)]
    if isinstance(found, TextureEvaluation):
        said = "percent of the way from more of the same picture to its pixels in random order"
        return [_Section(name, f"{found.summary} · {said}", _woven(found))]
    if isinstance(found, Recognition):
        rows = [(title, [_Tile(one, "") for one in row]) for title, row in found.rows.items()]
        return [_Section(name, found.summary, rows)]
    if isinstance(found, SurfaceEvaluation):
        return [_Section(name, found.summary, _coated(found))]
    if isinstance(found, WornEvaluation):
        return [_Section(name, found.summary, _dressed(found))]
    sections = []
    for label, one in zip(found.conditions, found.each, strict=True):
        sections.append(_Section(f"{name}, {label}", f"{one.summary} · {_losses(one)}", _rows(one), one))
    first = found.mutation[0]
    said = f"told to become another at step {first.changed_at:,}, seen at step {first.later_at:,}"
    return [*sections, _Section(f"{name}, mutation", said, _changes(found))]


def _woven(found: TextureEvaluation) -> list[tuple[str, list[_Tile]]]:
    looks = [
        _Tile(found.exemplar, "exemplar", f"{found.floor_by}: {found.floor:.4f}"),
        _Tile(found.shuffled, "its pixels, shuffled", f"{found.ceiling:.4f}"),
        *(_Tile(look.picture, f"step {look.steps:,}", _way(look)) for look in found.looks),
    ]
    damage = [tile for one in found.regeneration for tile in _healing(one, one.course)]
    sizes = []
    for look in found.sizes:
        side, shown = found.res * look.factor, 2 * found.pixels
        label = f"{side}×{side}, step {look.steps:,}"
        sizes.append(_Tile(look.picture[:shown, :shown], label, _way(look)))
    return [("texture", looks), ("damage", damage), ("larger grids", sizes)]


def _coated(found: SurfaceEvaluation) -> list[tuple[str, list[_Tile]]]:
    drift = [_Tile(found.goal, "target")]
    drift += [_Tile(look.picture, f"step {look.steps:,}", _figure(look.pattern)) for look in found.drift]
    damage = [tile for one in found.regeneration for tile in _healing(one, one.loss)]
    return [("drift", drift), ("damage", damage)]


def _dressed(found: WornEvaluation) -> list[tuple[str, list[_Tile]]]:
    looks = [_Tile(found.exemplar, "exemplar"), _Tile(found.shuffled, "its pixels, shuffled")]
    looks += [_Tile(look.picture, f"step {look.steps:,}", _way(look)) for look in found.drift]
    looks += [_Tile(look.picture, look.mesh, _way(look)) for look in found.fine[-1:]]
    damage = [tile for one in found.regeneration for tile in _healing(one, one.course)]
    return [("texture", looks), ("damage", damage)]


def _way(look: Look | WornLook) -> str:
    return " · ".join(part for part in (_figure(look.distance), percent(look.way)) if part)


def _changes(found: ManyEvaluation) -> list[tuple[str, list[_Tile]]]:
    """A row, or more, for each target: what it has become."""
    rows = []
    for label in found.conditions:
        tiles = [
            _Tile(one.picture, f"to {one.target}", f"{_figure(one.loss.healed)} · {_share(one.loss)}")
            for one in found.mutation
            if one.source == label
        ]
        rows += [(f"from {label}", tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
    return rows


def _healing(one: surface.Healing | texture.Healing, course: Course) -> tuple[_Tile, _Tile]:
    """What a kind of damage did, and what was left of that later."""
    later = f"{one.healed_at - one.damaged_at} steps later"
    said = f"{_figure(course.healed)} · {_share(course)} healed"
    return (
        _Tile(one.damaged_picture, one.kind, _figure(course.damaged)),
        _Tile(one.healed_picture, later, said, second=True),
    )


def _share(course: Course) -> str:
    return course.why or "" if course.percent is None else f"{course.percent:.1f} %"


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
        healed = one.loss.why if one.percent is None else f"{one.percent:.1f} % healed"
        later = f"{one.healed_at - one.damaged_at} steps later"
        damage.append(_Tile(one.damaged_picture, one.kind, _figure(one.loss.damaged)))
        damage.append(_Tile(one.healed_picture, later, f"{_figure(one.loss.healed)} · {healed}", second=True))
    sizes = []
    for look in found.sizes:
        sizes.append(_Tile(look.target, f"{look.res}×{look.res}", "to be seen"))
        sizes.append(_Tile(look.picture, f"step {look.steps:,}", _figure(look.pattern), second=True))
    return [("growth", growth), ("drift", drift), ("damage", damage), ("other grids", sizes)]


def _curve(found: Evaluation, width: int, height: int) -> Image.Image:
    """The pattern loss over the steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ground, quiet, bright = (
        (red / 255, green / 255, blue / 255) for red, green, blue in (GROUND, QUIET, CURVE_COLOUR)
    )
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained", facecolor=ground)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    looks = sorted({look.steps: look.pattern.mean for look in (*found.growth, *found.drift)}.items())
    shown = [(step, loss) for step, loss in looks if 0 < loss < math.inf]
    if shown:
        axes.loglog(*zip(*shown, strict=True), color=bright, linewidth=1.5, marker=".")
    axes.set_facecolor(ground)
    axes.tick_params(which="both", colors=quiet)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(quiet)
    axes.grid(alpha=0.15, linewidth=0.5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("steps", color=quiet)
    axes.set_ylabel("pattern loss", color=quiet)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    return drawn.resize((width, height)) if drawn.size != (width, height) else drawn


def _losses(found: Evaluation) -> str:
    seen, over = found.loss, "as seen" if found.shows == "rgba" else "over RGB"
    return f"loss {seen.loss:.4f} ± {seen.loss_spread:.4f} {over}"


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

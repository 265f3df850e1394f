"""A picture with transparency as a figure that grows from one cell inside it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from petri.errors import BadRequest
from petri.targets import Target
from petri.targets.image import shrink
from petri.targets.pieces import count_pieces

MARGIN = 8  # a part of 1/MARGIN of the square stays empty on every side
ALIVE = 0.1  # alpha of a cell that counts as living
FRINGE = 1  # pixels of a soft edge around what lives
VEIL = 16  # a part of 1/VEIL of the length that is left out as too faint is worth a word
SOLID = 0.5  # alpha of a cell that growth begins in, if the figure has such cells


def fit(image: Image.Image, res: int, name: str, notes: list[str]) -> Target:
    """Fit a picture in mode RGBA into a square of `res` cells with empty space around it.

    Its proportions stay; it is resampled with its colours multiplied by alpha, so that nothing of what
    hides behind transparent pixels shows.

    Raises:
        BadRequest: no cell of it would be alive at this size.
    """
    box, faint = _visible(image.getchannel("A"))
    room = res - 2 * (res // MARGIN)
    sides = box[2] - box[0], box[3] - box[1]
    longest = max(sides)
    width, height = (max(1, round(length * room / longest)) for length in sides)
    image = shrink(image, box, longest, room)
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    left, top = (res - width) // 2, (res - height) // 2
    pixels = np.zeros((4, res, res), np.float32)
    for channel in range(4):
        band = alpha
        if channel < 3:
            band = np.asarray(image.getchannel(channel), np.float32) / 255
            band *= alpha
        small = Image.fromarray(band).resize((width, height), Image.Resampling.LANCZOS)
        pixels[channel, top : top + height, left : left + width] = np.asarray(small)
    pixels[3] = pixels[3].clip(0, 1)
    pixels[:3] = pixels[:3].clip(0, pixels[3])  # LANCZOS overshoots; colour cannot exceed its alpha
    if faint:
        notes = [
            *notes,
            f"{name} has a faint veil around what can live (alpha above {ALIVE}): it is left out",
        ]
    notes = [*notes, *_remark(pixels[3], name)]
    return Target(
        name,
        pixels,
        transparent=True,
        seed=_seed(pixels[3], name),
        notes=tuple(notes),
        enlarged_from=longest if longest < room else None,
    )


def _visible(alpha: Image.Image) -> tuple[tuple[int, int, int, int], bool]:
    """The box of what can be seen; whether what is fainter is far larger.

    Empty borders would make the figure small, and so would a haze that no living cell can show.
    """
    seen = alpha.getbbox()
    assert seen is not None, "what is transparent everywhere is refused before"
    left, top, right, bottom = seen
    alive = alpha.point([255 * (value > 255 * ALIVE) for value in range(256)]).getbbox()
    if alive is None:
        return (left, top, right, bottom), False
    box = (
        max(left, alive[0] - FRINGE), max(top, alive[1] - FRINGE),
        min(right, alive[2] + FRINGE), min(bottom, alive[3] + FRINGE),
    )  # fmt: skip
    veiled = max(right - left, bottom - top)
    return box, max(box[2] - box[0], box[3] - box[1]) < veiled * (1 - 1 / VEIL)


def _seed(alpha: np.ndarray, name: str) -> tuple[float, float]:
    """The solid cell nearest the centre, as fractions x, y at its middle."""
    most = float(alpha.max())
    if most <= ALIVE:
        raise BadRequest(
            f"{name} is too faint to grow at res {len(alpha)}: no cell has alpha above {ALIVE}, "
            f"the most is {most:.2f}"
        )
    return nearest_centre(solid(alpha))


def solid(alpha: np.ndarray) -> np.ndarray:
    """Which cells of a figure growth may begin in, bool `[res, res]`."""
    return alpha > min(SOLID, float(alpha.max()) / 2)


def nearest_centre(cells: np.ndarray) -> tuple[float, float]:
    """Of some cells, bool `[res, res]`, the one nearest the centre, as fractions x, y at its middle."""
    res = len(cells)
    rows, columns = np.nonzero(cells)
    best = np.argmin((rows - res // 2) ** 2 + (columns - res // 2) ** 2)
    return (float(columns[best]) + 0.5) / res, (float(rows[best]) + 0.5) / res


def _remark(alpha: np.ndarray, name: str) -> list[str]:
    pieces = count_pieces(alpha > ALIVE)
    if pieces < 2:
        return []
    return [f"{name} falls into {pieces} separate pieces: growth must find its way across the gaps"]

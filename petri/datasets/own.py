"""A picture of the user's own, as a classifier sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from petri.errors import BadRequest
from petri.targets import image as images

EMPTY = 0.1  # what is not brighter is no part of an object
# Mean brightness of what is to be seen below which it is ink, or of an edge above which it is paper.
INK = 0.5
SHADED = 0.98  # share of a grey ground's edge that is no brighter than what is taken for black


def read(path: Path, planes: int, grid: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """Read a picture as fixed planes.

    Args:
        path: of a file that `petri.targets.image` reads, turned as its EXIF data say.
        planes: 1 for grey, 3 for RGB.
        grid: rows and columns; a picture of another size is made to fit, on black.

    Returns:
        Float32 `[planes, rows, columns]` in 0..1, and what was done to it, in words. A grey picture that is
        dark on a bright ground is inverted, as data sets of digits are bright on black, and a ground that is
        then not black, such as a photograph's of paper, is made so.

    Raises:
        BadRequest: no such file, not a picture, or one in which there is nothing.
    """
    notes: list[str] = []
    image = images.read(path, max(grid), notes)
    if image.mode == "F":
        image = Image.fromarray((np.asarray(image) * 255 + 0.5).astype(np.uint8))
    image = image.convert("RGBA")
    if planes == 1 and _is_ink(image):
        on_paper = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
        image = Image.eval(on_paper, lambda value: 255 - value).convert("RGBA")
        notes.append(f"{path.name} is dark on bright: inverted")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    flat = _on_black(flat.convert("L"), path.name, notes) if planes == 1 else flat.convert("RGB")
    rows, columns = grid
    if flat.size != (columns, rows):
        notes.append(f"{path.name} has {flat.width} × {flat.height} pixels: made {columns} × {rows}")
        share = min(columns / flat.width, rows / flat.height)
        size = (max(1, round(flat.width * share)), max(1, round(flat.height * share)))
        whole = Image.new(flat.mode, (columns, rows))
        whole.paste(
            flat.resize(size, Image.Resampling.BOX if share < 1 else Image.Resampling.BICUBIC),
            ((columns - size[0]) // 2, (rows - size[1]) // 2),
        )
        flat = whole
    pixels = torch.from_numpy(np.array(flat, dtype=np.float32) / 255).reshape(rows, columns, planes)
    if pixels.amax() <= EMPTY:
        raise BadRequest(
            f"there is nothing in {path}: no part of it differs from its ground by more than {EMPTY} of white"
        )
    return pixels.permute(2, 0, 1).contiguous(), notes


def _is_ink(image: Image.Image) -> bool:
    """Whether a picture is of something dark: on a bright edge or, if it is see-through, on whatever.

    Of a darker edge, as of paper in poor light, something goes further below it than anything above it.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    alpha = np.asarray(image.getchannel("A"), dtype=np.float32)
    if alpha.min() < 255:
        return float((grey * alpha).sum()) < 255 * INK * float(alpha.sum())
    edge = float(_edge(grey).mean())
    return edge > 255 * INK or edge - float(grey.min()) > float(grey.max()) - edge


def _on_black(grey: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """A picture whose ground is black, also if it was not: what is no brighter than its edge is left out."""
    values = np.asarray(grey, dtype=np.float32) / 255
    edge = _edge(values)
    if np.median(edge) <= EMPTY:
        return grey
    ground, top = float(np.quantile(edge, SHADED)), float(values.max())
    if top - ground <= EMPTY:
        return Image.new("L", grey.size)
    notes.append(f"{name} has a ground that is not black: what is no brighter than its edge is left out")
    return Image.fromarray(((values - ground).clip(0) * (255 / (top - ground)) + 0.5).astype(np.uint8))


def _edge(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])

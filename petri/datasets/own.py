"""A picture of the user's own, as a classifier sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from petri.errors import BadRequest

EMPTY = 0.1  # what is not brighter is no part of an object
INK = (
    0.5  # mean brightness of what is to be seen below which it is ink, or of an edge above which it is paper
)


def read(path: Path, planes: int, grid: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """Read a picture as fixed planes.

    Args:
        path: of a file that Pillow can read.
        planes: 1 for grey, 3 for RGB.
        grid: rows and columns; a picture of another size is made to fit, on black.

    Returns:
        Float32 `[planes, rows, columns]` in 0..1, and what was done to it, in words. A grey picture that is
        dark on a bright ground is inverted, as data sets of digits are bright on black.

    Raises:
        BadRequest: no such file, not a picture, or one in which there is nothing.
    """
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGBA")
    except FileNotFoundError:
        raise BadRequest(f"there is no picture {path}") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadRequest(f"{path} is no picture that can be read: {error}") from None
    notes = []
    if planes == 1 and _is_ink(image):
        on_paper = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
        image = Image.eval(on_paper, lambda value: 255 - value).convert("RGBA")
        notes.append(f"{path.name} is dark on bright: inverted")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    flat = flat.convert("L" if planes == 1 else "RGB")
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
        raise BadRequest(f"there is nothing in {path}: no pixel is brighter than {EMPTY}")
    return pixels.permute(2, 0, 1).contiguous(), notes


def _is_ink(image: Image.Image) -> bool:
    """Whether a picture is of something dark: on a bright edge or, if it is see-through, on whatever."""
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    alpha = np.asarray(image.getchannel("A"), dtype=np.float32)
    if alpha.min() < 255:
        return float((grey * alpha).sum()) < 255 * INK * float(alpha.sum())
    return float(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean()) > 255 * INK

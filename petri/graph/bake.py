"""The colours of a surface as the picture that its own map of places asks for."""

from __future__ import annotations

import numpy as np

from petri.errors import BadRequest
from petri.graph.mesh import Surface
from petri.graph.views import covered

MARGIN = 4  # pixels that colours go on beyond the edges of what is covered: a renderer reads between pixels


def bake(surface: Surface, *, pixels: int = 1024) -> np.ndarray:
    """Paint the colours of a surface into a picture by the places that the corners have in it.

    Args:
        surface: with colours and with `uv`; what lies beyond 0..1 there comes back on the other side.
        pixels: along a side.

    Returns:
        uint8 `[pixels, pixels, 3]`; black where no triangle lies.

    Raises:
        BadRequest: it has no colours, or no places in a picture.
    """
    if surface.uv is None or surface.colours is None:
        missing = "places in a picture (uv)" if surface.uv is None else "colours"
        raise BadRequest(f"only a mesh with {missing} can be baked")
    places = surface.uv - np.floor(surface.uv.min(axis=1, keepdims=True))  # a triangle stays in one piece
    flat = np.stack([places[..., 0], 1 - places[..., 1]], axis=-1) * pixels - 0.5
    picture = np.zeros((pixels, pixels, 3))
    there = np.zeros((pixels, pixels), bool)
    for order in ([0, 1, 2], [0, 2, 1]):  # a map may be a mirror image
        which, where, shares = covered(flat[:, order], pixels)
        rows, columns = np.divmod(where, pixels)
        picture[rows, columns] = surface.at(surface.faces[which][:, order], shares)
        there[rows, columns] = True
    for _ in range(MARGIN):
        total, count = np.zeros_like(picture), np.zeros((pixels, pixels))
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside = np.roll(there, step, axis)
            total += np.roll(picture, step, axis) * beside[..., None]
            count += beside
        new = ~there & (count > 0)
        picture[new] = total[new] / count[new][:, None]
        there |= new
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)

"""Pictures of a surface, without a graphics card.

Triangles are drawn from the farthest to the nearest, each of one colour; what a decoder paints is asked of it
pixel by pixel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from petri.graph.mesh import Surface
from petri.graph.views import covered, nearest

SMOOTH = 2  # times as large as it is drawn, so that edges are smooth
DISTANCE = 3.5  # of the eye from the middle, in units of the farthest vertex
FILLS = 0.92  # share of the picture that the surface may fill
LEAST_LIGHT = 0.45  # of a face that is seen from its edge
LIGHT = np.array([0.3, 0.5, 0.8]) / math.sqrt(0.98)  # the way to it, from the eye's side
GROUND = (255, 255, 255)
TURNS, TURN_FPS = 36, 20  # pictures of a turn
TILE = 1024  # pixels along a part of what is painted at once, so that memory is bounded


def draw(
    surface: Surface,
    *,
    turn: float = 0.0,
    tilt: float = 15.0,
    pixels: int = 320,
    lit: bool = True,
    through: bool = False,
) -> np.ndarray:
    """What a surface looks like from one side; y is up.

    Args:
        surface: of which the middle lies in the origin and the farthest vertex at 1 (`Surface.fitted`).
        turn: degrees that it is turned about its upright axis.
        tilt: degrees that the eye stands above it.
        pixels: along a side.
        lit: shaded by a lamp; else the plain colours.
        through: transparent around it; else white.

    Returns:
        uint8 `[pixels, pixels, 3]`; with alpha 4 of them.
    """
    places = surface.vertices @ _turned(turn, tilt).T
    near = DISTANCE - places[:, 2]
    scale = FILLS * pixels * SMOOTH / 2 * math.sqrt(DISTANCE**2 - 1)
    side = pixels * SMOOTH
    flat = np.stack([side / 2 + scale * places[:, 0] / near, side / 2 - scale * places[:, 1] / near], axis=1)
    if surface.paint is not None:
        normals = surface.normals() @ _turned(turn, tilt).T if lit else None
        picture = _painted(surface, places, flat - 0.5, normals, side)
        picture = picture if through else picture.convert("RGB")
        return np.asarray(picture.resize((pixels, pixels), Image.Resampling.BOX))
    corners = places[surface.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    eye = np.array([0.0, 0.0, DISTANCE]) - corners.mean(axis=1)
    behind = (across * eye).sum(axis=1) < 0
    if surface.border:  # an open surface is seen from inside, too
        across[behind] *= -1
        behind[:] = False
    colours = np.full((len(surface.faces), 3), 0.7)
    if surface.colours is not None:
        colours = surface.colours[surface.faces].mean(axis=1)
    if lit:
        colours = colours * (LEAST_LIGHT + (1 - LEAST_LIGHT) * (across @ LIGHT).clip(0, 1))[:, None]
    picture = (
        Image.new("RGBA", (side, side), (*GROUND, 0)) if through else Image.new("RGB", (side, side), GROUND)
    )
    brush = ImageDraw.Draw(picture)
    depth = -corners[..., 2].mean(axis=1)
    shown = np.flatnonzero(~behind)
    shown = shown[np.argsort(-depth[shown])]
    tints = (colours.clip(0, 1) * 255).round().astype(int)[shown].tolist()
    for polygon, tint in zip(flat[surface.faces[shown]].reshape(-1, 6).tolist(), tints, strict=True):
        brush.polygon(polygon, fill=tuple(tint))
    return np.asarray(picture.resize((pixels, pixels), Image.Resampling.BOX))


def _painted(
    surface: Surface, places: np.ndarray, flat: np.ndarray, normals: np.ndarray | None, side: int
) -> Image.Image:
    """What a decoder paints, pixel by pixel: RGBA, white where nothing is seen.

    Args:
        places: of the vertices, from the eye's side, `[vertices, 3]`.
        flat: where they lie in the picture, `[vertices, 2]`; the middle of its first pixel is 0, 0.
        normals: theirs, by which a lamp shades them; None: the plain colours.
        side: pixels along the picture.
    """
    faces = surface.faces
    if surface.border:  # an open surface is seen from inside, too
        faces = np.concatenate([faces, faces[:, ::-1]])
    near = DISTANCE - places[:, 2]
    picture = np.full((side, side, 4), (*GROUND, 0), np.uint8)
    for left, top in itertools.product(range(0, side, TILE), repeat=2):
        which, pixels, shares = covered(flat[faces] - [left, top], TILE)
        shares = shares / near[faces[which]]  # what lies far away takes less of the picture
        seen = nearest(pixels, shares.sum(axis=1))
        down, across = np.divmod(pixels[seen], TILE)
        seen, down, across = (
            one[(down < side - top) & (across < side - left)] for one in (seen, down, across)
        )
        corners, shares = faces[which[seen]], shares[seen] / shares[seen].sum(axis=1, keepdims=True)
        colours = surface.at(corners, shares).clip(0, 1)
        if normals is not None:
            facing, place = ((what[corners] * shares[..., None]).sum(axis=1) for what in (normals, places))
            facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-300)
            facing *= np.where((facing * ([0, 0, DISTANCE] - place)).sum(axis=1, keepdims=True) < 0, -1, 1)
            colours = colours * (LEAST_LIGHT + (1 - LEAST_LIGHT) * (facing @ LIGHT).clip(0, 1))[:, None]
        picture[top + down, left + across, :3] = (colours * 255).round()
        picture[top + down, left + across, 3] = 255
    return Image.fromarray(picture)


def _turned(turn: float, tilt: float) -> np.ndarray:
    """The matrix that turns about y, and then tips towards the eye."""
    a, b = math.radians(turn), math.radians(tilt)
    about = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    tip = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    return tip @ about


def sides(surface: Surface, *, pixels: int = 320) -> np.ndarray:
    """Four views beside each other: from the front, and a quarter turned each time."""
    return np.concatenate([draw(surface, turn=turn, pixels=pixels) for turn in (0, 90, 180, 270)], axis=1)


def turning(surface: Surface, *, pixels: int = 320) -> Iterator[np.ndarray]:
    """Views of a whole turn, for a film of `TURN_FPS`."""
    return (draw(surface, turn=360 * number / TURNS, pixels=pixels) for number in range(TURNS))

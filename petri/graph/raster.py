"""Pictures of a surface, without a graphics card: triangles drawn from the farthest to the nearest."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from petri.graph.mesh import Surface

SMOOTH = 2  # times as large as it is drawn, so that edges are smooth
DISTANCE = 3.5  # of the eye from the middle, in units of the farthest vertex
FILLS = 0.92  # share of the picture that the surface may fill
LEAST_LIGHT = 0.45  # of a face that is seen from its edge
LIGHT = np.array([0.3, 0.5, 0.8]) / math.sqrt(0.98)  # the way to it, from the eye's side
GROUND = (255, 255, 255)
TURNS, TURN_FPS = 36, 20  # pictures of a turn


def draw(
    surface: Surface, *, turn: float = 0.0, tilt: float = 15.0, pixels: int = 320, lit: bool = True
) -> np.ndarray:
    """What a surface looks like from one side; y is up.

    Args:
        surface: of which the middle lies in the origin and the farthest vertex at 1 (`Surface.fitted`).
        turn: degrees that it is turned about its upright axis.
        tilt: degrees that the eye stands above it.
        pixels: along a side.
        lit: shaded by a lamp; else the plain colours.

    Returns:
        uint8 `[pixels, pixels, 3]`.
    """
    places = surface.vertices @ _turned(turn, tilt).T
    near = DISTANCE - places[:, 2]
    scale = FILLS * pixels * SMOOTH / 2 * math.sqrt(DISTANCE**2 - 1)
    side = pixels * SMOOTH
    flat = np.stack([side / 2 + scale * places[:, 0] / near, side / 2 - scale * places[:, 1] / near], axis=1)
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
    picture = Image.new("RGB", (side, side), GROUND)
    brush = ImageDraw.Draw(picture)
    depth = -corners[..., 2].mean(axis=1)
    shown = np.flatnonzero(~behind)
    shown = shown[np.argsort(-depth[shown])]
    tints = (colours.clip(0, 1) * 255).round().astype(int)[shown].tolist()
    for polygon, tint in zip(flat[surface.faces[shown]].reshape(-1, 6).tolist(), tints, strict=True):
        brush.polygon(polygon, fill=tuple(tint))
    return np.asarray(picture.resize((pixels, pixels), Image.Resampling.BOX))


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

"""Materials that petri makes: seamless maps of a surface; normals and occlusion come from its height."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from petri.targets.noise import pcg

SUB = 2  # sub-pixels along a side of a pixel
WIDTHS = (0.01, 0.03, 0.08)  # of the hollows that light does not reach, as shares of the side
SHADE = 2.5  # by which the depth of a hollow darkens it
Points = np.ndarray
Surface = tuple[np.ndarray, np.ndarray, np.ndarray]  # RGB [..., 3], height and roughness [...]; 0..1


@dataclass(frozen=True)
class Material:
    """One that petri makes: a function of a torus, and how deep it is."""

    surface: Callable[[Points, Points, int], Surface]  # of x to the right and y down in 0..1, and a seed
    depth: float  # of the whole range of heights, as a share of the side


def maps(name: str, pixels: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """All maps of a material.

    Args:
        name: one of `petri.targets.MATERIALS`.
        pixels: along a side.
        seed: another one for other stains, tones and joints.

    Returns:
        By name, float32 `[1 or 3, pixels, pixels]` in 0..1, row 0 on top; normals are half of theirs and 0.5,
        right, up and out of the surface.
    """
    made = MADE[name]
    at = (np.arange(pixels * SUB) + 0.5) / (pixels * SUB)
    rgb, height, roughness = made.surface(*np.meshgrid(at, at), seed)
    height = _mean(height)
    found = {
        "albedo": np.stack([_mean(rgb[..., channel]) for channel in range(3)]),
        "height": height[None],
        "roughness": _mean(roughness)[None],
        "occlusion": occlusion(height)[None],
        "normal": normals(height, made.depth),
    }
    return {name: values.clip(0, 1).astype(np.float32) for name, values in found.items()}


def normals(height: np.ndarray, depth: float) -> np.ndarray:
    """The directions that a surface faces, of a torus.

    Args:
        height: `[rows, columns]` in 0..1.
        depth: of its whole range, as a share of the side.

    Returns:
        `[3, rows, columns]` in 0..1: half of each and 0.5; right, up, out of the surface.
    """
    slopes = [
        (np.roll(height, -1, axis) - np.roll(height, 1, axis)) * (depth * height.shape[axis] / 2)
        for axis in (1, 0)
    ]
    way = np.stack([-slopes[0], slopes[1], np.ones_like(height)])  # rows go down
    return 0.5 + 0.5 * way / np.linalg.norm(way, axis=0)


def occlusion(height: np.ndarray) -> np.ndarray:
    """How much of the light from everywhere reaches a surface: 1 on its peaks, less in its hollows.

    Args:
        height: of a torus, `[rows, columns]` in 0..1.
    """
    waves = (np.fft.fftfreq(side) * side for side in height.shape)
    frequencies = np.hypot(*np.meshgrid(*waves, indexing="ij"))
    spectrum = np.fft.fft2(height)
    hollow = np.zeros_like(height)
    for width in WIDTHS:
        around = np.fft.ifft2(spectrum * np.exp(-2 * (np.pi * width * frequencies) ** 2)).real
        hollow += (around - height).clip(0) / len(WIDTHS)
    return 1 - (SHADE * hollow).clip(0, 0.9)


def bricks(x: Points, y: Points, seed: int) -> Surface:
    """Courses of bricks, each half a brick beside the one below, in mortar."""
    across, courses = 4, 8
    row = np.floor(y * courses)
    along = x * across + row % 2 / 2
    chance = _chances(along, row, (across, courses), seed)
    wave = 0.06 * (noise(x, y, 24, seed) - 0.5)
    edge = np.minimum(_edge(along) * courses / across, _edge(y * courses)) + wave
    brick = _rise(edge, 0.06, 0.16)
    stain, grain = noise(x, y, 16, seed + 1), noise(x, y, 96, seed + 2)
    tone = 0.55 * chance(0) + 0.3 * stain + 0.15 * grain
    red = _mix((0.36, 0.13, 0.09), (0.68, 0.33, 0.22), tone)
    mortar = _mix((0.55, 0.52, 0.48), (0.72, 0.69, 0.64), grain)
    height = 0.12 * grain * (1 - brick) + brick * (0.72 + 0.14 * chance(1) + 0.1 * grain * stain)
    return _blend(mortar, red, brick), height, 0.95 - brick * (0.1 + 0.25 * chance(2) * stain)


def scales(x: Points, y: Points, seed: int) -> Surface:
    """Rows of scales, each over the root of the one below."""
    across, rows = 8, 8
    row = np.floor(y * rows)

    def within(which: Points) -> tuple[Points, Points]:
        """Where points lie in a row's scales: across, -1..1, and down from their roots, of 1 at the tip."""
        side = 2 * ((x * across + which % 2 / 2) % 1) - 1
        return side, (y * rows - which) / (0.95 + 0.6 * np.sqrt(1 - side**2))

    above, below = within(row - 1), within(row)
    over = above[1] < 1
    side, down = (np.where(over, upper, lower) for upper, lower in zip(above, below, strict=True))
    which = np.where(over, row - 1, row)
    chance = _chances(x * across + which % 2 / 2, which % rows, (across, rows), seed)
    rim = _rise(down, 0.86, 0.97)
    ridge = (1 - np.abs(side)) ** 2 * down
    tone = (0.25 * chance(0) + 0.75 * down**1.5).clip(0, 1)
    rgb = _mix((0.03, 0.16, 0.2), (0.12, 0.55, 0.42), tone)
    rgb = _blend(rgb, _mix((0.45, 0.75, 0.4), (0.8, 0.85, 0.45), chance(1)), 0.7 * rim)
    height = (0.15 + 0.6 * down + 0.15 * ridge - 0.1 * side**2) * (1 - 0.12 * rim)
    return rgb, height, 0.28 + 0.3 * chance(2) * (1 - down) + 0.2 * rim


def planks(x: Points, y: Points, seed: int) -> Surface:
    """Boards side by side, two to a row, with the grain along them."""
    rows = 6
    row = np.floor(y * rows)
    start = _chances(x * 0, row, (1, rows), seed)
    along = x * 2 + 2 * start(0)
    chance = _chances(along, row, (2, rows), seed + 1)
    shift = chance(0)  # so that the grain ends where the board does
    bent = y + 0.012 * noise(x, (y + shift) % 1, 4, seed + 2)
    fibre = noise(x, (bent + shift) % 1, 6, seed + 3, stretch=32)
    ring = 0.5 + 0.5 * np.sin(2 * np.pi * (rows * 2.5 * bent + 2 * noise(x, (bent + shift) % 1, 3, seed + 4)))
    board = _rise(np.minimum(_edge(along) * rows / 2, _edge(y * rows)), 0.02, 0.07)
    tone = 0.35 * chance(1) + 0.35 * ring + 0.3 * fibre
    wood = _mix((0.24, 0.13, 0.07), (0.66, 0.45, 0.26), tone)
    height = board * (0.7 + 0.12 * chance(2) + 0.1 * fibre + 0.06 * ring)
    gap = _mix((0.05, 0.03, 0.02), (0.08, 0.05, 0.03), fibre)
    return _blend(gap, wood, board), height, 0.85 - 0.4 * board * ring


MADE = {
    "bricks": Material(bricks, 0.02),
    "scales": Material(scales, 0.035),
    "planks": Material(planks, 0.02),
}


def noise(x: Points, y: Points, period: int, seed: int, *, stretch: int = 1) -> np.ndarray:
    """Smooth noise on a torus, 0..1: so many lattice points along it, `stretch` times as many down it."""
    places = [x * period, y * period * stretch]
    first = [np.floor(place) for place in places]
    u, v = (
        t * t * t * (t * (6 * t - 15) + 10)
        for t in (place - floor for place, floor in zip(places, first, strict=True))
    )

    def value(right: int, down: int) -> np.ndarray:
        return _hashed(first[0] + right, first[1] + down, (period, period * stretch), seed)

    upper = value(0, 0) + u * (value(1, 0) - value(0, 0))
    lower = value(0, 1) + u * (value(1, 1) - value(0, 1))
    return upper + v * (lower - upper)


def _hashed(column: np.ndarray, row: np.ndarray, size: tuple[int, int], seed: int) -> np.ndarray:
    """A number in 0..1 for each place of a torus of whole numbers."""
    places = [(at % side).astype(np.uint32) for at, side in zip((column, row), size, strict=True)]
    key = pcg(places[0] + pcg(places[1] + pcg(np.array([seed], np.uint32))))
    return key / 2.0**32


def _chances(
    column: np.ndarray, row: np.ndarray, size: tuple[int, int], seed: int
) -> Callable[[int], np.ndarray]:
    """Numbers in 0..1, of each piece its own: a function of which number is wanted."""
    return lambda which: _hashed(np.floor(column), row, size, 1000 * (seed + 1) + which)


def _edge(place: np.ndarray) -> np.ndarray:
    """How far the nearest whole number is."""
    part = place % 1
    return np.minimum(part, 1 - part)


def _rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """From 0 to 1, smoothly."""
    t = ((value - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _mix(one: tuple[float, ...], other: tuple[float, ...], share: np.ndarray) -> np.ndarray:
    return np.asarray(one) + share[..., None] * (np.asarray(other) - np.asarray(one))


def _blend(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return one + share[..., None] * (other - one)


def _mean(values: np.ndarray) -> np.ndarray:
    """Of the sub-pixels of each pixel."""
    side = len(values) // SUB
    return values.reshape(side, SUB, side, SUB).mean(axis=(1, 3))

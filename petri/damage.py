"""Damage: cells emptied, to see whether a pattern heals, or to teach it to."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from petri import checks

AREA = 0.25  # share of the grid that a circle takes
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CENTRES = 0.25, 0.75  # where random damage lies, as fractions of the grid
ON_THE_LINE = 1e-3  # cells; one whose middle lies on a half-plane's edge stays


def cut_circle(state: Tensor, *, x: float | Tensor, y: float | Tensor, area: float | Tensor = AREA) -> Tensor:
    """Empty all cells in a circle.

    Args:
        state: `[batch, channel, height, width]`.
        x, y: its centre, as fractions of the grid; one for all samples, or one a sample, `[batch]`.
        area: its share of the grid, in (0, 1]; what lies beyond the edge counts too.

    Returns:
        A new state of the same shape.
    """
    return state.masked_fill(_circle(state, x, y, area), 0.0)


def cut_half(
    state: Tensor, *, angle: float | Tensor, x: float | Tensor = 0.5, y: float | Tensor = 0.5
) -> Tensor:
    """Empty all cells on one side of a line.

    Args:
        state: `[batch, channel, height, width]`.
        angle: in degrees, where the emptied side lies: 0 on the right, 90 at the bottom, 180 on the left,
            270 at the top; one for all samples, or one a sample, `[batch]`.
        x, y: a point on the line, as fractions of the grid; as `angle`, one or `[batch]`.

    Returns:
        A new state of the same shape; cells whose middle lies on the line stay.
    """
    return state.masked_fill(_half(state, angle, x, y), 0.0)


def cut_corner(state: Tensor, *, corner: str) -> Tensor:
    """Empty a quarter of the grid.

    Args:
        state: `[batch, channel, height, width]`.
        corner: one of `CORNERS`.

    Returns:
        A new state of the same shape; of an odd number of rows or columns the middle one stays.
    """
    checks.choice("corner", corner, CORNERS)
    down = _half(state, 90.0 if corner.startswith("bottom") else 270.0, 0.5, 0.5)
    across = _half(state, 0.0 if corner.endswith("right") else 180.0, 0.5, 0.5)
    return state.masked_fill(down & across, 0.0)


def cut_scatter(state: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Empty single cells all over the grid.

    Args:
        state: `[batch, channel, height, width]`.
        share: of the cells, in [0, 1]; each sample loses exactly so many, rounded.
        generator: of the CPU, so that every device loses the same cells.

    Returns:
        A new state of the same shape.
    """
    checks.number("share", share, 0, 1)
    batch, _, height, width = state.shape
    chance = torch.rand(batch, height * width, generator=generator)
    gone = torch.zeros(chance.shape, dtype=torch.bool)
    gone.scatter_(1, chance.argsort(dim=1)[:, : round(share * height * width)], True)
    return state.masked_fill(gone.view(batch, 1, height, width).to(state.device), 0.0)


def random_damage(
    state: Tensor,
    generator: torch.Generator,
    *,
    radii: tuple[float, float] = (0.1, 0.4),
    half_planes: bool = True,
) -> Tensor:
    """Cut a circle out of every sample, or all that lies beyond a line, each drawn anew.

    A circle and a line are equally likely. The centre of a circle and a point on a line lie in the middle
    half of the grid, both ways; a line has any direction.

    Args:
        state: `[batch, channel, height, width]`.
        generator: of the CPU; five numbers are drawn a sample, whatever comes of them.
        radii: least and most of a circle, in halves of the grid's side.
        half_planes: cut these too, not circles alone.

    Returns:
        A new state of the same shape.

    Source: Mordvintsev et al. 2020, "Learning to regenerate", for the circles.
    """
    drawn = torch.rand(state.shape[0], 5, generator=generator).to(state.device)
    kind, x, y, radius, angle = drawn.unbind(1)
    x, y = (CENTRES[0] + (CENTRES[1] - CENTRES[0]) * value for value in (x, y))
    radius = radii[0] + (radii[1] - radii[0]) * radius
    circle = _circle(state, x, y, math.pi * radius.square() / 4)
    if not half_planes:
        return state.masked_fill(circle, 0.0)
    half = _half(state, 360 * angle, x, y)
    return state.masked_fill(torch.where(_each(kind, state) < 0.5, circle, half), 0.0)


def _circle(state: Tensor, x: float | Tensor, y: float | Tensor, area: float | Tensor) -> Tensor:
    """Which cells are in it, bool `[batch or 1, 1, height, width]`."""
    height, width = state.shape[-2:]
    right, down = _offsets(state, x, y)
    return right.square() + down.square() <= _each(area, state) * (height * width / math.pi)


def _half(state: Tensor, angle: float | Tensor, x: float | Tensor, y: float | Tensor) -> Tensor:
    """Which cells lie beyond the line, bool `[batch or 1, 1, height, width]`."""
    right, down = _offsets(state, x, y)
    turn = torch.deg2rad(_each(angle, state))
    return right * turn.cos() + down * turn.sin() > ON_THE_LINE


def _offsets(state: Tensor, x: float | Tensor, y: float | Tensor) -> tuple[Tensor, Tensor]:
    """How far right of, and below, a point each cell's middle lies, in cells."""
    height, width = state.shape[-2:]
    columns = torch.arange(width, device=state.device) + 0.5
    rows = torch.arange(height, device=state.device)[:, None] + 0.5
    return columns - _each(x, state) * width, rows - _each(y, state) * height


def _each(value: float | Tensor, state: Tensor) -> Tensor:
    """One value, or one a sample, so that it broadcasts over cells."""
    return torch.as_tensor(value, dtype=torch.float32, device=state.device).reshape(-1, 1, 1, 1)

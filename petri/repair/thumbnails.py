"""Thumbnails: what the bytes of a rule would hold if they held a small picture of each unit instead."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from petri.errors import BadRequest

LEVELS = 127  # of a coefficient, to either side
SCALE_BYTES = 4  # of each unit's scale


def cosines(side: int) -> Tensor:
    """The orthonormal discrete cosine transform, `[frequency, place]`."""
    places, frequencies = torch.arange(side) + 0.5, torch.arange(side)
    waves = torch.cos(math.pi / side * frequencies[:, None] * places[None]) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    return waves


def thumbnails(weights: Tensor, side: tuple[int, int], room: int) -> Tensor:
    """The weights as so many bytes tell them: of each unit its lowest frequencies, 8 bits each, and a scale.

    Args:
        weights: `[unit, height · width]`.
        side: height and width.
        room: bytes in all.

    Returns:
        As the weights.

    Raises:
        BadRequest: there is no byte for a frequency of each unit.
    """
    units = len(weights)
    count = min(room // units - SCALE_BYTES, weights.shape[1])
    if count < 1:
        raise BadRequest(
            f"thumbnails of {units} units need at least {units * (SCALE_BYTES + 1)} bytes, got {room}"
        )
    down, across = cosines(side[0]), cosines(side[1])
    found = (down @ weights.view(units, *side) @ across.T).view(units, -1)
    rising = torch.arange(side[0])[:, None] ** 2 + torch.arange(side[1])[None] ** 2
    lowest = rising.flatten().argsort(stable=True)[:count]
    scale = found[:, lowest].abs().amax(1, keepdim=True).clamp(min=1e-12) / LEVELS
    kept = torch.zeros_like(found)
    kept[:, lowest] = (found[:, lowest] / scale).round() * scale
    return (down.T @ kept.view(units, *side) @ across).view(units, -1)

"""What rings are coloured with: a pattern of the whole ring, and an endless sequence."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from petri.graph.mesh import Surface

THICK, ROUND = 0.14, 12  # radius of the tube that a ring is shown as, and the vertices of each node around it


def tube(nodes: int) -> Surface:
    """What a ring is shown as: a tube that is bent round, `ROUND` vertices a node; as viewer/lib/body.js."""
    along = 2 * math.pi * (np.arange(nodes)[:, None] + 0.5) / nodes
    around = 2 * math.pi * np.arange(ROUND)[None] / ROUND
    far, up = 1 - THICK + THICK * np.cos(around), THICK * np.sin(around)
    places = np.stack(np.broadcast_arrays(far * np.sin(along), up, far * np.cos(along)), axis=-1)
    first = ROUND * np.arange(nodes)[:, None]
    a, b = first + np.arange(ROUND), first + (np.arange(ROUND) + 1) % ROUND
    c, d = ((one + ROUND) % (ROUND * nodes) for one in (a, b))
    faces = np.stack([np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)], axis=-2)
    return Surface(places.reshape(-1, 3), faces.reshape(-1, 3))


def wheel(nodes: int) -> Tensor:
    """A pattern of a whole ring that is no mirror image of itself: RGB in 0..1, `[3, node]`.

    Each colour is a sum of two waves, of one to five periods around the ring.
    """
    turn = 2 * math.pi * torch.arange(nodes, dtype=torch.float64) / nodes
    waves = ((2, 0.5, 3, 0.0), (1, -1.0, 5, 2.0), (1, 2.0, 4, -0.7))  # periods and phases
    rows = [
        0.5 + 0.28 * (first * turn + phase).sin() + 0.2 * (second * turn + shift).sin()
        for first, phase, second, shift in waves
    ]
    return torch.stack(rows).float()


def ramps(nodes: int, seed: int = 0) -> Tensor:
    """A sequence without an end: ramps of 5 to 9 nodes, of two colours in turn, that rise and then drop.

    A pattern of no whole ring: what is alike is the statistics of its windows.

    Returns:
        RGB in 0..1, `[3, node]`.
    """
    chance = torch.Generator().manual_seed(seed)
    tints = torch.tensor([[1.0, 0.55, 0.1], [0.1, 0.45, 1.0]])
    columns: list[Tensor] = []
    kind = 0
    while len(columns) < nodes:
        length = int(torch.randint(5, 10, (), generator=chance))
        columns += [tints[kind] * (at + 1) / length for at in range(length)]
        kind = 1 - kind
    return torch.stack(columns[:nodes], dim=1)

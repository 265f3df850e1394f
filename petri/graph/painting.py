"""Surfaces in the colours of states: of their vertices, or as a decoder paints what lies between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from petri.graph.mesh import Paint, Surface
from petri.graph.rings import ROUND, tube
from petri.nca import Automaton
from petri.nca.automaton import BAND
from petri.nca.spots import Spots

MOST_FINE = 200_000  # vertices that a painted surface is cut into, to be written as a file


@torch.no_grad()
def shown(state: Tensor, automaton: Automaton, surface: Surface | None = None) -> Surface:
    """A surface in the colours of a state.

    Args:
        state: `[plane, 1, node]` or `[plane, node]`.
        automaton: whose state it is; where its Spec has a living mask, what does not live is white.
        surface: whose vertices the nodes are; None of a ring, which becomes a tube.
    """
    state = state if state.ndim == 3 else state.unsqueeze(-2)
    seen = automaton.view(state)[:, 0].T.detach().cpu().numpy()
    colours = seen[:, :3]
    if automaton.spec.living:
        colours = colours + (1 - seen[:, 3:].clip(0, 1))
    if surface is None:
        return tube(len(colours)).coloured(np.repeat(colours, ROUND, axis=0))
    coloured = surface.coloured(colours)
    return coloured if automaton.decoder is None else replace(coloured, paint=painter(automaton, state))


def painter(automaton: Automaton, state: Tensor) -> Paint:
    """What a decoder makes of a state `[plane, 1, node]` at any points."""

    @torch.no_grad()
    def paint(corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        found = np.zeros((len(corners), 3), np.float32)
        for first in range(0, len(corners), BAND):
            part = slice(first, first + BAND)
            spots = Spots(
                corners=torch.from_numpy(corners[part]).to(state.device),
                shares=torch.from_numpy(shares[part]).to(state),
            )
            found[part] = automaton.paint(state[None], spots)[0].T.cpu().numpy()
        return found

    return paint


def finer(surface: Surface) -> tuple[Surface, np.ndarray]:
    """A painted surface as one that has the colours at its vertices, cut into as many as a file should have.

    Returns:
        The surface and the normals of its vertices, those of the triangles that were cut between them.
    """
    cuts = 0
    while 4 ** (cuts + 1) * len(surface.vertices) <= MOST_FINE:
        cuts += 1
    # Cut along with the triangles, the corners' barycentric coordinates tell where each new vertex lies.
    own = np.broadcast_to([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], (len(surface.faces), 3, 2))
    made = Surface(surface.vertices, surface.faces, uv=own)
    for _ in range(cuts):
        made = made.cut()
    assert made.uv is not None, "it was given some"
    _, first = np.unique(
        made.faces, return_index=True
    )  # every vertex is of a face; on an edge either will do
    shares = made.uv.reshape(-1, 2)[first]
    shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
    corners = surface.faces[first // 3 // 4**cuts]
    normals = (surface.normals()[corners] * shares[..., None]).sum(axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    return replace(made, uv=None, colours=surface.at(corners, shares)), normals

"""Damage of a mesh: what is emptied of the states of its vertices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from petri.damage import cut_scatter
from petri.graph.growth import GONE
from petri.graph.mesh import Surface
from petri.nca.graph import nearest

Hurt = Callable[[Tensor, torch.Generator], Tensor]


def kinds(surface: Surface) -> dict[str, Hurt]:
    """What may be done to states `[batch, channel, 1, node]` of a surface, by name.

    A patch is the quarter of the vertices that lies nearest a random one by edges; half of them lie on one
    side of the middle; scattered, a quarter is taken here and there.
    """
    graph = surface.graph()

    def patch(state: Tensor, chance: torch.Generator) -> Tensor:
        sources = torch.randint(graph.nodes, (len(state),), generator=chance).tolist()
        count = round(GONE * graph.nodes)
        gone = torch.stack([nearest(graph, source, count) for source in sources])
        return state.masked_fill(gone[:, None, None].to(state.device), 0.0)

    def half(state: Tensor, chance: torch.Generator) -> Tensor:
        sides = torch.randn(len(state), 3, generator=chance, dtype=torch.float64)
        far = sides @ torch.from_numpy(surface.vertices.T.copy())
        gone = far > far.median(dim=1, keepdim=True).values
        return state.masked_fill(gone[:, None, None].to(state.device), 0.0)

    def scatter(state: Tensor, chance: torch.Generator) -> Tensor:
        return cut_scatter(state, share=GONE, generator=chance)

    return {"patch": patch, "half": half, "scatter": scatter}

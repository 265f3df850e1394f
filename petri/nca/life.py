"""Where cells live: where there is enough alpha in their 3×3 neighbourhood, or where a plane says so."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from petri.nca.graph import Graph
from petri.nca.padding import pad

ALPHA = 3  # the channel
THRESHOLD = 0.1


def alive(state: Tensor, *, padding: str) -> Tensor:
    """Find the living cells.

    Args:
        state: `[batch, channel, height, width]`.
        padding: what lies beyond the edge, as in the Spec.

    Returns:
        bool `[batch, 1, height, width]`: the largest alpha of the 3×3 neighbourhood is above 0.1.

    Source: Mordvintsev et al. 2020, "Living cells".
    """
    return F.max_pool2d(pad(state[:, ALPHA : ALPHA + 1], 1, padding), 3, stride=1) > THRESHOLD


def alive_on(state: Tensor, graph: Graph) -> Tensor:
    """Find the living nodes of a ring or a mesh; as `alive`, of a node and its neighbours.

    Args:
        state: `[batch, channel, 1, node]`.
        graph: who is whose neighbour.
    """
    alpha = state[:, ALPHA : ALPHA + 1]
    index = graph.rows.expand(*alpha.shape[:-1], -1)
    most = alpha.scatter_reduce(-1, index, alpha.index_select(-1, graph.neighbours), "amax")
    return most > THRESHOLD


def has_life(state: Tensor) -> Tensor:
    """Whether any cell of a sample has enough alpha to live; bool `[batch]`."""
    return state[:, ALPHA].amax(dim=(1, 2)) > THRESHOLD


def exists(fixed: Tensor) -> Tensor:
    """Where a masked automaton has cells: the first fixed plane is above 0.1.

    Args:
        fixed: the fixed planes, `[batch, plane, height, width]`.

    Returns:
        bool `[batch, 1, height, width]`.

    Source: Randazzo et al. 2020, "Self-classifying MNIST digits".
    """
    return fixed[:, :1] > THRESHOLD

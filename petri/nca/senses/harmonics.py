"""Senses of a ring or a mesh: what lies around a node, by the directions of its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest
from petri.nca.graph import ORDERS, Graph

GATHERS = ("mean", "sum")
SMALL = 1e-3  # a slope much smaller than this has a length of nearly nothing, and a gradient none the less


@dataclass(frozen=True, kw_only=True)
class Harmonics:
    """The node itself, and the difference to its neighbours, weighed by harmonics of where they lie.

    Features: (1 + harmonics) · channels, channel by channel; within, the node's own value, the plain
    difference (the umbrella Laplacian) and the harmonics in the order of `petri.nca.graph.harmonics`. Order 0
    is the Laplacian alone: it needs no directions and knows none, so that it runs on any graph.

    Raises:
        BadRequest: a value out of range, or an order that the dimensions do not have.

    Source: Pajouheshgar et al. 2024, "Mesh Neural Cellular Automata", which adds up; the mean is petri's own:
    a node of many neighbours, such as a pole, does not explode.
    """

    on_graph: ClassVar[bool] = True

    order: int = 1  # of the harmonics: 0, 1 or 2
    dimensions: int = 3  # of the directions: 3, of a ring 1
    gather: str = "mean"  # over the neighbours, times the valence; or their sum
    valence: float = 6.0  # neighbours of the usual node: of triangles 6, of a ring 2
    # Length of the usual edge: where a node's edges are half as long, differences are doubled and the even
    # harmonics, of second differences, taken four times, so that a pattern keeps its size in space and not
    # in edges. 0: how long an edge is has no part.
    edge: float = 0.0

    def __post_init__(self) -> None:
        if self.dimensions not in ORDERS:
            raise BadRequest(f"the dimensions of harmonics must be 1 or 3, got {self.dimensions!r}")
        checks.whole("the order of harmonics", self.order, 0, 2)
        if self.order > ORDERS[self.dimensions]:
            raise BadRequest(f"harmonics of one dimension have order 0 or 1, got {self.order}")
        checks.choice("the gather of harmonics", self.gather, GATHERS)
        valence = checks.number("the valence of harmonics", self.valence, 0, 1e3, low_open=True)
        object.__setattr__(self, "valence", valence)
        object.__setattr__(self, "edge", checks.number("the edge of harmonics", self.edge, 0, 1e6))

    @property
    def size(self) -> int:
        """Nodes along a line through what is read."""
        return 3

    @property
    def reach(self) -> int:
        """Edges to the farthest that is read."""
        return 1

    @property
    def harmonics(self) -> int:
        """How many harmonics there are."""
        return 1 + self.order if self.dimensions == 1 else (self.order + 1) ** 2

    def features(self, channels: int) -> int:
        """Numbers that a node is given."""
        return (1 + self.harmonics) * channels

    def parameters(self, channels: int) -> int:
        """None."""
        return 0

    def word(self, width: int) -> str:
        """Its name for people; a Spec holds it as a table."""
        kind = {0: "Laplacian", 1: "slope"}.get(self.order, f"harmonics to order {self.order}")
        return kind + f" ({self.gather})" * (self.gather == "sum") + " by length" * (self.edge > 0)

    def weights(self, graph: Graph) -> Tensor:
        """What each harmonic gives to each edge's difference, float64 `[harmonics, edges]`."""

        def make() -> Tensor:
            basis = graph.basis(self.order, self.dimensions)
            if self.edge:
                longer = (self.edge / graph.mean_length())[graph.rows]
                odd = torch.tensor([number in (1, 2, 3) for number in range(len(basis))])[:, None]
                basis = basis * torch.where(odd.to(longer.device), longer, longer.square())
            if self.gather == "sum":
                return basis
            return basis * (self.valence / graph.valence.double())[graph.rows]

        return graph.kept(("weights", self), make)

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Around:
        """The module that computes it; no chance is needed."""
        return Around(self)


class Around(nn.Module):
    """What `Harmonics` describes."""

    def __init__(self, kind: Harmonics) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, state: Tensor, graph: Graph) -> Tensor:
        """Sense; from `[batch, channel, 1, node]` to `[batch, features, 1, node]`."""
        return torch.stack([state, *around(state, graph, self.kind)], dim=2).flatten(1, 2)


def around(state: Tensor, graph: Graph, kind: Harmonics) -> list[Tensor]:
    """The weighed differences to the neighbours, each like the state: one a harmonic."""
    rows = graph.rows
    apart = state.index_select(-1, graph.neighbours) - state.index_select(-1, rows)
    weights = graph.kept(("weights", kind, state.dtype), lambda: kind.weights(graph).to(state.dtype))
    return [torch.zeros_like(state).index_add(-1, rows, apart * weight) for weight in weights]


@dataclass(frozen=True, kw_only=True)
class Invariants:
    """The node itself, the Laplacian, and what of the slope does not turn with the mesh.

    The slope of a channel is its harmonics of order 1. Features: 4 · channels, channel by channel; within,
    the node's own value, the Laplacian, the slope's length, and its product with the slope of the next
    channel (of the last, the first's). A mesh that is rotated is coloured the same.

    Raises:
        BadRequest: a value out of range.

    Source: Sharp et al. 2022, "DiffusionNet", for inner products of slopes.
    """

    on_graph: ClassVar[bool] = True

    valence: float = 6.0  # as of `Harmonics`

    def __post_init__(self) -> None:
        valence = checks.number("the valence of invariants", self.valence, 0, 1e3, low_open=True)
        object.__setattr__(self, "valence", valence)

    @property
    def size(self) -> int:
        """Nodes along a line through what is read."""
        return 3

    @property
    def reach(self) -> int:
        """Edges to the farthest that is read."""
        return 1

    @property
    def slope(self) -> Harmonics:
        """What they are made of: the Laplacian and the slope."""
        return Harmonics(order=1, valence=self.valence)

    def features(self, channels: int) -> int:
        """Numbers that a node is given."""
        return 4 * channels

    def parameters(self, channels: int) -> int:
        """None."""
        return 0

    def word(self, width: int) -> str:
        """Its name for people; a Spec holds it as a table."""
        return "Laplacian and invariants of the slope"

    def build(self, channels: int, padding: str, generator: torch.Generator | None = None) -> Turned:
        """The module that computes it; no chance is needed."""
        return Turned(self)


class Turned(nn.Module):
    """What `Invariants` describes."""

    def __init__(self, kind: Invariants) -> None:
        super().__init__()
        self.kind, self.read = kind, kind.slope

    def forward(self, state: Tensor, graph: Graph) -> Tensor:
        """Sense; from `[batch, channel, 1, node]` to `[batch, features, 1, node]`."""
        laplacian, *slope = around(state, graph, self.read)
        along = torch.stack(slope)
        length = (along.square().sum(0) + SMALL**2).sqrt() - SMALL
        product = (along * along.roll(-1, dims=2)).sum(0)
        return torch.stack([state, laplacian, length, product], dim=2).flatten(1, 2)

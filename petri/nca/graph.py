"""Who is whose neighbour where there are no rows and columns: compressed rows of neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from petri.errors import BadRequest

ORDERS = {1: 1, 3: 2}  # largest order of harmonics, by dimensions
SMALLEST_RING = 3
FRAMES = ("world", "upright")  # what directions are told by


class Graph:
    """Nodes, and the neighbours that each of them reads.

    It is never changed, so that copies of an automaton share it.

    Args:
        offsets: int64 `[nodes + 1]`; node i reads `neighbours[offsets[i] : offsets[i + 1]]`.
        neighbours: int64 `[edges]`.
        directions: where each neighbour lies, unit vectors `[edges, dimensions]` in float64, of one or three
            dimensions; None of a graph without places.
        frame: what directions are told by, as `Mesh.frame` has it.
        lengths: of the edges, float64 `[edges]`; None of a graph without places.

    Raises:
        BadRequest: they do not fit each other, or a neighbour is no node.
    """

    def __init__(
        self,
        offsets: Tensor,
        neighbours: Tensor,
        directions: Tensor | None = None,
        *,
        frame: str = FRAMES[0],
        lengths: Tensor | None = None,
    ) -> None:
        edges = len(neighbours)
        if offsets.ndim != 1 or len(offsets) < 2 or int(offsets[0]) or int(offsets[-1]) != edges:
            raise BadRequest(f"a graph's offsets must rise from 0 to its {edges} edges, one more than nodes")
        if bool((offsets.diff() < 0).any()):
            raise BadRequest("a graph's offsets must not fall")
        nodes = len(offsets) - 1
        if edges and not 0 <= int(neighbours.min()) <= int(neighbours.max()) < nodes:
            raise BadRequest(f"a graph's neighbours must be nodes in 0..{nodes - 1}")
        if directions is not None and (directions.ndim != 2 or len(directions) != edges):
            raise BadRequest(
                f"a graph's directions must be [{edges}, dimensions], got {list(directions.shape)}"
            )
        if directions is not None and directions.shape[1] not in ORDERS:
            raise BadRequest(f"a graph's directions have 1 or 3 dimensions, got {directions.shape[1]}")
        self.offsets, self.neighbours, self.directions = offsets, neighbours, directions
        self.frame, self.lengths = frame, lengths
        self._made: dict[Any, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.offsets) - 1

    @property
    def valence(self) -> Tensor:
        """How many neighbours each node reads, int64 `[nodes]`."""
        return self.offsets.diff()

    @property
    def rows(self) -> Tensor:
        """The node that each edge belongs to, int64 `[edges]`."""
        return self.kept("rows", lambda: torch.arange(self.nodes).repeat_interleave(self.valence.cpu()))

    def kept(self, key: Any, make: Any) -> Any:
        """What is derived of it, made once: tensors are kept where the graph is."""
        if key not in self._made:
            made = make()
            self._made[key] = made.to(self.offsets.device) if isinstance(made, Tensor) else made
        return self._made[key]

    def to(self, device: torch.device | str) -> Graph:
        """The same graph on a device; made once for each."""
        device = torch.device(device)
        if self.offsets.device.type == device.type:
            return self
        key = ("on", str(device))
        if key not in self._made:
            parts = (self.offsets, self.neighbours, self.directions)
            moved = (None if part is None else part.to(device) for part in parts)
            lengths = None if self.lengths is None else self.lengths.to(device)
            self._made[key] = Graph(*moved, frame=self.frame, lengths=lengths)  # type: ignore[arg-type]
        return self._made[key]

    def mean_length(self) -> Tensor:
        """How long the edges of each node are, the mean: float64 `[nodes]`; 1 of a node without any length.

        Raises:
            BadRequest: the nodes have no places.
        """
        if self.lengths is None:
            raise BadRequest("a sense that heeds how long edges are needs places, the graph has none")
        total = torch.zeros_like(self.offsets[1:], dtype=torch.float64).index_add(0, self.rows, self.lengths)
        return torch.where(total > 0, total / self.valence.clamp(min=1), 1.0)

    def basis(self, order: int, dimensions: int) -> Tensor:
        """The harmonics of all edges' directions, float64 `[harmonics, edges]`; see `harmonics`.

        Raises:
            BadRequest: they need places, and the nodes have none of so many dimensions.
        """
        if order == 0:
            return torch.ones(1, len(self.neighbours), dtype=torch.float64, device=self.offsets.device)
        if self.directions is None or self.directions.shape[1] != dimensions:
            has = "none" if self.directions is None else f"{self.directions.shape[1]}"
            raise BadRequest(
                f"harmonics of order {order} need directions of {dimensions} dimensions, the graph has "
                f"{has}; order 0, the Laplacian alone, needs none"
            )
        return harmonics(self.directions, order)


def harmonics(directions: Tensor, order: int) -> Tensor:
    """Real harmonics of unit vectors, all orders up to one: `[harmonics, vectors]`.

    In three dimensions they are 1; y, z, x; √3 xy, √3 yz, (3z² − 1) / 2, √3 xz, √3 (x² − y²) / 2: the squares
    of an order's add up to 1 whatever the direction. In one dimension they are 1 and x.

    Args:
        directions: `[vectors, dimensions]`.
        order: 0, 1 or, in three dimensions, 2.
    """
    found = [torch.ones_like(directions[:, 0])]
    if order and directions.shape[1] == 1:
        found.append(directions[:, 0])
    elif order:
        x, y, z = directions.unbind(1)
        found += [y, z, x]
        if order == 2:
            root = 3**0.5
            found += [root * x * y, root * y * z, (3 * z * z - 1) / 2, root * x * z]
            found.append(root * (x * x - y * y) / 2)
    return torch.stack(found)


@lru_cache(maxsize=8)
def ring(nodes: int) -> Graph:
    """A ring: each node reads the one before it, in direction −1, and the one after it, in direction 1.

    Raises:
        BadRequest: fewer than three nodes.
    """
    if nodes < SMALLEST_RING:
        raise BadRequest(f"a ring has at least {SMALLEST_RING} nodes, got {nodes}")
    own = torch.arange(nodes)
    neighbours = torch.stack([(own - 1) % nodes, (own + 1) % nodes], dim=1).flatten()
    directions = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(nodes, 1)
    return Graph(torch.arange(nodes + 1) * 2, neighbours, directions)


def of_edges(nodes: int, pairs: Tensor, places: Tensor | None = None, axes: Tensor | None = None) -> Graph:
    """A graph of undirected edges; an edge that stands twice counts once, a loop not at all.

    Args:
        nodes: how many.
        pairs: int64 `[edges, 2]`.
        places: of the nodes, float64 `[nodes, 3]`; None if they have none. Two nodes in one place have no
            direction: the odd harmonics of their edge are 0.
        axes: of the nodes, float64 `[nodes, 3, 3]`, right, up and out, by which directions are told; None:
            by x, y and z.

    Raises:
        BadRequest: no nodes, an edge to one that is none, or a place that is not finite.
    """
    both = torch.cat([pairs, pairs.flip(1)])
    both = both[both[:, 0] != both[:, 1]]
    if len(both) and not 0 <= int(both.min()) <= int(both.max()) < nodes:
        raise BadRequest(
            f"an edge must join nodes in 0..{nodes - 1}, got {int(both.min())}..{int(both.max())}"
        )
    if nodes < 1:
        raise BadRequest("a graph needs nodes, this one has none")
    if places is not None and not bool(places.isfinite().all()):
        raise BadRequest("a graph's nodes must have finite places")
    keys = torch.unique(both[:, 0] * nodes + both[:, 1])  # sorted: by node, then by neighbour
    rows, neighbours = keys // nodes, keys % nodes
    offsets = torch.zeros(nodes + 1, dtype=torch.int64)
    offsets[1:] = torch.bincount(rows, minlength=nodes).cumsum(0)
    directions = lengths = None
    if places is not None:
        apart = places[neighbours] - places[rows]
        lengths = apart.norm(dim=1)
        directions = apart / lengths[:, None].clamp(min=torch.finfo(torch.float64).tiny)
        if axes is not None:
            directions = (axes[rows] @ directions[:, :, None])[:, :, 0]
    return Graph(offsets, neighbours, directions, frame=FRAMES[axes is not None], lengths=lengths)


def hops(graph: Graph, source: int, *, enough: int | None = None) -> Tensor:
    """How many edges each node lies from one, int64 `[nodes]`; −1 where no way leads.

    Args:
        source: the node.
        enough: nodes after which none are looked for that lie farther than the last one.
    """
    far = torch.full((graph.nodes,), -1)
    far[source] = 0
    rows, neighbours = graph.rows.cpu(), graph.neighbours.cpu()
    found, distance = 1, 0
    while enough is None or found < enough:
        reached = neighbours[far[rows] == distance]
        reached = reached[far[reached] < 0].unique()
        if not len(reached):
            break
        distance += 1
        far[reached] = distance
        found += len(reached)
    return far


def nearest(graph: Graph, source: int, count: int) -> Tensor:
    """About so many nodes around one, by their distance in edges: bool `[nodes]`.

    The first distance that makes them enough is taken whole; fewer than asked for are found where the part of
    the graph that the node lies in has no more.
    """
    return hops(graph, source, enough=count) >= 0

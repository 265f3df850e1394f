"""Points on a surface of triangles, and what lies there of what its nodes have."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Spots:
    """Points in triangles, at which a mesh is painted.

    Attributes:
        corners: nodes of the triangle that each lies in, int64 `[…, 3]`.
        shares: how near it lies to each of them, its barycentric coordinates, `[…, 3]` of the same shape;
            they add up to 1.
    """

    corners: Tensor
    shares: Tensor

    @classmethod
    def of_nodes(cls, count: int, *, device: torch.device | None = None) -> Spots:
        """The nodes themselves, `[node]`."""
        nodes = torch.arange(count, device=device)[:, None].expand(-1, 3)
        return cls(corners=nodes, shares=torch.tensor([1.0, 0.0, 0.0], device=device).expand(count, 3))

    def between(self, values: Tensor) -> Tensor:
        """Values of nodes, `[batch, channel, node]`, as they are at the points: `[batch, channel, …]`."""
        rows = values.flatten(0, 1).T.contiguous()  # a node's numbers lie beside each other
        corners, shares = self.corners.flatten(0, -2), self.shares.to(values).flatten(0, -2)
        # Corner by corner: a gradient that comes together at a node is much slower of all three at once.
        first, second, third = (rows.index_select(0, corners[:, k]) * shares[:, k, None] for k in range(3))
        seen = (first + second + third).T
        return seen.unflatten(0, values.shape[:2]).unflatten(-1, self.corners.shape[:-1])

    def where(self) -> Tensor:
        """Where the points lie in their triangles: three coordinates in −1…1, `[3, …]`.

        They are the barycentric ones, the greatest first, each by the share of a triangle's area in which it
        is less: where points are spread evenly, so is each of them. Whatever the order of the corners they
        are the same, and on an edge they are those of the triangle beyond it: what is painted of them has no
        seams.

        Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899).
        """
        great, middle, small = self.shares.sort(dim=-1, descending=True).values.unbind(-1)
        below = (
            torch.where(great < 1 / 2, (3 * great - 1).square(), 1 - 3 * (1 - great).square()),
            torch.where(middle < 1 / 3, 6 * middle.square(), 1 - 3 * (1 - 2 * middle).square()),
            1 - (1 - 3 * small).square(),
        )
        return 2 * torch.stack(below) - 1

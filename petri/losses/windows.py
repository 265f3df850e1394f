"""How alike two sequences are in all their windows, wherever these lie: for patterns on rings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest


class WindowLoss:
    """The sliced transport distance between the windows of a ring and those of an exemplar.

    Windows are vectors of 3 · width numbers. Along random directions both sets are sorted, and what is
    returned is the mean squared difference: 0 if they are spread alike, in whatever order they come.

    Args:
        exemplar: RGB, `[3, length]`; it is a ring too.
        width: nodes of a window.
        projections: random directions.

    Source: Heitz et al. 2021, "A sliced Wasserstein loss for neural texture synthesis"; here of windows.
    """

    def __init__(self, exemplar: Tensor, *, width: int = 9, projections: int = 64) -> None:
        if exemplar.ndim != 2 or exemplar.shape[1] < width:
            raise BadRequest(f"an exemplar must be [3, at least {width}], got {list(exemplar.shape)}")
        self.width, self.projections = width, projections
        self.windows = self._windows(exemplar[None])[0]

    def __call__(self, seen: Tensor, chance: torch.Generator) -> Tensor:
        """The distance of each sample.

        Args:
            seen: `[batch, 3, node]`.
            chance: of the directions; of the CPU.

        Returns:
            `[batch]`.
        """
        along = torch.randn(self.projections, len(self.windows), generator=chance).to(seen)
        along = along / along.norm(dim=1, keepdim=True)
        wanted = (along @ self.windows.to(seen)).sort(dim=1).values
        found = (along @ self._windows(seen)).sort(dim=-1).values
        if wanted.shape[-1] != found.shape[-1]:  # the same shares of the whole, of sets of other sizes
            wanted = F.interpolate(wanted[None], found.shape[-1], mode="linear", align_corners=True)[0]
        return (found - wanted).square().mean(dim=(1, 2))

    def _windows(self, rings: Tensor) -> Tensor:
        """All windows of rings `[batch, 3, node]`, `[batch, 3 · width, node]`."""
        around = torch.cat([rings, rings[..., : self.width - 1]], dim=-1)
        return around.unfold(-1, self.width, 1).permute(0, 1, 3, 2).flatten(1, 2)

"""The style loss of textures: how far a picture's features must be moved to be distributed as another's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.losses.vgg import LAYERS, features

LOW_BITS = (1 << 29) - 1  # of a float64 that a float32 leaves empty
PICTURE = "picture"  # the colours themselves, beside the layers
FIRST = (PICTURE, *(name for name in LAYERS if name.endswith("_1")))  # of each block: what trains textures


class TransportLoss:
    """Compares pictures with one exemplar by sliced optimal transport between their features.

    Features of a layer are a cloud of points, one a place. Both clouds are projected on random directions;
    on a line, sorting both is the cheapest way to move one onto the other. Where things lie does not count,
    only how often they are there: this is what makes it a loss of textures.

    Args:
        exemplar: `[3, height, width]`, RGB in 0..1. Its features are computed once and divided by their
            standard deviation.
        layers: what is compared: `picture`, the colours themselves, then names of `petri.losses.vgg.LAYERS`.
        sizes: compared at so many sizes, 1, 1/2, 1/4 …, each with half the weight of the one before: layers
            that see little see large structure in small pictures, but not what alternates from cell to cell.
        projections: random directions a layer.

    Source: Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis"; Niklasson et al.
    2021, "Self-Organising Textures".
    """

    def __init__(
        self, exemplar: Tensor, *, layers: Sequence[str] = FIRST[:4], sizes: int = 3, projections: int = 32
    ) -> None:
        self.layers, self.sizes, self.projections = tuple(layers), sizes, projections
        # Of each cloud; together 1.
        halves = [0.5**size for size in range(sizes) for _ in layers]
        self.weights = [weight / sum(halves) for weight in halves]
        with torch.no_grad():
            clouds = self._clouds(exemplar[None])
        self.clouds = [
            (cloud, cloud.var(dim=1, correction=0).mean().clamp_min(1e-8).sqrt()) for cloud in clouds
        ]

    def __call__(self, rgb: Tensor, chance: torch.Generator) -> Tensor:
        """How far a sample's features must be moved.

        Args:
            rgb: `[batch, 3, height, width]`, of any size that leaves each layer a place; what
                VGG16 sees is bounded to 0..1, the colours themselves are not.
            chance: of the directions, on the CPU; each call draws new ones, the same for the whole batch.

        Returns:
            `[batch]`: the squared distance that a projected point must be moved, over the mean variance of
            the exemplar's features; the mean of points, directions and layers, and the weighted one of sizes.
            0 for the exemplar itself; about 1 for something quite else.
        """
        total = rgb.new_zeros(())
        clouds = self._clouds(rgb)
        for cloud, (wanted, spread), weight in zip(clouds, self.clouds, self.weights, strict=True):
            ways = torch.randn(self.projections, cloud.shape[2], generator=chance)
            ways = (ways / ways.norm(dim=1, keepdim=True)).to(cloud.device) / spread
            there = ordered(projected(wanted, ways)[0])
            total = total + weight * moved(projected(cloud, ways), there)
        return total

    def _clouds(self, rgb: Tensor) -> list[Tensor]:
        """The points of each layer at each size, `[batch, places, channels]`, float32."""
        found = []
        for size in range(self.sizes):
            picture = F.avg_pool2d(rgb, 2**size) if size else rgb
            seen = [picture] * (PICTURE in self.layers)
            if inner := [name for name in self.layers if name != PICTURE]:
                seen += features(picture, inner)
            found += [layer.float().permute(0, 2, 3, 1).flatten(1, 2) for layer in seen]
        return found


def projected(cloud: Tensor, ways: Tensor) -> Tensor:
    """Points on lines: `[batch, line, point]`."""
    return F.linear(cloud, ways).transpose(1, 2).contiguous()


def moved(points: Tensor, there: Tensor) -> Tensor:
    """The mean squared distance between points on lines and where they belong, `[batch]`.

    Args:
        points: `[batch, line, point]`.
        there: `[line, other]`, sorted; of another number of points, the nearest ranks are taken.
    """
    count, others = points.shape[-1], there.shape[-1]
    if count != others:
        ranks = (torch.arange(count, device=there.device) * 2 + 1) * others // (2 * count)
        there = there[:, ranks]
    order = _order(points.detach())
    return (points.gather(-1, order) - there).square().mean(dim=(1, 2))


def _order(values: Tensor) -> Tensor:
    """The indices that sort the last axis.

    On the CPU the index of each value is put into the bits of a float64 that it leaves empty, and NumPy sorts
    those: three times as fast as PyTorch's sort, which carries the indices beside the values.
    """
    if values.device.type != "cpu" or values.shape[-1] > LOW_BITS:
        return values.argsort(dim=-1)
    packed = values.double().view(torch.int64) | torch.arange(values.shape[-1])
    packed.view(torch.float64).numpy().sort(axis=-1)
    return packed & LOW_BITS


def ordered(values: Tensor) -> Tensor:
    """Values, sorted along the last axis; on the CPU in their place."""
    if values.device.type != "cpu":
        return values.sort(dim=-1).values
    values.numpy().sort(axis=-1)
    return values

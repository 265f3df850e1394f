"""The style loss of large pictures: by crops of them, at full, half and quarter size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.losses.transport import FIRST, PICTURE, moved, ordered, projected
from petri.losses.vgg import features
from petri.nca.decoder import Raster

STORED = 4  # times as many places of the exemplar are kept as are looked at in one call
SAMPLED = 2  # samples along a pixel of a smaller size, which is their mean


@dataclass(frozen=True)
class Size:
    """One of the sizes that pictures are compared at.

    Of a smaller one a pixel is the mean of 2 × 2 samples, which at a quarter of the size are every second
    pixel: of the exemplar in the same way, so that what is painted well is the same at every size.
    """

    step: int  # pixels of the picture from sample to sample
    samples: int  # along a pixel of this size
    side: int  # pixels of this size along a crop
    count: int  # crops

    @property
    def places(self) -> int:
        """Pixels of this size that are looked at."""
        return self.count * self.side**2

    def shrink(self, picture: Tensor) -> Tensor:
        """What samples come to, `[…, height, width]`."""
        return picture if self.samples == 1 else F.avg_pool2d(picture, self.samples)


def sizes_of(pixels: int, *, sizes: int, window: int, windows: int) -> list[Size]:
    """How a square picture is looked at.

    Args:
        pixels: along its side.
        sizes: at so many sizes, 1, 1/2, 1/4 …
        window: pixels along a crop, at each of them.
        windows: crops, or the whole of it where that is no more than they are.
    """
    found = []
    for number in range(sizes):
        side, samples = pixels // 2**number, 1 if number == 0 else SAMPLED
        step = 2**number // samples
        whole = side**2 <= windows * window**2
        found.append(Size(step, samples, side, 1) if whole else Size(step, samples, window, windows))
    return found


def places_for(count: int, room: tuple[int, int], chance: torch.Generator) -> list[tuple[int, int]]:
    """Where crops begin, row and column: one in each of so many strips of either."""
    strips = torch.arange(count), torch.randperm(count, generator=chance)
    lines = [
        ((strip + torch.rand(count, generator=chance)) * (side / count)).long().clamp(max=max(0, side - 1))
        for strip, side in zip(strips, room, strict=True)
    ]
    return list(zip(lines[0].tolist(), lines[1].tolist(), strict=True))


def crops_of(pixels: int, size: Size, chance: torch.Generator, device: torch.device) -> list[Raster]:
    """The samples of crops of a painted torus: they may reach over its edges."""
    whole, span = Raster.of(pixels, pixels, device=device), size.side * size.samples
    along = size.step * torch.arange(span, device=device)
    return [
        Raster(rows=whole.rows[(top + along) % pixels], columns=whole.columns[(left + along) % pixels])
        for top, left in places_for(size.count, (pixels, pixels), chance)
    ]


class CropLoss:
    """Compares crops of painted pictures with an exemplar, as `TransportLoss` does whole ones.

    A cloud is made of the features of all crops together; the exemplar's is made of crops of the same size,
    so that their edges count alike. What VGG16 sees are three channels at a time. All channels together are a
    cloud of their own, so that maps of a material lie on each other as they should.

    Args:
        exemplar: `[channel, height, width]` in 0..1.
        sizes: it is compared at, as of `sizes_of`.
        views: the channels of each picture that VGG16 may see, three of them; a call compares one of the
            first `shown` and, if there are more, one of the others.
        shown: how many of the views are pictures in their own right.
        layers, projections: as of `TransportLoss`.

    Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), for the crops at three sizes and for
        pictures of channels of several maps; Heitz et al. 2021 for the distance.
    """

    def __init__(
        self,
        exemplar: Tensor,
        sizes: Sequence[Size],
        *,
        views: Sequence[Sequence[int]] = ((0, 1, 2),),
        shown: int = 1,
        layers: Sequence[str] = FIRST[:4],
        projections: int = 32,
    ) -> None:
        self.sizes, self.views, self.shown, self.projections = tuple(sizes), views, shown, projections
        self.layers = [name for name in layers if name != PICTURE]
        self.weight = 1 / len(self.sizes) / len(layers)  # of each cloud
        self.clouds = [self._known(exemplar, size) for size in sizes]

    @torch.no_grad()
    def _known(self, exemplar: Tensor, size: Size) -> list[list[tuple[Tensor, Tensor]]]:
        """Of the exemplar the cloud of all channels, then those of each view: points and their spread."""
        chance = torch.Generator().manual_seed(0)
        span = size.side * size.samples * size.step
        count = STORED * size.count if min(exemplar.shape[-2:]) > span else 1
        room = exemplar.shape[-2] - span + 1, exemplar.shape[-1] - span + 1
        crops = torch.stack(
            [
                size.shrink(exemplar[:, top : top + span : size.step, left : left + span : size.step])
                for top, left in places_for(count, room, chance)
            ]
        )[None]
        clouds = [[_cloud(crops)]]
        clouds += [self._seen(crops[:, :, list(view)]) for view in self.views]
        return [[(cloud[0], _spread(cloud)) for cloud in part] for part in clouds]

    def _seen(self, crops: Tensor) -> list[Tensor]:
        """The clouds of each layer, of crops `[batch, crop, 3, side, side]`."""
        if not self.layers:
            return []
        found = features(crops.flatten(0, 1), self.layers)
        return [_cloud(layer.unflatten(0, crops.shape[:2])) for layer in found]

    def __call__(self, crops: Sequence[Tensor], chance: torch.Generator) -> Tensor:
        """How far features must be moved.

        Args:
            crops: of each size `[batch, crop, channel, side, side]`.
            chance: of the directions, of the views and of the exemplar's places, on the CPU.

        Returns:
            `[batch]`, as `TransportLoss` has it, but all sizes count alike: what cells make is large here.
        """
        chosen = [_one_of(0, self.shown, chance)]
        if len(self.views) > self.shown:
            chosen.append(_one_of(self.shown, len(self.views), chance))
        total = crops[0].new_zeros(())
        for seen, known in zip(crops, self.clouds, strict=True):
            total = total + self.weight * self._apart([_cloud(seen)], known[0], chance)
            for view in chosen:
                clouds = self._seen(seen[:, :, list(self.views[view])])
                total = total + self.weight / len(chosen) * self._apart(clouds, known[1 + view], chance)
        return total

    def _apart(
        self, clouds: list[Tensor], known: list[tuple[Tensor, Tensor]], chance: torch.Generator
    ) -> Tensor:
        """The sum over layers of how far clouds `[batch, places, channels]` are from the exemplar's."""
        total = clouds[0].new_zeros(()) if clouds else torch.zeros(())
        for cloud, (points, spread) in zip(clouds, known, strict=True):
            if len(points) > cloud.shape[1]:
                some = torch.randperm(len(points), generator=chance)[: cloud.shape[1]]
                points = points[some.to(points.device)]
            ways = torch.randn(self.projections, cloud.shape[2], generator=chance)
            ways = (ways / ways.norm(dim=1, keepdim=True)).to(cloud.device) / spread
            total = total + moved(
                projected(cloud.float(), ways), ordered(projected(points.float()[None], ways)[0])
            )
        return total


def _one_of(first: int, end: int, chance: torch.Generator) -> int:
    return int(torch.randint(first, end, (), generator=chance)) if end - first > 1 else first


def _cloud(crops: Tensor) -> Tensor:
    """The points of crops `[batch, crop, channel, side, side]`: `[batch, place, channel]`."""
    return crops.permute(0, 1, 3, 4, 2).flatten(1, 3)


def _spread(cloud: Tensor) -> Tensor:
    return cloud.float().var(dim=1, correction=0).mean().clamp_min(1e-8).sqrt()


def views_of(places: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The pictures that maps are, by name, three channels each: those of one channel share one.

    Args:
        places: of the maps among the channels, as of `Lppn.places`; none: the channels are RGB.
    """
    if not places:
        return {"colours": (0, 1, 2)}
    views: dict[str, tuple[int, ...]] = {name: place for name, place in places.items() if len(place) == 3}
    if single := {name: place[0] for name, place in places.items() if len(place) == 1}:
        views[", ".join(single)] = tuple((list(single.values()) * 3)[:3])
    return views

"""How a picture repeats itself, as VGG16 sees it: what is to lie in rows lies in rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from petri.losses.transport import FIRST
from petri.losses.vgg import features

LEAST = 1e-6  # of the energy, so that one colour does not divide by nothing


class CorrelationLoss:
    """Compares how alike a picture is to itself, shifted by every distance, with how alike an exemplar is.

    Where things lie does not count, but how far apart they are: bricks come in courses, squares alternate.

    Args:
        exemplar: RGB `[3, height, width]` in 0..1, part of a larger picture: only what is within it is
            compared with itself, while a texture is a torus.
        layers: of VGG16, whose features are compared.

    Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), its loss for structured textures. There the
        exemplar is taken for a torus, too.
    """

    def __init__(self, exemplar: Tensor, *, layers: Sequence[str] = FIRST[1:4]) -> None:
        self.layers = tuple(layers)
        with torch.no_grad():
            found = features(exemplar[None], self.layers)
            self.wanted = [correlation(layer.float(), torus=False) for layer in found]

    def __call__(self, rgb: Tensor) -> Tensor:
        """How far its likeness to itself lies from the exemplar's.

        Args:
            rgb: `[batch, 3, height, width]`, a torus as large as the exemplar.

        Returns:
            `[batch]`, at least 0: the mean absolute difference over all shifts up to half of the side, summed
            over layers.
        """
        total = rgb.new_zeros(())
        for layer, wanted in zip(features(rgb, self.layers), self.wanted, strict=True):
            total = total + (correlation(layer.float()) - wanted).abs().mean(dim=(1, 2))
        return total


def correlation(planes: Tensor, *, torus: bool = True) -> Tensor:
    """How alike planes are to themselves, shifted: 1 where they are the same, 0 where nothing is.

    Args:
        planes: `[batch, channel, height, width]`; all channels count together, without their means.
        torus: what goes over one edge comes in at the other; else only what is within is compared.

    Returns:
        `[batch, down, right]`, for shifts from minus half of the side, at the head, to below half of it; 0
        where there is no shift, which says nothing.
    """
    height, width = planes.shape[-2:]
    planes = planes - planes.mean(dim=(2, 3), keepdim=True)
    room = (height, width) if torus else (2 * height, 2 * width)
    energy = torch.fft.rfft2(planes, s=room).abs().square().sum(dim=1)
    found = torch.fft.irfft2(energy, s=room)
    if not torus:
        within = torch.fft.irfft2(
            torch.fft.rfft2(planes.new_ones(height, width), s=room).abs().square(), s=room
        )
        found = found / within.clamp_min(0.5) * (height * width)
    found = found / found[:, :1, :1].clamp_min(LEAST)
    shown = torch.ones_like(found[0])
    shown[0, 0] = 0
    found = (found * shown).roll((height // 2, width // 2), dims=(1, 2))
    return found[:, :height, :width]

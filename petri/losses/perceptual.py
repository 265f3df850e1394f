"""The perceptual loss: how far a picture's features lie from the target's, as VGG16 sees them.

The weights beside this file are the first three blocks of VGG16 (Simonyan and Zisserman, Visual Geometry
Group, University of Oxford; CC BY 4.0), in half precision.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from petri.engine import multiplies_bfloat16

WEIGHTS = Path(__file__).with_name("vgg16.safetensors")
BLOCKS = (2, 2, 3)  # convolutions of each; a block's features are those of its last, after the ReLU
MEAN = (123.68, 116.779, 103.939)  # of ImageNet, RGB, in 0..255


class PerceptualLoss:
    """Compares pictures with one target.

    Args:
        target: `[3 or more, height, width]`, RGB first, in 0..1, 16 cells a side or more.

    Source: Johnson et al. 2016; Simonyan and Zisserman 2015; the report, "Perceptual loss".
    """

    def __init__(self, target: Tensor) -> None:
        self.features = [block.float() for block in _features(target[None, :3])]
        self.energies = [block.square().mean() for block in self.features]

    def __call__(self, state: Tensor) -> Tensor:
        """How far a sample's features lie from the target's, as a share of the target's own.

        Args:
            state: `[batch, channel, height, width]`, RGB first; values outside 0..1 count as 0 or 1.

        Returns:
            `[batch]`: squared distance over the squared size of the target's features, mean of the three
            blocks; 0 for the target itself, about 1 for something quite else.
        """
        total = state.new_zeros(())
        for block, wanted, energy in zip(_features(state[:, :3]), self.features, self.energies, strict=True):
            total = total + (block.float() - wanted).square().mean(dim=(1, 2, 3)) / energy
        return total / len(BLOCKS)


def _features(rgb: Tensor) -> list[Tensor]:
    """Of each block; `[batch, 64 · 2^block, height / 2^block, width / 2^block]`."""
    weights = _weights(rgb.device)
    features = 255 * rgb.clamp(0, 1) - rgb.new_tensor(MEAN).view(3, 1, 1)
    found: list[Tensor] = []
    features = features.contiguous(memory_format=torch.channels_last)
    device = rgb.device.type
    with torch.autocast(device, torch.bfloat16, enabled=multiplies_bfloat16(device)):
        for block, convolutions in enumerate(BLOCKS, 1):
            if found:
                features = F.max_pool2d(features, 2)
            for number in range(1, convolutions + 1):
                name = f"conv{block}_{number}"
                kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
                features = F.conv2d(features, kernel, bias, padding=1).relu()
            found.append(features)
    return found


@cache
def _weights(device: torch.device) -> dict[str, Tensor]:
    return {
        name: tensor.float().to(device).contiguous(memory_format=torch.channels_last)
        if tensor.ndim == 4
        else tensor.float().to(device)
        for name, tensor in load_file(WEIGHTS).items()
    }

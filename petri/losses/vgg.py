"""VGG16's convolutions, frozen: what the perceptual and the transport loss see pictures through.

The weights beside this file are its first three blocks (Simonyan and Zisserman, Visual Geometry Group,
University of Oxford; CC BY 4.0), in half precision; `petri.datasets.vgg16` has the other two, if they were
fetched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from petri.datasets import vgg16
from petri.datasets.files import default_root
from petri.engine import multiplies_bfloat16
from petri.errors import BadRequest

WEIGHTS = Path(__file__).with_name("vgg16.safetensors")  # blocks 1 to 3
BLOCKS = (2, 2, 3, 3, 3)  # convolutions of each
WIDTHS = (64, 128, 256, 512, 512)  # channels of each
SHIPPED = 3
MEAN = (123.68, 116.779, 103.939)  # of ImageNet, RGB, in 0..255
LAYERS = tuple(
    f"relu{block}_{number}" for block, count in enumerate(BLOCKS, 1) for number in range(1, count + 1)
)


def features(rgb: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """What VGG16 makes of pictures, after the ReLU of some of its convolutions.

    Args:
        rgb: `[batch, 3, height, width]`; values outside 0..1 count as 0 or 1. At least 2^(blocks - 1) a side.
        layers: names of `LAYERS`, in their order.

    Returns:
        One a layer, `[batch, WIDTHS[block - 1], height / 2^(block - 1), width / 2^(block - 1)]`; bfloat16
        where the hardware multiplies it, else float32.

    Raises:
        BadRequest: the weights of one of the blocks are not here, or damaged.

    Source: Simonyan and Zisserman 2015.
    """
    last = LAYERS.index(layers[-1])
    dtype = torch.bfloat16 if multiplies_bfloat16(rgb.device.type) else torch.float32
    weights = _weights(rgb.device, dtype, block_of(layers[-1]))
    x = 255 * rgb.clamp(0, 1) - rgb.new_tensor(MEAN).view(3, 1, 1)
    x = x.to(dtype).contiguous(memory_format=torch.channels_last)
    found = []
    for name in LAYERS[: last + 1]:
        if name.endswith("_1") and name != LAYERS[0]:
            x = F.max_pool2d(x, 2)
        kernel, bias = weights[name]
        x = F.conv2d(x, kernel, bias, padding=1).relu_()
        if name in layers:
            found.append(x)
    return found


def block_of(layer: str) -> int:
    """The block of a layer, from 1."""
    return int(layer[len("relu")])


def check_blocks(blocks: int) -> None:
    """Refuse blocks whose weights are not here.

    Raises:
        BadRequest: they are not, or they are damaged.
    """
    if blocks > SHIPPED and vgg16.read(default_root()) is None:
        raise BadRequest(
            f"{blocks} blocks of VGG16 are asked for, petri ships {SHIPPED}: petri data fetch {vgg16.NAME}, "
            f"or --set loss.blocks={SHIPPED}"
        )


@cache
def _weights(device: torch.device, dtype: torch.dtype, blocks: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Kernel and bias of each layer of the first blocks."""
    check_blocks(blocks)
    kept = load_file(WEIGHTS) | ((vgg16.read(default_root()) or {}) if blocks > SHIPPED else {})
    found = {name: tensor.float().to(device, dtype) for name, tensor in kept.items()}
    return {
        layer: (
            found[f"{conv}.weight"].contiguous(memory_format=torch.channels_last),
            found[f"{conv}.bias"],
        )
        for layer in LAYERS
        if (conv := re.sub("^relu", "conv", layer)) and f"{conv}.weight" in found
    }

"""Pictures that a classifier's file carries, so that whoever has the file can see it at work."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import torch
from torch import Tensor


def to_fields(images: Tensor) -> dict[str, Any]:
    """As plain values, for a model file's account of its training.

    Args:
        images: uint8 `[n, plane, height, width]`.
    """
    _, planes, height, width = images.shape
    pixels = images.contiguous().cpu().numpy()
    each = [base64.b64encode(one.tobytes()).decode() for one in pixels]
    return {"planes": planes, "height": height, "width": width, "pixels": each}


def read(fields: Any, planes: int) -> Tensor | None:
    """What `to_fields` wrote, float32 `[n, plane, height, width]` in 0..1; None if it is nothing such."""
    if not isinstance(fields, dict):
        return None
    try:
        shape = tuple(int(fields[name]) for name in ("planes", "height", "width"))
        content = [base64.b64decode(one, validate=True) for one in fields["pixels"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    size = shape[0] * shape[1] * shape[2]
    if not content or shape[0] != planes or min(shape) < 1 or any(len(one) != size for one in content):
        return None
    pixels = torch.frombuffer(bytearray(b"".join(content)), dtype=torch.uint8)
    return pixels.reshape(len(content), *shape).float() / 255

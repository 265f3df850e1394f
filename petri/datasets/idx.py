"""The idx format: a header, then bytes."""

from __future__ import annotations

import numpy as np

from petri.errors import BadRequest


def parse(content: bytes) -> np.ndarray:
    """Read an idx file of unsigned bytes.

    Args:
        content: two zero bytes, the type 8, the number of dimensions, each dimension as a big-endian
            32-bit integer, then the values.

    Returns:
        uint8 array; it shares `content`'s memory and cannot be written.

    Raises:
        BadRequest: not such a file, or cut off.
    """
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 4:
        raise BadRequest("is not an idx file of bytes")
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise BadRequest(f"is cut off: an idx file of {shape} has {expected:,} bytes, this {len(content):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

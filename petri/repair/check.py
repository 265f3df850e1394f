"""What is wrong with a safetensors file, without trusting it: its header, its tensors' places, their numbers.

The format: 8 bytes, little-endian, the length of a JSON header; the header; the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from petri.errors import BadRequest

LONGEST = 100_000_000  # bytes of a header, the format's own bound
# Of each type: bytes an element; those that have numbers worth looking at have torch's type.
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
USUAL = 0.99  # quantile of the magnitudes that a tensor's large ones are held against
BEYOND = 64  # times that: an exponent with a bit flipped, or a number that is meant to be large
SAMPLE = 1_000_000  # numbers that the quantile is taken of


@dataclass(frozen=True)
class Fault:
    """Something that is wrong."""

    tensor: str  # empty: the file itself
    said: str
    certain: bool = True  # False: it may be meant


@dataclass(frozen=True)
class Checked:
    """What was found in a file."""

    tensors: int
    numbers: int  # floating point, that were looked at
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is certainly wrong."""
        return not any(fault.certain for fault in self.faults)


def check(path: Path) -> Checked:
    """Look at a whole file.

    Raises:
        BadRequest: it is not there, or empty, or no safetensors file at all.
    """
    if not path.is_file():
        raise BadRequest(f"there is no file {path}")
    size = path.stat().st_size
    if not size:
        raise BadRequest(f"{path} is empty")
    header, begin = _header(path, size)
    faults: list[Fault] = []
    places: dict[str, tuple[int, int]] = {}
    numbers = 0
    content = np.memmap(path, dtype=np.uint8, mode="r")
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        said, place = _place(entry, size - begin)
        if said:
            faults.append(Fault(name, said))
        if place is None:
            continue
        places[name] = place
        if not said and entry["dtype"] in FLOATS and place[1] > place[0]:
            values = content[begin + place[0] : begin + place[1]]
            tensor = torch.from_numpy(values.copy()).view(FLOATS[entry["dtype"]])
            numbers += tensor.numel()
            faults += _numbers(name, tensor)
    faults += _order(places, size - begin)
    return Checked(len(header) - ("__metadata__" in header), numbers, tuple(faults))


def _header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors begin."""
    wrong = f"{path} is not a safetensors file: "
    if size < 8:
        raise BadRequest(f"{wrong}it has {size} bytes, the length of the header alone takes 8")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(LONGEST, size - 8):
            raise BadRequest(f"{wrong}its header would be {length:,} bytes long, the file has {size:,}")
        text = file.read(length)
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in found]
        twice.extend(name for name in set(names) if names.count(name) > 1)
        return dict(found)

    try:
        header = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{wrong}its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise BadRequest(f"{wrong}its header must be a JSON object, is {type(header).__name__}")
    if twice:
        raise BadRequest(f"{wrong}its header names {twice[0]!r} twice")
    return header, 8 + length


def _place(entry: Any, room: int) -> tuple[str, tuple[int, int] | None]:
    """What is wrong with a tensor's entry, and the bytes that it says are its own, if it says so."""
    try:
        kind, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        return "its entry lacks a type, a shape or its place", None
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in (first, last)):
        return f"its place must be two numbers, is {entry['data_offsets']}", None
    if not isinstance(shape, list) or not all(isinstance(edge, int) and edge >= 0 for edge in shape):
        return f"its shape must be whole numbers, is {shape}", (first, last)
    if last < first:
        return f"it ends at byte {last:,}, before it begins at {first:,}", None
    if last > room:
        lost = last - max(first, room)
        return f"truncated: the last {lost:,} of its {last - first:,} bytes are not in the file", (
            first,
            last,
        )
    if kind in BYTES and math.prod(shape) * BYTES[kind] != last - first:
        wanted = math.prod(shape) * BYTES[kind]
        return f"{kind} {shape} takes {wanted:,} bytes, it has {last - first:,}", (first, last)
    return "", (first, last)


def _numbers(name: str, tensor: torch.Tensor) -> list[Fault]:
    """What is wrong with the numbers of a tensor."""
    found = []
    finite = tensor.isfinite()
    for what, where in (("NaN", tensor.isnan()), ("infinite", tensor.isinf())):
        if count := int(where.sum()):
            found.append(Fault(name, f"{count:,} of {len(tensor):,} numbers are {what}"))
    size = tensor[finite].abs().double()
    usual = float(size[:: max(1, len(size) // SAMPLE)].quantile(USUAL)) if len(size) else 0.0
    if usual and (count := int((size > BEYOND * usual).sum())):
        largest = float(size.max())
        found.append(
            Fault(
                name,
                f"{count:,} of {len(tensor):,} numbers are more than {BEYOND} times as large as "
                f"{100 * USUAL:.0f} % of them; the largest is {largest:.3g}",
                certain=False,
            )
        )
    return found


def _order(places: dict[str, tuple[int, int]], room: int) -> list[Fault]:
    """Tensors that overlap, and bytes that belong to none."""
    found, end, owner = [], 0, ""
    for name, (first, last) in sorted(places.items(), key=lambda item: item[1]):
        if first < end and last > first:
            found.append(
                Fault(name, f"overlaps with {owner!r}: {min(end, last) - first:,} bytes are of both")
            )
        elif first > end:
            found.append(Fault("", f"{first - end:,} bytes before {name!r} belong to no tensor"))
        if last > end:
            end, owner = last, name
    if end < room:
        found.append(Fault("", f"{room - end:,} bytes at the end belong to no tensor"))
    return found

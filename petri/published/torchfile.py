"""Tensors of a file that `torch.save` wrote, in either of its formats, without unpickling anything."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.published import content, pickled
from petri.published.pickled import Stored

LARGEST = 1 << 26  # bytes of a file; one of an automaton has 25 thousand, a checkpoint some times more
LARGEST_PICKLE = 1 << 20
ZIP = b"PK\x03\x04"  # with which a zip file begins
MAGIC = 0x1950A86A20F9469CFC6C  # with which a legacy file begins
DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
}
# Their numbers are passed over.
OTHERS = {"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1}
OTHERS["BoolStorage"] = 1


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of floating-point numbers by the names that lead to them, in the file's order.

    Raises:
        BadRequest: there is no such file, or it asks for anything but tensors; the message says what.
    """
    data = content.read(path, most=LARGEST)
    root, storages = _zipped(data) if data.startswith(ZIP) else _legacy(data)
    found, held = {}, 0
    for name, stored in pickled.tensors(root):
        if stored.storage.kind in DTYPES:
            found[name] = _strided(name, stored, storages)
            held += math.prod(stored.size) * DTYPES[stored.storage.kind].itemsize
            if held > LARGEST:  # many can share one storage
                raise BadRequest(f"its tensors have more than {LARGEST} bytes, though the file has not")
    return found


def _zipped(data: bytes) -> tuple[object, dict[str, bytearray]]:
    """The value that is pickled and the storages by key, of a file since PyTorch 1.6."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            main = [name for name in entries if name.endswith("data.pkl") and name.count("/") <= 1]
            if len(main) != 1:
                raise BadRequest("is a zip file, but not of torch.save: it has no data.pkl")
            prefix = main[0].removesuffix("data.pkl")

            def stored(name: str) -> bytes:
                entry = entries[name]
                # What torch.save writes is as long packed as unpacked, so nothing can grow on being read.
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                    raise BadRequest(f"{name} is compressed, which torch.save does not do")
                return archive.read(entry)

            if prefix + "byteorder" in entries and stored(prefix + "byteorder") != b"little":
                raise BadRequest("was written on a machine of the other byte order")
            if entries[main[0]].file_size > LARGEST_PICKLE:
                raise BadRequest(f"its pickle has more than {LARGEST_PICKLE} bytes")
            root = pickled.load(stored(main[0]))
            storages = {}
            for _, tensor in pickled.tensors(root):
                key, name = tensor.storage.key, f"{prefix}data/{tensor.storage.key}"
                if name not in entries:
                    raise BadRequest(f"lacks the numbers {name}")
                if key not in storages:
                    storages[key] = bytearray(stored(name))
            return root, storages
    except BadRequest:
        raise
    except Exception as error:  # a damaged archive brings zipfile to errors of many kinds
        raise BadRequest(f"its zip archive is damaged: {error}") from None


def _legacy(data: bytes) -> tuple[object, dict[str, bytearray]]:
    """The same of a file before PyTorch 1.6: five pickles, then the storages in the order of their keys."""
    file = io.BytesIO(data)
    try:
        if pickled.load(file) != MAGIC:
            raise BadRequest("")
    except BadRequest:
        raise BadRequest("was not written by torch.save") from None
    pickled.load(file)  # the version
    system = pickled.load(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise BadRequest("was written on a machine of the other byte order")
    root = pickled.load(file)
    keys = pickled.load(file)
    kinds = {tensor.storage.key: tensor.storage for _, tensor in pickled.tensors(root)}
    storages = {}
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in kinds:
            raise BadRequest("has numbers that belong to no tensor")
        kind = kinds[key].kind
        width = DTYPES[kind].itemsize if kind in DTYPES else OTHERS.get(kind)
        if width is None:
            raise BadRequest(f"has numbers of an unknown kind, {kind!r:.40}")
        count = int.from_bytes(file.read(8), "little")
        if count > len(data):
            raise BadRequest(f"has {count} numbers in {key!r:.40}, which are more than the file has bytes")
        storages[key] = bytearray(file.read(count * width))
    return root, storages


def _strided(name: str, stored: Stored, storages: dict[str, bytearray]) -> Tensor:
    """A tensor, float32 or finer."""
    dtype = DTYPES[stored.storage.kind]
    content, length = storages.get(stored.storage.key, bytearray()), stored.storage.count * dtype.itemsize
    if len(content) < length:
        raise BadRequest(f"{name} has {len(content)} bytes instead of {length}: the file is cut short")
    last = stored.offset + sum(
        (size - 1) * stride for size, stride in zip(stored.size, stored.stride, strict=True)
    )
    count = math.prod(stored.size)
    # Strides of 0 would make a few numbers as many as one likes.
    if not 0 < count <= stored.storage.count or last >= stored.storage.count:
        raise BadRequest(f"{name} must be within its {stored.storage.count} numbers, got {stored.size!r:.60}")
    flat = torch.frombuffer(content, dtype=dtype, count=stored.storage.count)
    values = flat.as_strided(stored.size, stored.stride, stored.offset)
    return values.to(torch.promote_types(dtype, torch.float32)).clone()

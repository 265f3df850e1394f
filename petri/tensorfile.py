"""Named tensors and a few words about them in a safetensors file. Reading one executes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from petri.errors import BadRequest


def to_bytes(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """What such a file holds; the same for the same tensors and metadata."""
    content = save(tensors, metadata)  # with its header in random order
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors stay aligned
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


@contextmanager
def opened(path: Path) -> Iterator[safe_open]:
    """A file as `safe_open` gives it, which takes no path that is not UTF-8.

    Raises:
        SafetensorError, OSError: it is no such file, or not to be read.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as there, safe_open(f"/dev/fd/{there.fileno()}", framework="pt") as file:
            yield file
    else:
        with safe_open(path, framework="pt") as file:
            yield file


def read(path: Path, kind: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file.

    Args:
        path: of the file.
        kind: what it is to be, for messages: "model file", "checkpoint".

    Raises:
        BadRequest: it is not there, or not such a file.
    """
    if not path.is_file():
        raise BadRequest(f"there is no {kind} {path}")
    if not path.stat().st_size:
        raise BadRequest(f"{path} is not a {kind}: it is empty")
    try:
        with opened(path) as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadRequest(f"{path} is not a {kind}: {error}") from None

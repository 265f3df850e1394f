"""What a published file holds, no more of it than such a file can have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from petri.errors import BadRequest
from petri.files import check_plain

LARGEST = 1 << 20  # bytes of one model; the published ones have 11 to 50 thousand
HEXAGONS = {"w1", "b1", "w2"}  # the names in the file of isotropic automata


def read(path: Path, *, most: int = LARGEST) -> bytes:
    """The bytes of a file.

    Raises:
        BadRequest: there is none, it cannot be read, or it has more than `most` bytes.
    """
    if path.exists() and not path.is_dir():
        check_plain(path)
    if not path.is_file():
        raise BadRequest("there is no such file")
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise BadRequest(f"cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise BadRequest(f"a published model has at most {most} bytes, this file has more")
    return content


def read_json(path: Path, *, most: int = LARGEST) -> Any:
    """The value of a JSON file.

    Raises:
        BadRequest: as `read`; or it is not JSON, or an automaton on hexagons, which petri has no grid for.
    """
    content = read(path, most=most)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"is not JSON: {error}") from None
    if isinstance(value, dict) and value.keys() >= HEXAGONS:
        raise BadRequest("is an isotropic automaton on a grid of hexagons, which petri does not have")
    return value

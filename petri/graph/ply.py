"""PLY files, as text and binary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from petri.errors import BadRequest
from petri.graph.mesh import MOST_FACES, MOST_VERTICES, Surface, check_triangles, fans

# Names of PLY's kinds of numbers, old and new.
NUMBERS = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
AXES, TINTS, CORNERS = ("x", "y", "z"), ("red", "green", "blue"), ("vertex_indices", "vertex_index")


class _Element:
    """One element of a PLY file: how many, and what each has."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.fields: list[tuple[str, str, str]] = []  # a name, a number's kind, and of a list its length's

    def add(self, name: str, kind: str, length: str = "") -> None:
        """Take in one more property.

        Raises:
            ValueError: it stands twice, is a list whose length is no whole number, is no list of whole
                numbers where one belongs, or a list where none does.
        """
        twice = any(name == other for other, _, _ in self.fields)
        if self.name == "vertex" and name in AXES + TINTS:
            fits = not length
        elif self.name == "face" and name in CORNERS:
            fits = bool(length) and not kind.startswith("f")
        else:
            fits = True
        if twice or not fits or length.startswith("f"):
            raise ValueError
        self.fields.append((name, kind, length))


def surface_of_ply(data: bytes) -> Surface:
    """The surface in the bytes of a PLY file.

    Raises:
        BadRequest: it is none, or damaged.
    """
    order, elements, body = _header(data)
    found = dict(_text(body, elements) if not order else _binary(body, elements, order))
    if "vertex" not in found or "face" not in found:
        raise BadRequest("a mesh needs faces, this PLY file has no elements vertex and face")
    vertices = found["vertex"]
    if any(axis not in vertices for axis in AXES):
        raise BadRequest("the vertices of this PLY file have no x, y and z")
    corners = next((found["face"][name] for name in CORNERS if name in found["face"]), None)
    if corners is None:
        raise BadRequest("the faces of this PLY file have no vertex_indices")
    if isinstance(corners, np.ndarray) and corners.ndim == 2 and corners.shape[1] >= 3:  # all of one size
        check_triangles(len(corners) * (corners.shape[1] - 2))
        second = np.arange(1, corners.shape[1] - 1)
        faces = corners[:, np.stack([0 * second, second, second + 1], axis=1)].reshape(-1, 3)
    else:
        faces = fans([list(face) for face in corners])
    colours = None
    if all(name in vertices for name in TINTS):
        colours = np.stack([vertices[name] for name in TINTS], axis=1)
        if colours.dtype.kind in "iu":
            colours = colours / np.iinfo(colours.dtype).max
    return Surface(np.stack([vertices[axis] for axis in AXES], axis=1), faces, colours)


def _header(data: bytes) -> tuple[str, list[_Element], bytes]:
    """The byte order (empty: text), the elements, and what lies behind the header."""
    head, mark, _ = data[:65_536].partition(b"end_header")
    if not data.startswith(b"ply") or not mark:
        raise BadRequest("it is no PLY file")
    end = len(head) + len(mark)
    end += 2 if data[end : end + 2] == b"\r\n" else 1
    order, elements = None, []
    for line in head.decode("latin-1").splitlines()[1:]:
        words = line.split()
        try:
            if not words or words[0] in ("comment", "obj_info"):
                continue
            if words[0] == "format":
                order = ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(_Element(words[1], int(words[2])))
            elif words[0] == "property" and words[1] == "list":
                elements[-1].add(words[4], NUMBERS[words[3]], NUMBERS[words[2]])
            elif words[0] == "property":
                elements[-1].add(words[2], NUMBERS[words[1]])
            else:
                raise KeyError
        except (KeyError, IndexError, ValueError):
            raise BadRequest(f"its PLY header has a line that is none: {line[:40]!r}") from None
    for element in elements:
        if not 0 <= element.count <= (MOST_FACES if element.name == "face" else MOST_VERTICES):
            raise BadRequest(
                f"a mesh may have {MOST_VERTICES:,} vertices and {MOST_FACES:,} faces, this one says "
                f"{element.count:,} of {element.name}: thin it out first"
            )
    if order is None:
        raise BadRequest("its PLY header does not say its format")
    return order, elements, data[end:]


def _text(body: bytes, elements: list[_Element]) -> Iterator[tuple[str, dict]]:
    words = iter(body.split())
    for element in elements:
        columns: dict[str, list] = {name: [] for name, _, _ in element.fields}
        try:
            for _ in range(element.count):
                for name, kind, length in element.fields:
                    one = float if kind[0] == "f" else int
                    if length:
                        count = int(next(words))
                        columns[name].append([one(next(words)) for _ in range(count)])
                    else:
                        columns[name].append(one(next(words)))
        except StopIteration:
            raise BadRequest(f"it ends among its {element.count:,} of {element.name}") from None
        except ValueError as error:
            raise BadRequest(f"its {element.name} has a word that is no number: {error}") from None
        kinds = {name: (kind, length) for name, kind, length in element.fields}
        try:
            yield (
                element.name,
                {
                    name: column if kinds[name][1] else np.array(column, kinds[name][0])
                    for name, column in columns.items()
                },
            )
        except OverflowError:
            raise BadRequest(f"its {element.name} has a number beyond its kind") from None


def _binary(body: bytes, elements: list[_Element], order: str) -> Iterator[tuple[str, dict]]:
    at = 0
    for element in elements:
        if not element.count:
            yield element.name, {name: np.zeros(0, kind) for name, kind, _ in element.fields}
            continue
        short = BadRequest(f"it ends among its {element.count:,} of {element.name}")
        # Lists are nearly always of one length, the first one's: then they are a table.
        row: list[Any] = []
        place = at
        for name, kind, length in element.fields:
            if not length:
                row.append((name, order + kind))
                place += np.dtype(kind).itemsize
                continue
            count = int(_number(body, place, order + length, short))
            if count < 0 or count * element.count > 4 * MOST_FACES:
                raise BadRequest(f"its {element.name} has a list of {count:,}")
            row += [(name + " length", order + length), (name, order + kind, (count,))]
            place += np.dtype(length).itemsize + count * np.dtype(kind).itemsize
        table = np.dtype(row)
        if len(body) - at >= element.count * table.itemsize:
            found = np.frombuffer(body, table, element.count, at)
            if all(
                (found[name + " length"] == found[name].shape[1]).all()
                for name, _, length in element.fields
                if length
            ):
                at += element.count * table.itemsize
                yield element.name, {name: found[name] for name in table.names or ()}
                continue
        columns: dict[str, list] = {name: [] for name, _, _ in element.fields}
        for _ in range(element.count):
            for name, kind, length in element.fields:
                if not length:
                    columns[name].append(_number(body, at, order + kind, short))
                    at += np.dtype(kind).itemsize
                    continue
                count = int(_number(body, at, order + length, short))
                at += np.dtype(length).itemsize
                end = at + count * np.dtype(kind).itemsize
                if count < 0 or end > len(body):
                    raise short
                columns[name].append(np.frombuffer(body, order + kind, count, at))
                at = end
        yield (
            element.name,
            {
                name: columns[name] if length else np.array(columns[name], kind)
                for name, kind, length in element.fields
            },
        )


def _number(body: bytes, at: int, kind: str, short: BadRequest) -> int | float:
    if at + np.dtype(kind).itemsize > len(body):
        raise short
    return np.frombuffer(body, kind, 1, at)[0].item()

"""Mesh files: OBJ and PLY read here, others by trimesh, an extra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from petri.errors import BadRequest
from petri.graph.mesh import MOST_FACES, MOST_VERTICES, Surface
from petri.graph.objects import surface_of

OTHERS = (".stl", ".glb", ".gltf", ".off", ".3mf")
ENDINGS = (".obj", ".ply", *OTHERS)
LINEAR = (".glb", ".gltf")  # whose colours are not as a screen shows them
MOST_BYTES = 512_000_000
# Names of PLY's kinds of numbers, old and new.
NUMBERS = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}


def read(path: str | Path) -> Surface:
    """Read a mesh: its vertices, triangles, colours of vertices and places in a picture (of PLY none).

    Faces of more corners become fans.

    Raises:
        BadRequest: not there, of an ending that is not read, or damaged; the message names the file.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise BadRequest(f"a mesh file ends in one of {' '.join(ENDINGS)}, got {path.name!r}")
    try:
        size = os.path.getsize(path)
        if size > MOST_BYTES:
            raise BadRequest(f"a mesh file may have {MOST_BYTES:,} bytes, it has {size:,}: thin it out first")
        if ending in OTHERS:
            return _by_trimesh(path)
        data = path.read_bytes()
        return _obj(data) if ending == ".obj" else _ply(data)
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}") from None
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def _by_trimesh(path: Path) -> Surface:
    try:
        import trimesh
    except ImportError:
        raise BadRequest(
            f'{path.suffix} files need an extra: pip install "petri-nca[mesh]"; .obj and .ply do not'
        ) from None
    try:
        found = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # of any kind, whatever the file's format is
        raise BadRequest(f"it is no mesh that trimesh can read: {error}") from None
    surface = surface_of(found)
    if surface.colours is None or path.suffix.lower() not in LINEAR:
        return surface
    linear = surface.colours
    return surface.coloured(
        np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    )


def _obj(data: bytes) -> Surface:
    vertices: list[list[float]] = []
    corners: list[list[int]] = []
    places: list[list[float]] = []
    mapped: list[list[int]] = []  # of each face the places of its corners, as long as all have one
    for number, line in enumerate(data.splitlines(), 1):
        words = line.split()
        if not words or words[0] not in (b"v", b"vt", b"f"):
            continue
        try:
            if words[0] == b"vt":
                places.append([float(word) for word in words[1:3]])
                if len(places[-1]) < 2:
                    raise ValueError
            elif words[0] == b"v":
                vertices.append([float(word) for word in words[1:]])
                if len(vertices[-1]) < 3:
                    raise ValueError
            else:
                face = [int(word.split(b"/", 1)[0]) for word in words[1:]]
                # They are counted from 1, and backwards from the last one so far.
                corners.append([at - 1 if at > 0 else len(vertices) + at for at in face])
                if len(face) < 3 or 0 in face:
                    raise ValueError
                if places and all(word.count(b"/") and word.split(b"/")[1] for word in words[1:]):
                    there = [int(word.split(b"/")[1]) for word in words[1:]]
                    mapped.append([at - 1 if at > 0 else len(places) + at for at in there])
        except ValueError:
            said = line[:40].decode("utf-8", "replace")
            raise BadRequest(f"line {number} is no vertex or face of an OBJ file: {said!r}") from None
        if len(vertices) > MOST_VERTICES or len(places) > 4 * MOST_VERTICES or len(corners) > MOST_FACES:
            raise BadRequest(
                f"a mesh may have {MOST_VERTICES:,} vertices and {MOST_FACES:,} faces, this one has more: "
                "thin it out first"
            )
    if not vertices:
        raise BadRequest("it is no OBJ file with vertices")
    # Colours stand behind the place in what many programs write.
    coloured = all(len(vertex) >= 6 for vertex in vertices)
    table = np.array([vertex[: 6 if coloured else 3] for vertex in vertices])
    faces, uv = _fans(corners), None
    if mapped and len(mapped) == len(corners):
        which = _fans(mapped)
        if which.min() < 0 or which.max() >= len(places):
            raise BadRequest(f"a face's corners must be among the file's {len(places):,} places (vt)")
        uv = np.array(places)[which]
    return Surface(table[:, :3], faces, table[:, 3:] if coloured else None, uv)


def _fans(faces: list[list[int]]) -> np.ndarray:
    """Faces of any number of corners as triangles, int64 `[triangles, 3]`."""
    triangles = [(face[0], face[at], face[at + 1]) for face in faces for at in range(1, len(face) - 1)]
    return np.array(triangles, np.int64).reshape(-1, 3)


class _Element:
    """One element of a PLY file: how many, and what each has."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.fields: list[tuple[str, str, str]] = []  # a name, a number's kind, and of a list its length's


def _ply(data: bytes) -> Surface:
    order, elements, body = _header(data)
    found = dict(_text(body, elements) if not order else _binary(body, elements, order))
    if "vertex" not in found or "face" not in found:
        raise BadRequest("a mesh needs faces, this PLY file has no elements vertex and face")
    vertices = found["vertex"]
    if any(axis not in vertices for axis in "xyz"):
        raise BadRequest("the vertices of this PLY file have no x, y and z")
    corners = found["face"].get("vertex_indices", found["face"].get("vertex_index"))
    if corners is None:
        raise BadRequest("the faces of this PLY file have no vertex_indices")
    if isinstance(corners, np.ndarray) and corners.ndim == 2 and corners.shape[1] >= 3:  # all of one size
        width = corners.shape[1]
        fans = [corners[:, [0, at, at + 1]] for at in range(1, width - 1)]
        faces = np.stack(fans, axis=1).reshape(-1, 3)
    else:
        faces = _fans([list(face) for face in corners])
    colours = None
    if all(name in vertices for name in ("red", "green", "blue")):
        colours = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
        if colours.dtype.kind in "iu":
            colours = colours / np.iinfo(colours.dtype).max
    return Surface(np.stack([vertices[axis] for axis in "xyz"], axis=1), faces, colours)


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
                elements[-1].fields.append((words[4], NUMBERS[words[3]], NUMBERS[words[2]]))
            elif words[0] == "property":
                elements[-1].fields.append((words[2], NUMBERS[words[1]], ""))
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
        short = BadRequest(f"it ends among its {element.count:,} of {element.name}")
        # Lists are nearly always of one length, the first one's: then they are a table.
        row: list[Any] = []
        place = at
        for name, kind, length in element.fields:
            if not length:
                row.append((name, order + kind))
                place += np.dtype(kind).itemsize
                continue
            if not element.count:
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
                if length and element.count
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

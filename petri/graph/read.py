"""Mesh files: OBJ and PLY read here, others by trimesh, an extra."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from petri.errors import BadRequest
from petri.graph.mesh import MOST_FACES, MOST_VERTICES, Surface, fans
from petri.graph.objects import surface_of
from petri.graph.ply import surface_of_ply

OTHERS = (".stl", ".glb", ".gltf", ".off", ".3mf")
ENDINGS = (".obj", ".ply", *OTHERS)
LINEAR = (".glb", ".gltf")  # whose colours are not as a screen shows them
MOST_BYTES = 512_000_000


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
        return _obj(data) if ending == ".obj" else surface_of_ply(data)
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
    faces, uv = fans(corners), None
    if mapped and len(mapped) == len(corners):
        which = fans(mapped)
        if which.min() < 0 or which.max() >= len(places):
            raise BadRequest(f"a face's corners must be among the file's {len(places):,} places (vt)")
        uv = np.array(places)[which]
    return Surface(table[:, :3], faces, table[:, 3:] if coloured else None, uv)

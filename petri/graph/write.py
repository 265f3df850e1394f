"""Mesh files with colours of the vertices: PLY, and GLB for web pages."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from petri.errors import BadRequest
from petri.files import write_whole
from petri.graph.mesh import Surface
from petri.graph.painting import finer
from petri.version import __version__

WRITTEN = (".ply", ".glb")
MAGIC, JSON, BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942  # of GLB and its two chunks
FLOAT, UINT, UBYTE = 5126, 5125, 5121  # glTF's kinds of numbers
ARRAY, ELEMENTS = 34962, 34963  # and of buffers


def write(path: str | Path, surface: Surface) -> None:
    """Write a surface, whole or not at all; grey if it has no colours.

    Colours are what a screen shows (sRGB) in PLY, and linear in GLB, as its standard has it. What a decoder
    paints is cut finer in GLB, which is to be looked at; PLY has the vertices as they are, and may be read as
    the same mesh again.

    Raises:
        BadRequest: the name ends in none of `.ply` and `.glb`.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise BadRequest(f"a mesh is written as one of {' '.join(WRITTEN)}, got {path.name!r}")
    if path.suffix.lower() == ".ply":
        write_whole(path, ply(surface))
    elif surface.paint is None:
        write_whole(path, glb(surface))
    else:
        write_whole(path, glb(*finer(surface)))


def _bytes(colours: np.ndarray) -> np.ndarray:
    return np.round(colours * 255).astype(np.uint8)


def _colours(surface: Surface) -> np.ndarray:
    return np.full(surface.vertices.shape, 0.5) if surface.colours is None else surface.colours


def ply(surface: Surface) -> bytes:
    """A binary PLY file."""
    vertices = np.zeros(
        len(surface.vertices), [("place", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)]
    )
    vertices["place"], vertices["normal"] = surface.vertices, surface.normals()
    vertices["colour"] = _bytes(_colours(surface))
    faces = np.zeros(len(surface.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, surface.faces
    lines = ["ply", "format binary_little_endian 1.0", f"comment petri {__version__}"]
    lines += [f"element vertex {len(vertices)}"]
    lines += [f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode() + vertices.tobytes() + faces.tobytes()


def glb(surface: Surface, normals: np.ndarray | None = None) -> bytes:
    """A binary glTF file: one mesh with normals and colours, lit by whatever shows it.

    Args:
        normals: of the vertices, `[vertices, 3]`; those of the surface if None.
    """
    normals = surface.normals() if normals is None else normals
    shown = _colours(surface).astype(np.float64)
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    colours = np.concatenate([_bytes(linear), np.full((len(linear), 1), 255, np.uint8)], axis=1)
    places = surface.vertices.astype("<f4")
    parts = [
        (places, ARRAY, FLOAT, "VEC3", {"min": places.min(0).tolist(), "max": places.max(0).tolist()}),
        (normals.astype("<f4"), ARRAY, FLOAT, "VEC3", {}),
        (colours, ARRAY, UBYTE, "VEC4", {"normalized": True}),
        (surface.faces.astype("<u4").reshape(-1), ELEMENTS, UINT, "SCALAR", {}),
    ]
    views, accessors, at = [], [], 0
    for number, (values, target, component, kind, more) in enumerate(parts):
        views.append({"buffer": 0, "byteOffset": at, "byteLength": values.nbytes, "target": target})
        shape = {"componentType": component, "count": len(values), "type": kind}
        accessors.append({"bufferView": number, **shape, **more})
        at += values.nbytes
    said = {
        "asset": {"version": "2.0", "generator": f"petri {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2},
                        "indices": 3,
                        "material": 0,
                    }
                ]
            }
        ],
        "buffers": [{"byteLength": at}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(said, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(values.tobytes() for values, *_ in parts)
    chunks = struct.pack("<II", len(text), JSON) + text + struct.pack("<II", len(data), BINARY) + data
    return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks

"""Meshes: what files and other libraries have of them, what is mended, and what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.graph import Surface, graph_of, icosphere, mend, named, read, surface_of, write
from petri.graph.mesh import fans

TETRAHEDRON = Surface(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
    np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.2, 0.4, 0.6]]),
)
OBJ = """# a square of two triangles, and its corners' colours
v 0 0 0 1 0 0
v 1 0 0 0 1 0
v 1 1 0 0 0 1
v 0 1 0 1 1 1
f 1/1/1 2//2 3
f -4 -2 -1
"""
HEADER = """ply
format {order} 1.0
comment made by hand
element vertex 4
property float x
property float y
property double z
property uchar red
property uchar green
property uchar blue
element face 2
property list uchar int vertex_indices
element edge 1
property int vertex1
property int vertex2
end_header
"""
QUADS = [[0, 1, 2, 3], [0, 2, 1]]


def ply(order: str, faces=QUADS) -> bytes:
    if order == "ascii":
        rows = ["0 0 0 255 0 0", "1 0 0 0 255 0", "1 1 0 0 0 255", "0 1 0.5 51 51 51"]
        rows += [" ".join(map(str, [len(face), *face])) for face in faces] + ["0 1"]
        return (HEADER.format(order=order) + "\n".join(rows) + "\n").encode()
    end = "<" if "little" in order else ">"
    vertex = np.dtype([("x", end + "f4"), ("y", end + "f4"), ("z", end + "f8"), ("rgb", "u1", 3)])
    table = np.array(
        [(0, 0, 0, (255, 0, 0)), (1, 0, 0, (0, 255, 0)), (1, 1, 0, (0, 0, 255)), (0, 1, 0.5, (51, 51, 51))],
        vertex,
    )
    body = table.tobytes()
    for face in faces:
        body += bytes([len(face)]) + np.array(face, end + "i4").tobytes()
    return HEADER.format(order=order).encode() + body + np.array([0, 1], end + "i4").tobytes()


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize(
    "faces", [QUADS, [[0, 1, 2], [0, 2, 3], [0, 2, 1]][:2], [[0, 1, 2, 3], [3, 2, 1, 0]]]
)
def test_a_ply_file_is_read(tmp_path, order, faces):
    (tmp_path / "some.ply").write_bytes(ply(order, faces))
    found = read(tmp_path / "some.ply")
    assert found.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]]
    fans = [(face[0], face[at], face[at + 1]) for face in faces for at in range(1, len(face) - 1)]
    assert [tuple(face) for face in found.faces.tolist()] == fans
    assert np.allclose(found.colours[[0, 3]], [[1, 0, 0], [0.2, 0.2, 0.2]])


def test_an_obj_file_is_read(tmp_path):
    (tmp_path / "some.OBJ").write_text(OBJ)
    found = read(tmp_path / "some.OBJ")
    assert found.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert found.colours.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert (found.border, found.parts) == (4, 1)


@pytest.mark.parametrize("name", ["some.ply", "some.glb"])
def test_what_is_written_is_read_by_trimesh(tmp_path, name):
    trimesh = pytest.importorskip("trimesh", reason="trimesh, the extra `mesh`, is not installed")
    write(tmp_path / name, TETRAHEDRON)
    found = trimesh.load(tmp_path / name, force="mesh", process=False)
    assert np.allclose(found.vertices, TETRAHEDRON.vertices)
    assert found.faces.tolist() == TETRAHEDRON.faces.tolist()
    assert found.is_watertight
    if name.endswith("glb"):
        data = (tmp_path / name).read_bytes()
        size = int.from_bytes(data[12:16], "little")
        said, binary = json.loads(data[20 : 20 + size]), data[28 + size :]
        place = said["bufferViews"][said["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]["byteOffset"]
        linear = np.frombuffer(binary, np.uint8, 16, place).reshape(4, 4)[3] / 255
        assert np.abs(linear - [0.0331, 0.1329, 0.3185, 1]).max() < 0.003  # of 0.2, 0.4, 0.6
    else:
        assert (found.visual.vertex_colors[3, :3] == [51, 102, 153]).all()
    assert read(tmp_path / name).faces.tolist() == TETRAHEDRON.faces.tolist()
    assert np.allclose(surface_of(found).vertices, TETRAHEDRON.vertices)


def test_what_is_written_as_ply_is_read_the_same(tmp_path):
    write(tmp_path / "some.ply", TETRAHEDRON)
    found = read(tmp_path / "some.ply")
    assert np.array_equal(found.vertices, TETRAHEDRON.vertices)
    assert np.array_equal(found.faces, TETRAHEDRON.faces)
    assert np.abs(found.colours - TETRAHEDRON.colours).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.obj", b"v 0 0 0\nv 1 0 0\n", "needs faces"),
        ("a.obj", b"hello", "no OBJ file with vertices"),
        ("a.obj", b"v 0 0\n", "line 1 is no vertex or face"),
        ("a.obj", b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3", "finite places, 1 have not"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4", r"vertices in 0\.\.2, got 3"),
        ("a.obj", b"v 0 0 0\nf 1 2\n", "line 2"),
        ("a.ply", b"hello", "no PLY file"),
        ("a.ply", ply("ascii")[:-10], "ends among its 2 of face"),
        ("a.ply", ply("binary_little_endian")[:-30], "ends among its 2 of face"),
        ("a.ply", ply("binary_big_endian")[:330], "ends among its 4 of vertex"),
        ("a.ply", ply("ascii").replace(b"face 2", b"face 10000000"), "10,000,000 of face: thin it out"),
        ("a.ply", ply("ascii").replace(b"float x", b"flat x"), "a line that is none: 'property flat x'"),
        ("a.ply", ply("ascii").replace(b"1 1 0 0", b"1 one 0 0"), "no number"),
        ("a.ply", ply("ascii").replace(b"face 2", b"fish 2"), "no elements vertex and face"),
        ("a.ply", ply("ascii").replace(b"float y", b"float x"), "a line that is none: 'property float x'"),
        ("a.ply", ply("binary_big_endian").replace(b"float y", b"float x"), "a line that is none"),
        ("a.ply", ply("ascii").replace(b"float x", b"list int float x"), "a line that is none"),
        (
            "a.ply",
            ply("ascii").replace(b"list uchar int", b"int"),
            "a line that is none: 'property int vertex",
        ),
        ("a.ply", ply("ascii").replace(b"list uchar int", b"list float int"), "a line that is none"),
        ("a.ply", ply("ascii").replace(b"uchar int", b"uchar float"), "a line that is none"),
        ("a.ply", ply("ascii").replace(b"3 0 2 1", b"3 0 2 " + b"9" * 30), "a number beyond them all"),
        (
            "a.ply",
            ply("binary_little_endian", []).replace(b"face 2", b"face 0"),
            "needs faces, this one has none",
        ),
        ("a.obj", b"v 0 0 0\nf 1 1 " + b"9" * 30, "a number beyond them all"),
        ("a.obj", b"v 1e99 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", "finite places, 1 have not"),
        (
            "a.obj",
            b"v 0 0 0 nan 0 0\nv 1 0 0 0 0 0\nv 0 1 0 0 0 0\nf 1 2 3",
            "colours of a mesh must be finite",
        ),
        ("a.stp", b"", "ends in one of .obj .ply"),
        ("b.obj", None, "No such file"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, name, data, said):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(BadRequest, match=said) as error:
        read(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_any_bytes_are_refused_in_words(tmp_path):
    random = np.random.default_rng(0)
    for order in ("ascii", "binary_little_endian"):
        whole = ply(order)
        for _ in range(150):
            broken = bytearray(whole)
            for place in random.integers(0, len(whole), 3):
                broken[place] = random.integers(0, 256)
            (tmp_path / "some.ply").write_bytes(broken)
            try:
                read(tmp_path / "some.ply")
            except BadRequest as error:
                assert "\n" not in str(error)


def test_what_is_odd_is_mended_and_said():
    places = [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
        [1, 1, 0],
        [9, 9, 9],
        [5, 0, 0],
        [6, 0, 0],
        [5, 1, 0],
    ]
    faces = [[0, 1, 2], [3, 1, 2], [2, 1, 4], [0, 3, 1], [6, 7, 8]]
    mended = mend(Surface(np.array(places, float), np.array(faces)))
    assert (mended.welded, mended.flat, mended.doubled, mended.alone) == (1, 1, 1, 1)
    assert mended.surface.faces.tolist() == [[0, 1, 2], [2, 1, 3], [4, 5, 6]]
    assert mended.surface.vertices[3].tolist() == [1, 1, 0]
    assert len(mended.notes) == 6
    assert mended.notes[0] == "1 vertex lay where another one does: welded"
    assert "2 parts" in mended.notes[4] and "7 edges" in mended.notes[5]
    assert not mend(TETRAHEDRON).notes
    with pytest.raises(BadRequest, match="faces with an area"):
        mend(Surface(np.zeros((3, 3)), np.array([[0, 1, 2]])))


def test_the_example_of_the_page_runs():
    page = (Path(__file__).parents[2] / "docs" / "mesh.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names = {}
    exec(code, names)
    assert names["state"].shape == (1, 16, 162)


def test_the_icosphere():
    for level, count in ((0, 12), (1, 42), (3, 642)):
        ball = icosphere(level)
        valence = ball.graph().valence
        assert len(ball.vertices) == count and len(ball.faces) == 20 * 4**level
        assert np.allclose(np.linalg.norm(ball.vertices, axis=1), 1)
        assert (valence == 5).sum() == 12 and (valence == 6).sum() == count - 12
        assert (ball.border, ball.parts) == (0, 1)
        assert (ball.normals() * ball.vertices).sum(axis=1).min() > 0.9  # seen from outside
    with pytest.raises(BadRequest, match="level of an icosphere"):
        icosphere(12)


def test_graphs_of_other_libraries():
    networkx = pytest.importorskip("networkx", reason="networkx is not installed")
    square = networkx.Graph([("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
    graph = graph_of(square)
    assert graph.valence.tolist() == [2] * 4 and graph.directions is None
    networkx.set_node_attributes(square, {"a": (0, 0), "b": (1, 0), "c": (1, 1), "d": (0, 1)}, "pos")
    placed = graph_of(square)
    assert placed.neighbours.tolist() == graph.neighbours.tolist() == [1, 3, 0, 2, 1, 3, 0, 2]
    assert placed.directions[:2].tolist() == [[1, 0, 0], [0, 1, 0]]
    pairs = np.array([[0, 1, 2, 3], [1, 2, 3, 0]])
    data = SimpleNamespace(edge_index=torch.from_numpy(pairs), pos=torch.rand(4, 3))
    assert graph_of(data).neighbours.tolist() == graph.neighbours.tolist()
    sparse = SimpleNamespace(tocoo=lambda: SimpleNamespace(row=pairs[0], col=pairs[1], shape=(4, 4)))
    assert graph_of(sparse).neighbours.tolist() == graph.neighbours.tolist()
    block = SimpleNamespace(type="triangle", data=TETRAHEDRON.faces)
    cells = SimpleNamespace(
        points=TETRAHEDRON.vertices, cells=[SimpleNamespace(type="line", data=pairs), block]
    )
    assert graph_of(cells).valence.tolist() == [3] * 4
    assert graph_of(TETRAHEDRON).directions.norm(dim=1).sub(1).abs().max() < 1e-12
    with pytest.raises(BadRequest, match="points and cells, got a int"):
        graph_of(3)


@pytest.mark.parametrize(
    ("has", "said"),
    [
        ({"edge_index": np.zeros((2, 0), int)}, "needs nodes"),
        ({"edge_index": np.zeros((3, 2), int)}, r"must be \[2, edges\], got \[3, 2\]"),
        ({"edge_index": np.zeros((2, 1), int), "pos": [[0, float("nan")]]}, "finite places"),
        ({"edge_index": np.zeros((2, 1), int), "pos": [["here", "there"]]}, "places must be numbers"),
        ({"edge_index": np.zeros((2, 1), int), "pos": [[0, 1], [0]]}, "places must be numbers"),
        ({"tocoo": lambda: SimpleNamespace(row=[0], col=[4], shape=(3, 5))}, r"square, got \[3, 5\]"),
        ({"points": np.zeros((3, 3)), "cells": {"triangle": [[0, 1, 2]]}}, "no block of triangles"),
    ],
)
def test_what_is_no_graph_is_refused_in_words(has, said):
    with pytest.raises(BadRequest, match=said):
        graph_of(SimpleNamespace(**has))


def test_nodes_without_an_edge_are_a_graph():
    lone = graph_of(SimpleNamespace(nodes=_Nodes(), edges=list))
    assert lone.valence.tolist() == [0, 0]


class _Nodes(list):
    """Of a networkx graph without edges."""

    def __init__(self) -> None:
        super().__init__(["a", "b"])

    def __call__(self, data: bool) -> list:
        return [(name, {}) for name in self]


def test_the_file_without_an_area_and_the_word_that_is_no_mesh_are_named(tmp_path):
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nf 1 1 2\n")
    with pytest.raises(BadRequest, match=r"flat\.obj: a mesh needs faces with an area"):
        named.load(str(tmp_path / "flat.obj"))
    with pytest.raises(BadRequest, match=r'"torus".*sphere:4, torus, knot and files'):
        named.load("torsu")


def test_a_face_of_too_many_corners_is_refused_before_it_is_cut(monkeypatch):
    monkeypatch.setattr("petri.graph.mesh.MOST_FACES", 2)
    with pytest.raises(BadRequest, match="2 triangles, it has 3"):
        fans([[0, 1, 2, 3, 4]])

"""Surfaces that a decoder paints: drawn pixel by pixel, looked at, baked, and cut finer for a file."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from petri.graph import Surface, icosphere, write
from petri.graph.bake import bake
from petri.graph.painting import finer, shown
from petri.graph.raster import DISTANCE, FILLS, draw
from petri.graph.raster import _turned as turned
from petri.graph.read import read
from petri.graph.views import views
from petri.nca import Automaton, Harmonics, Mesh, Noise, Spec
from petri.nca.decoder import Lppn
from petri.nca.spots import Spots

QUAD = np.array([[0, 1, 2], [0, 2, 3]])
SQUARE = np.array([[-0.7, -0.7, 0], [0.7, -0.7, 0], [0.7, 0.7, 0], [-0.7, 0.7, 0]])
SPEC = Spec(
    space=Mesh(), senses=(Harmonics(),), start=Noise(), decoder=Lppn(width=8, outputs=3, frequencies=0)
)


def by_place(surface):
    """Painted by where a point lies, which any picture of it must then show there."""

    def paint(corners, shares):
        return ((surface.vertices[corners] * shares[..., None]).sum(axis=1) + 1) / 2

    return replace(surface, paint=paint, colours=(surface.vertices + 1) / 2)


def hit(surface, x, y, turn, tilt, pixels):
    """Where a ray through the middle of a pixel hits a surface first, by plain geometry; or None."""
    back = turned(turn, tilt)
    places = surface.vertices @ back.T
    focus = FILLS * np.sqrt(DISTANCE**2 - 1)
    eye = np.array([0, 0, DISTANCE])
    ray = np.array([(2 * (x + 0.5) / pixels - 1) / focus, (1 - 2 * (y + 0.5) / pixels) / focus, -1])
    a, b, c = (places[surface.faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    along = ((a - eye) * across).sum(1) / (across @ ray)
    points = eye + along[:, None] * ray
    inside = np.all(
        [(np.cross(q - p, points - p) * across).sum(1) > 0 for p, q in ((a, b), (b, c), (c, a))], axis=0
    )
    return points[inside][along[inside].argmin()] @ back if inside.any() else None


@pytest.mark.parametrize("open_", [False, True])
def test_a_pixel_shows_what_is_painted_where_its_ray_hits_the_surface(open_, monkeypatch):
    monkeypatch.setattr("petri.graph.raster.SMOOTH", 1)
    monkeypatch.setattr("petri.graph.raster.TILE", 24)  # parts that do not fit the picture
    ball = icosphere(1)
    surface = by_place(Surface(ball.vertices * [1, 0.7, 0.5], ball.faces[: -9 if open_ else None]))
    picture = draw(surface, turn=70, tilt=-35, pixels=40, lit=False, through=True)
    seen = 0
    for y in range(40):
        for x in range(40):
            place = hit(surface, x, y, 70, -35, 40)
            assert (picture[y, x, 3] == 255) == (place is not None)
            if place is not None:
                assert np.abs(picture[y, x, :3] / 255 - (place + 1) / 2).max() < 0.6 / 255 + 1e-9
                seen += 1
    assert seen > 400


def test_a_painted_surface_is_shaded_as_others_are_where_triangles_are_small():
    ball = icosphere(5)
    flat = ball.coloured(np.full(ball.vertices.shape, 0.8))
    painted = replace(flat, paint=lambda corners, shares: np.full((len(corners), 3), 0.8))
    one, other = (draw(surface, pixels=80).astype(int) for surface in (flat, painted))
    inside = np.hypot(*(np.indices((80, 80)) - 39.5)) < 34
    assert np.abs(one - other)[inside].max() <= 3


def test_a_shown_state_is_painted_by_its_decoder():
    ball, automaton = icosphere(2), Automaton(SPEC, generator=torch.Generator().manual_seed(1))
    state = torch.rand(16, 1, 162, generator=torch.Generator().manual_seed(2))
    surface = shown(state, automaton, ball)
    corners, shares = ball.faces[:50], np.full((50, 3), 1 / 3)
    with torch.no_grad():
        wanted = automaton.paint(
            state[None], Spots(corners=torch.from_numpy(corners), shares=torch.from_numpy(shares))
        )
    assert np.abs(surface.at(corners, shares) - wanted[0].T.numpy()).max() < 1e-6
    own = surface.at(ball.faces[:50], np.tile([0.0, 0.0, 1.0], (50, 1)))
    assert np.abs(own.clip(0, 1) - surface.colours[ball.faces[:50, 2]]).max() < 1e-6
    assert surface.coloured(surface.colours).paint is None


def test_views_and_baked_pictures_ask_the_decoder():
    surface = by_place(icosphere(3))
    looks = views(surface, 3, width=0.9, side=7, seed=1)
    straight = replace(surface, paint=None)
    assert torch.allclose(looks.seen(surface), looks.seen(straight), atol=1e-6)
    stripes = replace(surface, paint=lambda corners, shares: np.repeat(shares.max(axis=1), 3).reshape(-1, 3))
    greatest = looks.weights.amax(dim=-1)
    assert torch.allclose(looks.seen(stripes), greatest[:, None].expand(-1, 3, -1, -1), atol=1e-6)
    places = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])[QUAD]
    square = by_place(Surface(SQUARE, QUAD, uv=places))
    baked = bake(square, pixels=64)
    middles = (np.arange(64) + 0.5) / 64
    assert np.abs(baked[:, :, 0] / 255 - (0.15 + 0.7 * middles)[None]).max() < 1 / 255
    assert np.abs(baked[:, :, 1] / 255 - (0.85 - 0.7 * middles)[:, None]).max() < 1 / 255


def test_what_is_cut_finer_has_the_colours_that_are_painted_there(tmp_path, monkeypatch):
    monkeypatch.setattr("petri.graph.painting.MOST_FINE", 1000)
    surface = by_place(icosphere(1))
    fine, normals = finer(surface)
    assert (len(fine.vertices), len(fine.faces)) == (642, 1280)  # twice: once more would be too many
    assert fine.paint is None and np.abs(fine.colours - (fine.vertices + 1) / 2).max() < 1e-6
    assert (np.einsum("ij,ij->i", normals, fine.normals()) > 0.9).all()
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)
    assert np.allclose(normals[:42], surface.normals())  # its own vertices face where they faced
    write(tmp_path / "fine.glb", surface)
    write(tmp_path / "own.ply", surface)
    content = (tmp_path / "fine.glb").read_bytes()
    said = json.loads(content[20 : 20 + struct.unpack("<I", content[12:16])[0]])
    assert [one["count"] for one in said["accessors"]] == [642, 642, 642, 3840]
    own = read(tmp_path / "own.ply")
    assert len(own.vertices) == 42 and np.abs(own.colours - surface.colours).max() < 0.5 / 255 + 1e-6

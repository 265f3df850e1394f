"""Places in a picture (uv): read, kept while a mesh is mended and cut, and baked."""

import numpy as np
import pytest

from petri.errors import BadRequest
from petri.graph import Surface, icosphere, mend, read
from petri.graph.bake import bake

OBJ = """v -1 -1 0
v 1 -1 0
v 1 1 0
v -1 1 0
vt 0.25 0.25
vt 0.75 0.25
vt 0.75 0.75
vt 0.25 0.75
f 1/1 2/2 3/3 4/4
"""


def square(tmp_path, text=OBJ):
    (tmp_path / "square.obj").write_text(text)
    return read(tmp_path / "square.obj")


def test_places_are_read_and_kept(tmp_path):
    found = square(tmp_path)
    assert np.array_equal(found.uv[0], [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75]])
    twice = square(
        tmp_path, OBJ.replace("f 1/1 2/2 3/3 4/4", "f 1/1 1/1 2/2\nf 1/1 2/2 3/3\nf -4/-4 -2/-2 -1/-1")
    )
    mended = mend(twice).surface
    assert np.array_equal(mended.uv, found.uv) and np.array_equal(mended.faces, found.faces)
    finer = mended.fitted().cut().cut()
    # Everywhere as in the plane: u = 1/2 + x/4 of what the corners had.
    corners = finer.vertices[finer.faces][..., :2]
    assert np.allclose(finer.uv, 0.5 + corners * np.sqrt(2) / 4)
    assert square(tmp_path, OBJ.replace("4/4", "4")).uv is None  # not all have one
    with pytest.raises(BadRequest, match=r"must be among the file's 4 places \(vt\)"):
        square(tmp_path, OBJ.replace("4/4", "4/5"))
    with pytest.raises(BadRequest, match="line 5 is no vertex or face"):
        square(tmp_path, OBJ.replace("vt 0.25 0.25", "vt 0.25"))


@pytest.mark.parametrize("mirrored", [False, True])
def test_colours_are_painted_where_the_corners_lie(tmp_path, mirrored):
    found = square(tmp_path)
    colours = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])  # red to the right, green upwards
    uv = found.uv * [-1, 1] + [1, 0] if mirrored else found.uv
    picture = bake(Surface(found.vertices, found.faces, colours, uv), pixels=64).astype(int)
    inside = picture[16:48, 16:48]
    ramp = (np.arange(32) + 0.5) / 32 * 255
    right = ramp[::-1] if mirrored else ramp
    assert (
        np.abs(inside[..., 0] - right[None]).max() <= 1
        and np.abs(inside[..., 1] - ramp[::-1, None]).max() <= 1
    )
    assert (picture[13:16, 20:44, 1] > 240).all()  # colours go on beyond the edge
    assert not picture[:12].any() and not picture[:, :12].any() and not picture[52:].any()


def test_what_cannot_be_baked_is_said():
    ball = icosphere(0)
    with pytest.raises(BadRequest, match=r"only a mesh with places in a picture \(uv\) can be baked"):
        bake(ball)
    with pytest.raises(BadRequest, match="only a mesh with colours can be baked"):
        bake(Surface(ball.vertices, ball.faces, uv=np.zeros((20, 3, 2))))
    with pytest.raises(BadRequest, match=r"places in a picture of a mesh must be \[20, 3, 2\]"):
        Surface(ball.vertices, ball.faces, uv=np.zeros((20, 2)))

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from petri.errors import BadRequest
from petri.targets import load, shader

HEAD = "void mainImage(out vec4 fragColor, in vec2 fragCoord)\n"
FLOWER = Path(__file__).parents[1] / "docs/examples/flower.glsl"


@pytest.fixture(scope="module")
def gl():
    try:
        shader._context().release()
    except BadRequest as error:
        pytest.skip(str(error))


@pytest.fixture
def write(tmp_path):
    def save(source: str, name: str = "test.glsl") -> str:
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return str(path)

    return save


def test_the_lower_left_is_where_shadertoy_has_its_origin(gl, write):
    target = load(write(HEAD + "{ fragColor = vec4(fragCoord / iResolution.xy, 0.25, 0.0); }"), 32)
    assert target.name == "test.glsl" and not target.transparent and target.notes == ()
    middle = (np.arange(32) + 0.5) / 32
    np.testing.assert_allclose(target.pixels[0], np.broadcast_to(middle, (32, 32)), atol=1e-5)  # x: right
    np.testing.assert_allclose(target.pixels[1], np.broadcast_to(1 - middle[:, None], (32, 32)), atol=1e-5)
    np.testing.assert_allclose(target.pixels[2], 0.25, atol=1e-6)
    assert (target.pixels[3] == 1).all()


def test_edges_are_smoothed_and_values_shown_as_a_screen_does(gl, write):
    source = "{ float s = step(10.25, fragCoord.x); fragColor = vec4(s * 7.0, -s, 0.0 / (s - s), 1.0); }"
    pixels = load(write(HEAD + source), 32).pixels
    np.testing.assert_allclose(pixels[0, 5, 8:13], [0, 0, 0.75, 1, 1], atol=1e-6)
    assert not pixels[1].any() and np.isfinite(pixels).all()


def test_tiles_meet_without_a_seam(gl, write, monkeypatch):
    path = write(HEAD + "{ fragColor = vec4(fract(fragCoord.xyx * 0.037), 1.0); }")
    whole = load(path, 50).pixels
    monkeypatch.setattr(shader, "TILE", 7 * shader.samples(50))
    np.testing.assert_allclose(load(path, 50).pixels, whole, atol=1e-6)


def test_time_stands_still(gl, write):
    body = "{ fragColor = vec4(iTime + float(iFrame), iMouse.x + iDate.w, iTimeDelta * 30.0, 1.0); }"
    target = load(write(HEAD + body), 16)
    assert not target.pixels[:2].any()
    np.testing.assert_allclose(target.pixels[2], 0.5, atol=1e-6)
    assert target.notes == ("test.glsl moves: it is grown as it stands at time 0",)


def test_a_shader_that_ignores_its_place(gl, write):
    np.testing.assert_allclose(load(write(HEAD + "{ fragColor = vec4(0.5); }"), 16).pixels[:3], 0.5)


def test_an_error_is_told_with_the_line_of_the_users_file(gl, write):
    path = write("// größer\n#version 300 es\n" + HEAD + "{\n    fragColor = vec4(colour, 1.0);\n}\n")
    with pytest.raises(BadRequest, match=r'test\.glsl", line 5: .*colour') as error:
        load(path, 16)
    assert "\n" not in str(error.value)
    with pytest.raises(BadRequest, match=r'test\.glsl", line 3: '):  # the end of the file, not beyond
        load(write("\n" + HEAD + "{ fragColor = vec4(1.0);"), 16)


def test_the_flower_grows_from_the_docs(gl):
    pixels = load(str(FLOWER), 48).pixels
    heart, corner = pixels[:3, 24, 24], pixels[:3, 0, 0]
    assert heart[0] > 0.9 and heart[1] > 0.7 and heart[2] < 0.3
    assert corner.max() < 0.25


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (HEAD + "{ fragColor = texture(iChannel0, fragCoord); }", "reads iChannel0"),
        (HEAD + "{ fragColor = vec4(iChannelResolution[0], 1.0); }", "reads iChannelResolution"),
        ("void main() { gl_FragColor = vec4(1.0); }", "lacks .void mainImage"),
        ("// void mainImage(out vec4 c, in vec2 p)", "lacks .void mainImage"),
        ("", "lacks .void mainImage"),
        ("a" * 300_000, "too large for a shader: 300000 bytes, at most 262144"),
    ],
)
def test_what_is_no_such_shader_is_refused(write, source, message):
    with pytest.raises(BadRequest, match=message):
        load(write(source), 16)


def test_a_channel_in_a_comment_does_no_harm(gl, write):
    load(write("/* iChannel0\n is not used */" + HEAD + "{ fragColor = vec4(1.0); } // iChannel1"), 16)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BadRequest, match="no such file"):
        load(str(tmp_path / "none.frag"), 16)
    (tmp_path / "folder.glsl").mkdir()
    with pytest.raises(BadRequest, match="cannot be read"):
        load(str(tmp_path / "folder.glsl"), 16)
    (tmp_path / "binary.glsl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRequest, match="not text in UTF-8"):
        load(str(tmp_path / "binary.glsl"), 16)


def test_without_moderngl_the_extra_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(BadRequest, match=r'pip install "petri-nca\[shader\]"'):
        load(write(HEAD + "{ fragColor = vec4(1.0); }"), 16)


def test_without_opengl_one_line_says_so(write, monkeypatch):
    moderngl = pytest.importorskip("moderngl")

    def refuse(**settings):
        raise Exception("no\ndisplay")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(BadRequest, match=r"need OpenGL 3\.3, which this machine does not offer: no display"):
        load(write(HEAD + "{ fragColor = vec4(1.0); }"), 16)


@pytest.mark.parametrize(
    ("log", "line", "message"),
    [
        ("failed\n\n0:3(7): warning: hm\n0:12(5): error: `uv' lost\n0:13(1): error: x", 12, "`uv' lost"),
        ('0(7) : error C1503: undefined variable "uv"\n', 7, 'undefined variable "uv"'),
        ("ERROR: 0:9: Use of undeclared identifier 'uv'\n", 9, "Use of undeclared identifier 'uv'"),
        ("it failed\n====\n", 0, "it failed"),
        ("", 0, "it does not compile"),
    ],
)  # fmt: skip
def test_logs_of_the_known_drivers(log, line, message):
    assert shader.first_error(log) == (line, message)

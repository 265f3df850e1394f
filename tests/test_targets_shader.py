from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from petri.errors import BadRequest
from petri.targets import at_time, load, shader

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
    assert target.notes == (
        "test.glsl is one colour at time 0: there is no pattern to grow; "
        "another moment: --time 2, or test.glsl@2",
    )


def test_another_moment_is_a_part_of_the_name(gl, write):
    path = write(HEAD + "{ fragColor = vec4(fract(vec3(iTime, iFrame / 64, iDate.w / 7.0)), 1.0); }")
    target = load(f"{path}@3.25", 16)
    assert target.name == "test.glsl@3.25"
    expected = np.array([0.25, 3, 3.25 / 7])  # frame 195 of 60 a second
    np.testing.assert_allclose(target.pixels[:3, 4, 4], expected % 1, atol=1e-4)
    assert "test.glsl is one colour at time 3.25" in target.notes[0]
    assert at_time(path, 3.25) == at_time(f"{path}@7", 3.25) == f"{path}@3.25"
    assert at_time(path, 2.0) == f"{path}@2"


@pytest.mark.parametrize(
    ("time", "message"),
    [("later", 'must be a number of seconds, got "later"'), ("", "a number of seconds"),
     ("nan", "within 1,000,000 seconds, got nan"), ("-inf", "within"), ("1e7", "within")],
)  # fmt: skip
def test_moments_that_cannot_be(write, time, message):
    path = write(HEAD + "{ fragColor = vec4(iTime); }")
    with pytest.raises(BadRequest, match=message):
        load(f"{path}@{time}", 16)


def test_only_shaders_have_a_moment(tmp_path):
    for name in ("spiral", "logo@2x.png", "text:Hi"):
        with pytest.raises(BadRequest, match="only a shader"):
            at_time(name, 1.0)
    (tmp_path / "a.glsl@2").mkdir()
    with pytest.raises(BadRequest, match="no such file"):
        load(str(tmp_path / "a.glsl@2" / "logo.png"), 16)


def test_what_moves_and_what_is_flat_is_said(gl, write):
    fade = HEAD + "{ fragColor = vec4(fragCoord / iResolution.xy, 0.5, 1.0) * smoothstep(0.0, 2.0, iTime); }"
    path = write(fade)
    assert not load(path, 16).pixels[:3].any()
    assert (
        load(path, 16).notes[0].startswith("test.glsl is one colour at time 0: there is no pattern to grow")
    )
    assert load(f"{path}@2", 16).notes[0].startswith("test.glsl moves: it is grown as it stands at time 2;")
    still = write(HEAD + "{ float t = iTime; fragColor = vec4(0.5); }", "still.glsl")
    assert load(still, 16).notes == ("still.glsl is one colour throughout: there is no pattern to grow",)


PLACE = "vec4(p, step(length(p - 0.5), 0.3), 1.0)"
CALL = "\nvoid main() { mainImage(gl_FragColor, gl_FragCoord.xy); }"
TELL = HEAD + "{ vec2 p = fragCoord / iResolution.xy; fragColor = " + PLACE + "; }"


@pytest.mark.parametrize(
    "source",
    [
        "vec2 place() { return gl_FragCoord.xy / iResolution.xy; }\n"
        + HEAD + "{ vec2 p = place(); fragColor = " + PLACE + "; }",
        "void main() { vec2 p = gl_FragCoord.xy / iResolution.xy; gl_FragColor = " + PLACE + "; }",
        "#ifdef GL_ES\nprecision mediump float;\n#endif\nuniform vec2 u_resolution; uniform float u_time;\n"
        "void main() { vec2 p = gl_FragCoord.xy / u_resolution; gl_FragData[0] = " + PLACE + "; }",
        "#version 300 es\nprecision highp float;\nuniform vec3 iResolution; out vec4 colour;\n"
        "void main() { vec2 p = gl_FragCoord.xy / iResolution.xy; colour = " + PLACE + "; }",
        "uniform vec2 iResolution;\n" + TELL,
        "uniform float iTime; float iGlobalTime = iTime;\n#define HW_PERFORMANCE 0\n" + TELL,
        "#ifdef SELF\nuniform vec3 iResolution;\n" + CALL + "\n#endif\n" + TELL,
        TELL + CALL,
        "#extension GL_OES_standard_derivatives : enable\n" + TELL,
        "\n // a comment first\n#extension GL_OES_something : require\n" + TELL,
        "#define entry mainImage(out vec4 c, in vec2 q)\n"
        "void entry { vec2 p = q / iResolution.xy; c = " + PLACE + "; }",
        TELL.replace("p = fragCoord", "p = unpackHalf2x16(packHalf2x16(fragCoord))"),
        "#if HW_PERFORMANCE == 0\nvec4 t = texture(iChannel0, vec2(0));\n#endif\n" + TELL,
        TELL.replace("vec2 p", "float q = iGlobalTime + iSampleRate + iFrameRate + iDate.x; vec2 p"),
        "// gr\u00f6\u00dfer \\\n and longer\n" + TELL,
        "\ufeff" + TELL.replace("{", "{\r\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_shaders_as_people_write_them(gl, tmp_path, source, encoding):
    path = tmp_path / "test.frag"
    path.write_bytes(source.encode(encoding, errors="ignore"))
    pixels = load(str(path), 24).pixels
    x, y = np.meshgrid((np.arange(1032) + 0.5) / 1032, (1032 - np.arange(1032) - 0.5) / 1032)
    inside = np.hypot(x - 0.5, y - 0.5) <= 0.3
    expected = np.stack([x, y, inside]).reshape(3, 24, 43, 24, 43).mean(axis=(2, 4))
    np.testing.assert_allclose(pixels[:3], expected, atol=5e-3)


@pytest.mark.parametrize("res", [36, 40, 51, 96])
def test_what_is_discarded_is_black_in_every_tile(gl, write, res):
    source = (
        "{ vec2 p = fragCoord / iResolution.xy; if (p.x > 0.5 || p.y < 0.5) discard; fragColor = vec4(1); }"
    )
    pixels = load(write(HEAD + source), res).pixels
    half = res // 2
    assert (pixels[:3, :half, :half] == 1).all()
    assert not pixels[:3, res - half :].any() and not pixels[:3, :, res - half :].any()


def test_derivatives_are_from_cell_to_cell(gl, write):
    path = write(
        HEAD + "{ fragColor = 0.1 * vec4(fwidth(fragCoord.x), dFdx(fragCoord.x), dFdy(fragCoord.y), 1); }"
    )
    np.testing.assert_allclose(load(path, 48).pixels[:3], 0.1, atol=1e-3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("uniform sampler2D t;\nvoid main() { gl_FragColor = texture(t, vec2(0)); }", "reads t: .*texture"),
        ("uniform sampler2D i;\n" + HEAD + "{ fragColor = texture(i, fragCoord); }", "reads i: .*texture"),
        ("uniform Light { vec3 sun; };\n" + HEAD + "{ fragColor = vec4(sun, 1); }", "reads Light: .*buffer"),
        ("uniform float speed;\n" + HEAD + "{ fragColor = vec4(speed); }", "uniform speed that nothing"),
        ("uniform float knobs[4];\n" + HEAD + "{ fragColor = vec4(knobs[2]); }", "reads knobs"),
        ("in vec2 uv;\nvoid main() { gl_FragColor = vec4(uv, 0, 1); }", "reads uv"),
        ("varying vec2 vUv;\nvoid main() { gl_FragColor = vec4(vUv, 0, 1); }", "reads vUv"),
        ("void main() { gl_FragColor = vec4(gl_FragCoord.foo); }", "line 1: "),
        ("float f;\nvoid mainSound() {}", "lacks"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_in_one_line(gl, write, source, message):
    with pytest.raises(BadRequest, match=message) as error:
        load(write(source), 16)
    assert "\n" not in str(error.value) and "petri_" not in str(error.value).replace("/petri_", "")


def test_a_uniform_with_a_value_of_its_own_keeps_it(gl, write):
    path = write("uniform float k = 0.25;\n" + HEAD + "{ fragColor = vec4(k, 0, 0, 1); }")
    np.testing.assert_allclose(load(path, 16).pixels[0], 0.25)


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
    ],
)
def test_channels_are_refused(gl, write, source, message):
    with pytest.raises(BadRequest, match=message):
        load(write(source), 16)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("// void mainImage(out vec4 c, in vec2 p)", "lacks .void mainImage"),
        ("", "lacks .void mainImage"),
        ("a" * 300_000, "too large for a shader: it has more than 262144 bytes"),
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
    with pytest.raises(BadRequest, match="it is not text"):
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
        ("0:1(9): preprocessor error: Redefinition of macro HW\n", 1, "Redefinition of macro HW"),
        ("failed\n\n0:3(7): warning: hm\n0:12(5): error: `uv' lost\n0:13(1): error: x", 12, "`uv' lost"),
        ('0(7) : error C1503: undefined variable "uv"\n', 7, 'undefined variable "uv"'),
        ("ERROR: 0:9: Use of undeclared identifier 'uv'\n", 9, "Use of undeclared identifier 'uv'"),
        ("it failed\n====\n", 0, "it failed"),
        ("", 0, "it does not compile"),
    ],
)  # fmt: skip
def test_logs_of_the_known_drivers(log, line, message):
    assert shader.first_error(log) == (line, message)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("`iTime' redeclared", "iTime"),
        ("redeclaration of `iResolution' has incorrect type", "iResolution"),
        ("Redefinition of macro HW_PERFORMANCE", "HW_PERFORMANCE"),
        ('declaration of "iTime" conflicts with previous declaration at 0(3)', "iTime"),
        ("'iMouse' : redefinition", "iMouse"),
        ("`uv' redeclared", None),
        ("`iTime' undeclared", None),
    ],
)
def test_names_that_the_text_declares_itself(message, name):
    assert shader.declared_again(message) == name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_shader_without_an_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.glsl")
    with pytest.raises(BadRequest, match="is a pipe or a device"):
        load(str(tmp_path / "pipe.glsl"), 16)
    (tmp_path / "zero.frag").symlink_to("/dev/zero")
    with pytest.raises(BadRequest, match="is a pipe or a device"):
        load(str(tmp_path / "zero.frag"), 16)

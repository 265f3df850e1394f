from __future__ import annotations

import sys

import numpy as np
import pytest

from petri.errors import BadRequest
from petri.targets import load, svg

EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"></svg>'
CIRCLE = EMPTY.replace("></svg>", '><circle cx="5" cy="5" r="4" fill="red"/></svg>')


@pytest.fixture
def write(tmp_path):
    def save(text: str, name: str = "logo.svg", encoding: str = "utf-8") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    return save


def test_a_drawing_is_a_figure(write):
    pytest.importorskip("resvg_py")
    target = load(write(CIRCLE), 64)
    assert (target.name, target.transparent, target.notes) == ("logo.svg", True, ())
    at = np.arange(64) + 0.5
    away = np.hypot(*np.meshgrid(at - 32, at - 32))
    assert target.pixels[3][away < 23].min() > 0.98 and target.pixels[3][away > 25].max() < 0.02
    np.testing.assert_allclose(target.pixels[:3, 32, 32], (1, 0, 0), atol=1e-3)


def test_a_drawing_with_a_ground_fills_the_plane(write):
    pytest.importorskip("resvg_py")
    ground = CIRCLE.replace("<circle", '<rect width="10" height="10" fill="#0000ff"/><circle')
    target = load(write(ground), 32)
    assert not target.transparent
    np.testing.assert_allclose(target.pixels[:3, 0, 0], (0, 0, 1), atol=1e-3)
    np.testing.assert_allclose(target.pixels[:3, 16, 16], (1, 0, 0), atol=1e-3)


@pytest.mark.parametrize(
    ("text", "name", "encoding"),
    [
        (CIRCLE, "logo", "utf-8"),  # known by its beginning
        ('<?xml version="1.0"?>\n<!-- gr\u00f6\u00dfer -->' + CIRCLE, "logo.SVG", "latin-1"),
        ("\ufeff" + CIRCLE, "logo.svg", "utf-8"),
        (CIRCLE.replace("viewBox", 'width="10mm" height="10mm" viewBox'), "logo.svg", "utf-8"),
    ],
)
def test_drawings_as_people_have_them(write, text, name, encoding):
    pytest.importorskip("resvg_py")
    assert load(write(text, name, encoding), 32).pixels[0, 16, 16] > 0.99


def test_letters_are_pointed_out(write):
    pytest.importorskip("resvg_py")
    path = write(CIRCLE.replace("</svg>", "<text>Hi</text></svg>"))
    assert load(path, 32).notes == (
        "logo.svg holds text, drawn with the fonts found here: letters as paths are safer",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<svg", "cannot be drawn: "),
        ("hello", "cannot be drawn: "),
        ("", "cannot be drawn: "),
        (EMPTY, "entirely transparent"),
    ],
)
def test_what_cannot_be_drawn(write, text, message):
    pytest.importorskip("resvg_py")
    with pytest.raises(BadRequest, match=message) as error:
        load(write(text), 32)
    assert "\n" not in str(error.value)


def test_a_drawing_that_takes_for_ever(write, monkeypatch):
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(svg, "DRAW", "import time; time.sleep(60)")
    monkeypatch.setattr(svg, "SECONDS", 0.2)
    with pytest.raises(BadRequest, match=r"was not drawn within 0\.2 seconds"):
        load(write(CIRCLE), 32)


def test_without_resvg_the_extra_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(BadRequest, match=r'is an SVG: pip install "petri-nca\[svg\]", or convert it to PNG'):
        load(write(CIRCLE), 32)

"""Zooming, and pictures with the device's own pixels, in the page and in the component."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

from petri import modelfile
from petri.images import drawn
from petri.modelfile import Model
from petri.nca import Automaton, Spec, seed_state
from petri.nca.decoder import Raster
from petri.viewing.export import export
from petri.viewing.site import build
from petri.viewing.specimens import gather

SITE = "http://petri.test/"
RES = 16
WAIT = 180_000  # milliseconds for what a busy machine takes long for
SMALL = {"channels": 4, "perception": "identity", "hidden": 16, "layers": 2}
STILL = "play=no&engine=wasm&model="
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
COMPONENT = """<!doctype html><body style="margin: 0; height: 3000px">
<script type="module" src="petri-dish.js"></script>
<petri-dish src="painted.safetensors" paused style="width: 200px"></petri-dish>"""


def still(spec):
    """An automaton that stays as it begins."""
    automaton = Automaton(spec, generator=torch.Generator().manual_seed(4))
    for values in (automaton.rule.weights[-1], automaton.rule.biases[-1]):
        values.data.zero_()
    return automaton


@pytest.fixture(scope="module")
def painted():
    """One that a decoder paints, of a state of noise that stays."""
    kind, start = {"kind": "lppn", "width": 8, "layers": 2}, {"kind": "noise", "level": 0.7}
    spec = Spec.of(**SMALL, start=start, decoder=kind)
    automaton = still(spec)
    automaton.decoder.weights[-1].data *= 3
    automaton.decoder.biases[-1].data[:3] = 0.5
    return automaton


@pytest.fixture(scope="module")
def site(tmp_path_factory, painted):
    folder, models = (tmp_path_factory.mktemp(name) for name in ("site", "models"))
    cells = still(Spec.of(**SMALL))
    training = {"recipe": {"phases": [{"res": RES, "steps": [1, 2]}]}}
    for name, automaton in (("painted", painted), ("cells", cells)):
        path = models / f"{name}.safetensors"
        modelfile.write(path, Model(automaton=automaton, target=name, training=training))
    export(build(gather([str(models)])[0]), folder)
    (folder / "component.html").write_text(COMPONENT)
    return folder


def open_dish(visit, settings, **how):
    page = visit("#" + STILL + settings, **how)
    page.wait_for_function("document.getElementById('engine').textContent !== ''")
    return page


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def shown(page, *, like=None, selector="document.getElementById('dish')"):
    """What the canvas shows; when it is like that, if it ever is."""
    for _ in range(100):
        found = pixels(base64.b64decode(page.evaluate(f"{selector}.toDataURL()").partition(",")[2]))
        if like is None or (found.shape == like.shape and np.abs(found - like).max() <= 2):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"never like that: {found.shape}, {like.shape}, {np.abs(found - like).max()}")


def view_of(page):
    """What the address says is seen: left, top and how near; once what was done has reached it."""
    urls = []
    while len(urls) < 6 or len(set(urls[-6:])) > 1:
        page.wait_for_timeout(200)
        urls.append(page.evaluate("location.hash"))
    found = re.search(r"view=([^&]*)", urls[-1])
    return [float(each) for each in unquote(found[1]).split(",")] if found else [0.0, 0.0, 1.0]


def wanted(automaton, size, view=(0.0, 0.0, 1.0)):
    """What PyTorch paints of a part."""
    state = seed_state(automaton.spec, RES, RES, seed=0)
    left, top, zoom = view
    lines = (torch.arange(size, dtype=torch.float64) + 0.5) / size / zoom
    with torch.no_grad():
        seen = automaton.paint(state, Raster(rows=top + lines, columns=left + lines))[0]
    return drawn(seen, "#ffffff").astype(int)


def at(page, x, y):
    box = page.locator("#dish").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.mark.parametrize("engine", ["webgl", "wasm"])
def test_the_dish_is_painted_with_the_devices_own_pixels(visit, painted, engine):
    page = open_dish(visit, f"painted&engine={engine}", device_scale_factor=1.5)
    side = round(1.5 * page.locator("#dish").bounding_box()["width"])
    found = shown(page, like=wanted(painted, side))
    assert found.shape == (side, side, 3) and found.std() > 20
    page.set_viewport_size({"width": 900, "height": 700})
    smaller = round(1.5 * page.locator("#dish").bounding_box()["width"])
    assert smaller < side
    shown(page, like=wanted(painted, smaller))


def test_a_wheel_zooms_at_the_pointer_and_the_picture_stays_sharp(visit, painted):
    page = open_dish(visit, "painted")
    side = round(page.locator("#dish").bounding_box()["width"])
    page.mouse.move(*at(page, 0.75, 0.25))
    page.mouse.wheel(0, -500)
    left, top, zoom = view_of(page)
    assert zoom == pytest.approx(np.e, abs=0.01)
    assert left + 0.75 / zoom == pytest.approx(0.75, abs=0.01)
    assert top + 0.25 / zoom == pytest.approx(0.25, abs=0.01)
    shown(page, like=wanted(painted, side, (left, top, zoom)))
    page.mouse.wheel(0, -5000)
    assert view_of(page)[2] == RES / 4  # four cells across
    page.mouse.wheel(0, 50_000)
    assert view_of(page) == [0, 0, 1]
    shown(page, like=wanted(painted, side))
    assert page.evaluate("scrollY") == 0
    page.set_viewport_size({"width": 1000, "height": 500})
    page.mouse.move(*at(page, 0.5, 0.5))
    page.mouse.wheel(0, 100)  # now it scrolls
    page.wait_for_function("scrollY > 0")


def test_with_shift_or_the_middle_button_one_moves_what_is_seen(visit, painted):
    page = open_dish(visit, "painted&view=0.25,0.25,4")
    page.keyboard.down("Shift")
    page.mouse.move(*at(page, 0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*at(page, 0.7, 0.4))
    page.mouse.up()
    page.keyboard.up("Shift")
    assert view_of(page) == pytest.approx([0.2, 0.275, 4], abs=0.005)
    page.mouse.down(button="middle")
    page.mouse.move(*at(page, 0.5, 0.5))
    page.mouse.up(button="middle")
    assert view_of(page) == pytest.approx([0.25, 0.25, 4], abs=0.005)
    side = round(page.locator("#dish").bounding_box()["width"])
    shown(page, like=wanted(painted, side, view_of(page)))  # and nothing was erased


def test_two_fingers_zoom_and_draw_nothing(visit, painted):
    page = open_dish(visit, "painted", **PHONE)
    session, names = page.context.new_cdp_session(page), ("x", "y", "id")

    def touch(kind, *places):
        points = [dict(zip(names, (*at(page, *place), i), strict=True)) for i, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    touch("touchMove", (0.3, 0.5), (0.7, 0.5))
    touch("touchMove", (0.3, 0.4), (0.7, 0.4))
    touch("touchEnd")
    view = view_of(page)
    # The middle of the fingers was at the middle of the grid, and stays on it.
    assert view == pytest.approx([0.25, 0.3, 2], abs=0.01)
    shown(page, like=wanted(painted, 390, view))


def test_strokes_hit_the_cell_that_is_seen_there(visit):
    page = open_dish(visit, "cells&tool=draw&brush=small&ink=00ff00&view=0.5,0.25,4")
    page.mouse.click(*at(page, 0.1, 0.9))  # 0.525 and 0.475 of the grid: column 8, row 7
    page.keyboard.press("0")
    page.wait_for_function(f"document.getElementById('dish').width === {RES}")
    page.wait_for_timeout(300)
    green = (shown(page) == [0, 255, 0]).all(axis=2)
    assert np.argwhere(green).tolist() == [[7, 8]]


def test_a_link_to_a_part_that_makes_no_sense_is_named(visit):
    for view in ("0.5,0.5", "0.5,0.5,1", "-1,0,2", "0.5,0.5,NaN"):
        page = open_dish(visit, f"painted&view={view}")
        assert "no valid view" in page.locator("#error").text_content()


@pytest.mark.parametrize("engine", ["webgl", "wasm"])
def test_a_picture_is_saved_as_large_as_it_is_asked_for(visit, painted, engine):
    page = open_dish(visit, f"painted&engine={engine}&view=0.5,0.25,2")
    page.select_option("#pixels", "1024")
    with page.expect_download() as saved:
        page.click("#picture")
    assert saved.value.suggested_filename == "painted-0-1024px.png"
    found = pixels(saved.value.path().read_bytes())
    assert found.shape == (1024, 1024, 3)
    assert np.abs(found - wanted(painted, 1024, (0.5, 0.25, 2))).max() <= 1


def test_a_dish_on_a_page_of_articles_zooms_with_ctrl_alone(visit, painted):
    page = visit("component.html")
    canvas = "document.querySelector('petri-dish').shadowRoot.querySelector('canvas')"
    shown(page, like=wanted(painted, 200), selector=canvas)
    page.mouse.move(100, 100)
    page.mouse.wheel(0, 50)
    page.wait_for_function("scrollY === 50")
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -500)
    page.keyboard.up("Control")
    zoom = np.exp(1)
    part = (0.5 - 0.5 / zoom, 0.5 - 0.5 / zoom, zoom)
    shown(page, like=wanted(painted, 200, part), selector=canvas)
    assert page.evaluate("scrollY") == 0

"""The page in a real browser: every control is used as a visitor would, and what it shows is looked at."""

import base64
import dataclasses
import io
import json
import re
import threading
import time

import av
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from specs import tells_brightness, two_colours

from petri import modelfile, models
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.nca.colours import COLOURS, UNDECIDED
from petri.published import read_distill
from petri.training.recipe import Phase, Recipe
from petri.training.runs import Run
from petri.viewing.server import Server
from petri.viewing.site import build
from petri.viewing.specimens import gather

EVIL = "<img src=x onerror=window.hacked=1>"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
GREEN = (0, 255, 0)
SMALL = Spec.of(channels=6, hidden=16, layers=2, perception="sobel")
STILL = "model=circle&play=no&ink=00ff00"
# Cells in a worker answer when they can: a test must know whether all has been answered.
COUNT_ANSWERS = """
window.unanswered = 0;
const { Worker } = window;
window.Worker = class extends Worker {
    #unanswered = 0;
    constructor(...given) {
        super(...given);
        this.addEventListener('message', () => this.#count(-1));
    }
    #count(change) {
        this.#unanswered += change;
        window.unanswered += change;
    }
    postMessage(...message) {
        this.#count(1);
        super.postMessage(...message);
    }
    terminate() {
        this.#count(-this.#unanswered);
        super.terminate();
    }
};
"""


def serve(places):
    server = Server(0)
    server.site = build(gather([str(place) for place in places])[0])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three models: one of 64×64 cells that does not heal, one that does, and one with an evil name."""
    folder = tmp_path_factory.mktemp("models")
    modelfile.write(folder / "butterfly.safetensors", read_distill("tests/data/distill/ex3_butterfly.json"))
    recipe = {"phases": [{"res": 64, "epochs": 1, "batch": 1, "steps": [48, 96]}], "pool": {"damage": 0}}
    circle = Model(
        automaton=modelfile.read(models.find("circle")).automaton,
        target="circle",
        training={"recipe": recipe},
    )
    modelfile.write(folder / "circle.safetensors", circle)
    modelfile.write(folder / "evil.safetensors", Model(automaton=Automaton(SMALL), target=EVIL))
    server = serve([folder / f"{name}.safetensors" for name in ("circle", "butterfly", "evil")])
    yield server.url
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, site):
    """Open the page with a hash; at the end nothing may have gone wrong in any console."""
    contexts, problems = [], []

    def open_page(settings="", *, url=site, script=None, **options):
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(60_000)  # a busy machine is no fault
        contexts.append(context)
        page = context.new_page()
        page.problems = problems
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.add_init_script(COUNT_ANSWERS)
        if script:
            page.add_init_script(script)
        page.goto(f"{url}#{settings}")
        wait(page, f"Boolean({said('name')} || {said('error')})")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def wait(page, expression, arg=None):
    """Wait until an expression is true; Playwright's own way needs what the page's policy forbids."""
    end = time.monotonic() + 60
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"never true: {expression} {arg or ''}; {messages(page)}"
        page.wait_for_timeout(20)


def said(part):
    """What a part of the page says, in the page's own language."""
    return f"document.querySelector('#{part}').textContent"


def eventually(page, holds):
    """Wait until something is true of a page that lives on: its words may be a picture ahead of the dish."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, f"never true; {messages(page)}"
        page.wait_for_timeout(20)


def messages(page):
    return page.locator(".message").all_text_contents()


def text(page, name):
    return page.locator(f"#{name}").text_content()


def step(page):
    return int(text(page, "step").replace(",", ""))


def wait_for_step(page, number):
    wait(page, "least => +document.querySelector('#step').textContent.replace(/,/g, '') >= least", number)


def cells(page):
    """What the dish shows, uint8 `[height, width, 3]`, a pixel a cell."""
    return rgba(page)[:, :, :3]


def rgba(page):
    """The same with alpha; if it stands still, when all that was asked of it is done."""
    address = page.evaluate(
        """async () => {
            const playing = () => document.querySelector('#play').textContent === 'Pause';
            for (let still = 0; still < 3 && !playing();) {
                await new Promise(requestAnimationFrame);
                still = window.unanswered ? 0 : still + 1;
            }
            return document.querySelector('#dish').toDataURL();
        }"""
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA"))


def green(page):
    return (cells(page) == GREEN).all(axis=2)


def at(page, x, y):
    """A place in the window, by its fractions of the dish."""
    box = page.locator("#dish").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def choose(page, words):
    page.get_by_text(words, exact=True).click()


def test_a_pattern_grows_and_lives_on(visit):
    page = visit("model=butterfly&speed=500")
    wait_for_step(page, 100)
    shown = cells(page).astype(int)
    assert page.locator("#dish").get_attribute("width") == "72"
    # The butterfly's brown and orange; beyond it the dish.
    assert (shown[:, :, 0] - shown[:, :, 2] > 60).sum() > 300
    assert (shown[:5] == shown[0, 0]).all()
    assert text(page, "heals") == "Trained to heal: erase a part and watch it grow back."
    assert "sobel · 128 hidden · 2 layers · living mask" in text(page, "facts")
    assert "CC BY 4.0" in text(page, "facts")
    assert re.fullmatch(r"WebAssembly.*|WebGL2.*", text(page, "engine"))
    wait(page, "+document.querySelector('#rate').textContent > 0")


def test_play_pause_step_and_reset(visit):
    page = visit(STILL)
    assert (step(page), text(page, "play")) == (0, "Play")
    for number in (1, 2):
        page.click("#single")
        wait_for_step(page, number)
    assert step(page) == 2
    page.click("#play")
    wait_for_step(page, 5)
    page.click("#play")
    cells(page)  # the steps that were asked for before are taken
    stopped = step(page)
    page.wait_for_timeout(150)
    assert step(page) == stopped
    page.click("#reset")
    wait(page, "document.querySelector('#step').textContent === '0'")


def test_a_specimen_is_picked_by_click_and_by_arrow_key(visit):
    page = visit(STILL)
    assert text(page, "name") == "circle"
    assert text(page, "heals") == "Not trained to heal: what you erase may not come back."
    page.locator("#picker label").nth(1).click()
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    assert page.locator("input[name=model]:checked").get_attribute("value") == "butterfly"
    assert "heals" in page.locator("#picker label").nth(1).text_content()
    assert "heals" not in page.locator("#picker label").nth(0).text_content()
    page.keyboard.press("ArrowLeft")
    wait(page, "document.querySelector('#name').textContent === 'circle'")


def test_names_are_text_whatever_they_look_like(visit):
    page = visit("model=evil&play=no")
    assert text(page, "name") == "evil" and f"Grows{EVIL}" in text(page, "facts")
    drop(page, (f"{EVIL}.safetensors", modelfile.to_bytes(Model(automaton=Automaton(SMALL), target=EVIL))))
    wait(page, "(name) => document.querySelector('#name').textContent === name", EVIL)
    assert page.locator("#picker label").nth(3).locator("span").text_content() == EVIL
    assert page.locator("#picker img").count() == 4 and page.locator("#name img, #facts img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_drawing_erasing_and_seeding_with_the_mouse(visit):
    page = visit(STILL)
    empty = cells(page)
    choose(page, "Draw")
    page.mouse.click(*at(page, 0.25, 0.5))
    disc = green(page)
    rows, columns = np.nonzero(disc)
    # 64 cells across, medium: 6 %, so a disc of radius 3.84 around column 16 and row 32, between cells.
    assert disc.sum() == pytest.approx(np.pi * 3.84**2, rel=0.15)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (12, 19, 28, 35)
    page.mouse.move(*at(page, 0.25, 0.2))
    page.mouse.down()
    page.mouse.move(*at(page, 0.75, 0.2))
    page.mouse.up()
    assert green(page)[12, 16:48].all()  # a fast hand leaves no gaps
    choose(page, "Erase")
    page.mouse.click(*at(page, 0.25, 0.5))
    assert not green(page)[28:36].any() and green(page)[12, 16:48].all()
    choose(page, "Draw")
    page.mouse.click(*at(page, 0.5, 0.2), button="right")  # the second button erases
    assert not green(page)[12, 31:33].any()
    page.click("#reset")
    assert (cells(page) == empty).all()
    choose(page, "Seed")
    page.mouse.click(*at(page, 0.1, 0.9))
    page.select_option("#channel", label="Alpha")
    shown = cells(page)[:, :, 0]
    assert sorted(map(tuple, np.argwhere(shown == shown.max()))) == [(32, 32), (57, 6)]
    assert len(np.unique(shown)) == 2


def test_three_brush_sizes(visit):
    page = visit("tool=draw&" + STILL)
    counts = []
    for size in ("small", "medium", "large"):
        page.locator(f"input[value={size}] + span").click()
        page.click("#reset")
        page.mouse.click(*at(page, 0.5, 0.5))
        counts.append(int(green(page).sum()))
    assert counts[0] >= 9 and counts[1] > 3 * counts[0] and counts[2] > 3 * counts[1]


def test_touch_with_two_fingers(visit):
    page = visit("tool=draw&brush=small&" + STILL, **PHONE)
    page.touchscreen.tap(*at(page, 0.5, 0.5))
    assert green(page)[32, 32]
    session = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [
            dict(zip("xy", at(page, *place), strict=True)) | {"id": i} for i, place in enumerate(places)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.25, 0.25))
    touch("touchMove", (0.25, 0.2))  # it draws: one that comes now draws too, and does not zoom
    touch("touchStart", (0.25, 0.2), (0.75, 0.25))
    touch("touchMove", (0.25, 0.1), (0.75, 0.1))
    touch("touchEnd")
    drawn = green(page)
    assert drawn[7:16, 16].all() and drawn[7:16, 48].all() and not drawn[16, 20:44].any()


def test_the_other_end_of_a_pen_erases(visit):
    page = visit("tool=draw&" + STILL)
    page.mouse.click(*at(page, 0.5, 0.5))
    assert green(page).any()
    page.evaluate(
        """([x, y]) => {
            const canvas = document.querySelector('#dish');
            canvas.setPointerCapture = () => {};  // the browser knows of no such pen
            const eraser = { pointerId: 9, pointerType: 'pen', button: 5, buttons: 32 };
            canvas.dispatchEvent(new PointerEvent('pointerdown', { ...eraser, clientX: x, clientY: y }));
        }""",
        list(at(page, 0.5, 0.5)),
    )
    assert not green(page).any()


def test_the_grid_the_channels_and_the_fire_seed(visit):
    page = visit(STILL)
    offered = page.locator("#size option").all_text_contents()
    assert offered[0] == "As trained, 64" and (offered[1], offered[-1]) == ("64 × 64", "512 × 512")
    page.select_option("#size", "128")
    assert cells(page).shape == (128, 128, 3)
    assert page.locator("#channel option").all_text_contents()[-1] == "Hidden 12"
    page.select_option("#channel", label="Hidden 12")
    shown = cells(page)[:, :, 0]
    assert shown[64, 64] > 200 and (shown == shown[64, 64]).sum() == 1

    def grown(seed):
        page.fill("#seed", str(seed))
        page.keyboard.press("Tab")
        for _ in range(3):
            page.click("#single")
        return cells(page)

    first, second, again = grown(1), grown(2), grown(1)
    assert (first == again).all() and (first != second).any()
    page.fill("#seed", "-4")
    page.keyboard.press("Tab")
    assert page.input_value("#seed") == "0"


def test_every_key_does_what_the_list_says(visit):
    page = visit(STILL)
    choosers, checked = [], {}
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # from here on, or it comes too late

    def press(key, expression, wanted):
        page.keyboard.press(key)
        wait(page, f"({expression}) === {json.dumps(wanted)}")
        checked[key.lower()] = True

    tool, brush = (
        f"document.querySelector('input[name={name}]:checked').value" for name in ("tool", "brush")
    )
    name, play = (f"document.querySelector('#{part}').textContent" for part in ("name", "play"))
    press(" ", play, "Pause")
    press(" ", play, "Play")
    press("r", "document.querySelector('#step').textContent", "0")
    press(".", "document.querySelector('#step').textContent", "1")
    press("n", name, "butterfly")
    press("b", name, "circle")
    press("b", name, "evil")
    press("n", name, "circle")
    page.keyboard.press("w")  # there is nothing to paint here
    press("d", tool, "draw")
    press("s", tool, "seed")
    press("e", tool, "erase")
    for key, size in (("1", "small"), ("2", "medium"), ("3", "large")):
        press(key, brush, size)
    speed = "document.querySelector('#speed').value"
    press("+", speed, "1.65")
    press("=", speed, "1.8")
    press("-", speed, "1.65")
    press("]", "document.querySelector('#size').value", "64")
    press("[", "document.querySelector('#size').value", "")
    press("c", "document.querySelector('#channel').value", "0")
    press("x", "document.querySelector('#channel').value", "")
    zoom = "document.querySelector('#whole').textContent"
    press("i", zoom, "1.3×")
    press("i", zoom, "1.6×")
    press("u", zoom, "1.3×")
    press("0", zoom, "1.0×")
    theme = "document.documentElement.dataset.theme"
    press("t", theme, "dark")
    press("t", theme, "light")
    press("l", "document.querySelector('#message').textContent", "The link is copied.")
    for key in ("h", "?"):
        press(key, "document.querySelector('#help').open", True)
        page.keyboard.press("d")  # not while the list is open
        page.keyboard.press("Escape")
        assert page.locator("input[name=tool]:checked").get_attribute("value") == "erase"
    page.keyboard.press("o")
    end = time.monotonic() + 60
    while not choosers:
        assert time.monotonic() < end, "no file was asked for"
        page.wait_for_timeout(20)
    with page.expect_download():
        page.keyboard.press("p")
    page.keyboard.press("v")
    wait(page, "document.querySelector('#record').textContent.startsWith('Stop')")
    with page.expect_download():
        page.keyboard.press("v")
    page.keyboard.press("g")
    wait(page, "document.querySelector('#message').textContent.startsWith('The same as in PyTorch')")
    full = "document.fullscreenElement?.id ?? ''"
    press("f", full, "frame")
    press("f", full, "")
    listed = {key.lower() for key in page.locator("#key-list kbd").all_text_contents()}
    assert listed - {"space", "arrows", "enter"} == set(checked) - {" "} | set("opvgwam")


def test_the_dish_can_be_drawn_on_by_keyboard(visit):
    page = visit("tool=draw&brush=small&" + STILL)
    page.focus("#dish")
    page.keyboard.press("ArrowLeft")
    for _ in range(8):
        page.keyboard.press("Shift+ArrowUp")  # a cell at a time
    page.keyboard.press("Enter")
    rows, columns = np.nonzero(green(page))
    assert (rows.mean(), columns.mean()) == (pytest.approx(23.5, abs=0.6), pytest.approx(30.5, abs=0.6))


def test_keys_are_left_alone_where_somebody_types(visit):
    page = visit(STILL)
    page.focus("#seed")
    page.keyboard.type("e1")
    page.keyboard.press("d")
    assert page.locator("input[name=tool]:checked").get_attribute("value") == "erase"
    page.locator("#keys").click()
    page.get_by_text("Single keys are shortcuts").click()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("d")
    assert page.locator("input[name=tool]:checked").get_attribute("value") == "erase"


def test_a_link_carries_the_view(visit):
    page = visit(STILL)
    page.locator("#picker label").nth(1).click()
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    page.select_option("#size", "96")
    page.fill("#seed", "4294967295")
    page.select_option("#channel", label="Hidden 3")
    choose(page, "Draw")
    page.locator("input[value=large] + span").click()
    page.locator("#speed").evaluate(
        "(slider) => { slider.value = 2; slider.dispatchEvent(new Event('input')); }"
    )
    page.click("#link")
    wait(page, "document.querySelector('#message').textContent === 'The link is copied.'")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url  # the address is always the link
    other = visit(link.split("#")[1])
    assert text(other, "name") == "butterfly" and cells(other).shape == (96, 96, 3)
    for part, value in (
        ("seed", "4294967295"),
        ("size", "96"),
        ("channel", "6"),
        ("speed", "2"),
        ("ink", "#00ff00"),
    ):
        assert other.input_value(f"#{part}") == value
    assert text(other, "speed-said") == "100 steps/s" and text(other, "play") == "Play"
    for name, value in (("tool", "draw"), ("brush", "large")):
        assert other.locator(f"input[name={name}]:checked").get_attribute("value") == value
    assert other.url == link


def test_a_link_that_asks_for_nonsense_is_not_followed_blindly(visit):
    page = visit("model=butterfly&size=100000&seed=-1&speed=0&channel=1e1&tool=axe&other=1&play=no")
    assert text(page, "error") == "The link has no valid size, seed, speed, channel, tool."
    assert text(page, "name") == "butterfly" and cells(page).shape == (72, 72, 3)
    page = visit(f"model={EVIL}&play=no")
    assert text(page, "error") == f"The link asks for {EVIL}, which is not here."
    assert text(page, "name") == "butterfly" and page.evaluate("window.hacked") is None
    page = visit("model=butterfly&channel=40&seed=-1&play=no")
    assert text(page, "error") == "The link has no valid seed, channel."
    assert page.input_value("#channel") == ""
    # The address may also change while the page is open.
    page.evaluate("location.hash = 'model=butterfly&size=64&play=no'")
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    assert cells(page).shape == (64, 64, 3) and text(page, "error") == ""
    for engine, words in (("webgl", "WebGL2"), ("wasm", "WebAssembly")):
        page.evaluate(f"location.hash = 'model=butterfly&size=64&play=no&engine={engine}'")
        wait(page, f"document.querySelector('#engine').textContent.startsWith('{words}')")
        page.click("#single")
        wait_for_step(page, 1)
        assert cells(page).any() and text(page, "error") == ""


def test_a_grid_that_the_gpu_has_no_room_for_loses_nothing(visit):
    full = """
        const get = WebGL2RenderingContext.prototype.getError;
        WebGL2RenderingContext.prototype.getError = function () {
            return window.full ? this.OUT_OF_MEMORY : get.call(this);
        };
    """
    page = visit(f"engine=webgl&size=96&tool=draw&{STILL}", script=full)
    page.mouse.click(*at(page, 0.5, 0.5))
    before = cells(page)
    page.evaluate("window.full = true")
    page.select_option("#size", "256")
    wait(page, "document.querySelector('#error').textContent.includes('no room for a grid of 256')")
    assert page.input_value("#size") == "96" and (cells(page) == before).all()
    page.locator("#picker label", has_text="butterfly").click()
    wait(page, "document.querySelector('#error').textContent.startsWith('butterfly: this GPU has no room')")
    assert text(page, "name") == "circle" and (cells(page) == before).all()
    page.click("#single")
    wait_for_step(page, 1)
    page.evaluate("window.full = false")
    page.select_option("#size", "256")
    assert cells(page).shape == (256, 256, 3)


def test_the_picture_is_what_the_dish_shows(visit):
    page = visit("tool=draw&" + STILL)
    page.mouse.click(*at(page, 0.3, 0.6))
    shown = cells(page)
    with page.expect_download() as saved:
        page.click("#picture")
    assert saved.value.suggested_filename == "circle-0.png"
    picture = Image.open(saved.value.path())
    assert picture.format == "PNG" and picture.size == (512, 512)
    assert (np.asarray(picture.convert("RGB")) == shown.repeat(8, axis=0).repeat(8, axis=1)).all()


@pytest.mark.parametrize(("speed", "rate", "every"), [(120, 30, 4), (10, 10, 1)])
def test_a_recording_has_a_fixed_rate(visit, speed, rate, every):
    page = visit(f"speed={speed}&{STILL}")
    page.click("#record")
    wait_for_step(page, 6 * every)
    page.click("#play")
    cells(page)  # the steps that were asked for before are taken
    with page.expect_download() as saved:
        page.click("#record")
    assert saved.value.suggested_filename == "circle.webm"
    with av.open(str(saved.value.path())) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name in ("vp8", "vp9") and (stream.width, stream.height) == (512, 512)
        frames = list(video.decode(stream))
        assert video.duration == pytest.approx(len(frames) / rate * 1e6, abs=2000)
    # Every frame is as many steps after the one before, and as long, whatever the machine did meanwhile.
    assert len(frames) == 1 + step(page) // every
    assert [frame.time for frame in frames] == pytest.approx(
        [n / rate for n in range(len(frames))], abs=0.001
    )
    last = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(last - cells(page).repeat(8, axis=0).repeat(8, axis=1)).mean() < 6


def drop(page, *files):
    """Drop files, as (name, content), on the page."""
    page.evaluate(
        """(files) => {
            const data = new DataTransfer();
            for (const [name, content] of files)
                data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
            for (const type of ['dragover', 'drop'])
                document.body.dispatchEvent(
                    new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [[name, base64.b64encode(content).decode()] for name, content in files],
    )


def test_a_model_that_is_dropped_runs(visit):
    page = visit("play=no&speed=1000")
    drop(page, ("lizard.safetensors", modelfile.to_bytes(read_distill("tests/data/distill/ex1_lizard.json"))))
    wait(page, "document.querySelector('#name').textContent === 'lizard'")
    assert text(page, "heals").startswith("Trained to grow, not to last")
    assert page.locator("#verify").is_disabled()  # a file brings no golden values
    page.click("#play")
    wait_for_step(page, 100)
    shown = cells(page).astype(int)
    assert (shown[:, :, 1] - shown[:, :, 0] > 60).sum() > 200  # it is green
    wait(page, "document.querySelectorAll('#picker img')[3].src.startsWith('data:image/png')")
    assert "model=" not in page.url
    page.click("#link")
    wait(page, "document.querySelector('#message').textContent.includes('only on this device')")


def test_a_file_that_is_no_model_is_one_line_and_loses_nothing(visit, random_automaton):
    page = visit(STILL)
    good = modelfile.to_bytes(read_distill("tests/data/distill/ex1_lizard.json"))
    for name, content, said in (
        ("cat.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "cat.png: not a model file: no safetensors header"),
        ("empty.safetensors", b"", "empty.safetensors is not a model: it is empty, or a folder"),
        ("cut.safetensors", good[:-4], "cut.safetensors: not a model file: "),
        (f"{EVIL}.safetensors", b"{}", f"{EVIL}.safetensors: not a model file: too short"),
    ):
        drop(page, (name, content))
        wait(page, "(said) => document.querySelector('#error').textContent.startsWith(said)", said)
    assert text(page, "name") == "circle" and page.locator("#picker label").count() == 3
    page.click("#single")
    wait_for_step(page, 1)
    # A good one among bad ones is taken, by the button too.
    page.set_input_files(
        "#file",
        [
            {"name": "cut.safetensors", "mimeType": "", "buffer": good[:-4]},
            {"name": "circle.safetensors", "mimeType": "", "buffer": good},
        ],
    )
    wait(page, "document.querySelector('#name').textContent === 'circle-2'")
    wait(page, "document.querySelector('#error').textContent.startsWith('cut.safetensors: not a model file')")
    assert page.locator("input[name=model]:checked").get_attribute("value") == "circle-2"
    page.evaluate(
        """() => document.body.dispatchEvent(new DragEvent('drop',
            { dataTransfer: new DataTransfer(), bubbles: true, cancelable: true }))"""
    )
    assert text(page, "error").startswith("What was dropped is no file")
    assert page.evaluate("window.hacked") is None


KEEP_CONTEXTS = """
window.contexts = [];
for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
  const get = kind.prototype.getContext;
  kind.prototype.getContext = function (name, ...rest) {
    const context = get.call(this, name, ...rest);
    if (name === 'webgl2' && context) window.contexts.push(context);
    return context;
  };
}
"""


def test_lost_graphics_come_back(visit):
    page = visit(f"engine=webgl&size=32&{STILL}", script=KEEP_CONTEXTS)
    assert text(page, "engine").startswith("WebGL2")
    for number in (1, 2):
        page.click("#single")
        wait_for_step(page, number)
    page.evaluate(
        "window.lose = contexts.find((gl) => !gl.isContextLost()).getExtension('WEBGL_lose_context')"
    )
    page.evaluate("window.lose.loseContext()")
    wait(page, "document.querySelector('#error').textContent.startsWith('The graphics were lost')")
    page.evaluate("window.lose.restoreContext()")
    wait(page, "document.querySelector('#message').textContent === 'The graphics are back.'")
    assert text(page, "error") == ""
    wait(page, f"{said('step')} === '0'")  # what was kept: shown with the next picture, after the message
    page.click("#single")
    wait(page, f"{said('step')} === '1'")
    assert cells(page).any()


def test_the_page_itself_computes_nothing_where_the_processor_steps(visit):
    forbidden = "WebAssembly.instantiate = () => { throw new Error('on the page'); };"
    page = visit("model=butterfly&engine=wasm&size=512&speed=1000", script=forbidden)
    wait_for_step(page, 2)
    assert len(page.workers) == 1
    page.click("#play")
    assert text(page, "play") == "Play"
    cells(page)
    stopped = step(page)
    page.click("#single")
    wait_for_step(page, stopped + 1)
    cells(page)
    assert step(page) == stopped + 1
    # Without workers it goes on all the same.
    page = visit("model=butterfly&engine=wasm&size=32&speed=1000", script="delete window.Worker;")
    wait_for_step(page, 20)
    assert not page.workers and text(page, "engine").startswith("WebAssembly")


def test_it_opens_on_a_figure_that_asks_to_be_wounded(visit):
    page = visit("play=no")
    assert text(page, "name") == "butterfly"  # the first figure, though not the first model
    hint = page.locator("#hint")
    assert hint.is_visible() and hint.text_content() == "Drag to wound it"
    choose(page, "Draw")
    assert hint.is_hidden()
    choose(page, "Erase")
    page.mouse.move(*at(page, 0.5, 0.9))  # on the hint itself
    page.mouse.down()
    page.mouse.move(*at(page, 0.6, 0.9))
    page.mouse.up()
    assert hint.is_hidden()
    assert visit(STILL).locator("#hint").is_hidden()  # a plane


def measured(percent, **training):
    """Content of a model file that says what was measured of it; trained on 64×64 cells."""
    regeneration = [{"kind": "half", "percent": 3.0}, {"kind": "circle", "percent": percent}]
    training["recipe"] = {
        "phases": [{"res": 64, "steps": [9, 9]}],
        "pool": {"damage": training.pop("damage")},
    }
    training["evaluation"] = {
        "loss": {"rgb": {"pattern": 0.004}},
        "regeneration": regeneration,
        "sizes": [{"res": 96, "loss": 0.011}, {"res": 128, "loss": 0.1724}],
    }
    return modelfile.to_bytes(Model(automaton=Automaton(SMALL), target="t", training=training))


@pytest.mark.parametrize(
    ("percent", "damage", "sentence"),
    [
        (101.3, 0, "Heals, though it was not trained to: of a circle that is cut out, 100 % grows back."),
        (97.8, 1, "Heals: of a circle that is cut out, 98 % grows back."),
        (61.4, 1, "Heals in part: of a circle that is cut out, 61 % grows back."),
        (-75.0, 1, "Does not heal: of a circle that is cut out, 0 % grows back."),
        (None, 0, "Not trained to heal: what you erase may not come back."),
    ],
)
def test_whether_it_heals_is_what_was_measured(visit, percent, damage, sentence):
    page = visit(STILL)
    drop(page, ("m.safetensors", measured(percent, damage=damage)))
    wait(page, "document.querySelector('#name').textContent === 'm'")
    assert text(page, "heals") == sentence
    heals = percent is not None and percent > 90
    assert ("heals" in page.locator("#picker label").nth(3).text_content()) == heals
    cuts = "half 3 %" if percent is None else f"half 3 %, circle {min(100, max(0, round(percent)))} %"
    assert f"Healed{cuts}" in text(page, "facts")


def test_the_grids_say_where_the_pattern_holds_and_each_specimen_begins_as_trained(visit):
    page = visit(STILL)
    assert text(page, "size-note") == ""
    page.select_option("#size", "96")
    unmeasured = "Not measured on this grid: it was trained on 64 × 64."
    wait(page, "(said) => document.querySelector('#size-note').textContent === said", unmeasured)
    drop(page, ("m.safetensors", measured(100, damage=1)))
    wait(page, "document.querySelector('#name').textContent === 'm'")
    assert page.input_value("#size") == "" and cells(page).shape == (64, 64, 3)
    assert page.locator("#size option").all_text_contents()[:5] == [
        "As trained, 64",
        "64 × 64",
        "96 × 96 · holds",
        "128 × 128 · breaks",
        "192 × 192",
    ]
    page.select_option("#size", "128")
    said = "Breaks on this grid: an error of 0.17, and 0.0040 as trained."
    wait(page, "(said) => document.querySelector('#size-note').textContent === said", said)
    page.locator("#picker label").nth(0).click()
    wait(page, "document.querySelector('#name').textContent === 'circle'")
    assert page.input_value("#size") == "" and cells(page).shape == (64, 64, 3)


def test_a_link_means_the_same_whatever_was_chosen_before(visit):
    page = visit("model=circle&speed=500&tool=draw&brush=large&ink=00ff00&seed=7&channel=2&size=96&play=no")
    page.evaluate("location.hash = 'model=butterfly&play=no'")
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    fresh = visit("model=butterfly&play=no")
    assert page.url == fresh.url
    assert text(page, "speed-said") == "30 steps/s" and page.input_value("#ink") == "#e8a33d"
    for name, value in (("tool", "erase"), ("brush", "medium")):
        assert page.locator(f"input[name={name}]:checked").get_attribute("value") == value


def test_the_way_back_leads_to_the_specimen_before(visit):
    page = visit(STILL)
    drop(page, ("mine.safetensors", measured(100, damage=1)))
    wait(page, "document.querySelector('#name').textContent === 'mine'")
    page.locator("#picker label", has_text="butterfly").click()
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    page.select_option("#size", "96")  # stays on the page of the butterfly
    for name in ("mine", "circle"):
        page.evaluate("history.back()")
        wait(page, "(name) => document.querySelector('#name').textContent === name", name)
    page.evaluate("history.go(2)")
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    wait(page, "document.querySelector('#size').value === '96'")  # it is listed when the model is there
    assert text(page, "error") == ""


def test_every_file_that_is_dropped_gets_its_name_and_its_picture(visit):
    page = visit(STILL)
    lizard = modelfile.to_bytes(read_distill("tests/data/distill/ex1_lizard.json"))
    drop(page, *((f"{name}.safetensors", lizard) for name in ("checkerboard", "b", "model")))
    drawn = "[...document.querySelectorAll('#picker img')].filter((img) => img.naturalWidth).length"
    wait(page, f"{drawn} === 6")
    assert page.locator("#picker span").all_text_contents()[3:] == ["checkerboard", "b", "lizard"]
    # A name of twelve letters is not cut.
    box = "document.querySelectorAll('#picker span')[3]"
    assert page.evaluate(
        f"{box}.scrollWidth <= {box}.clientWidth && {box}.scrollHeight <= {box}.clientHeight"
    )
    for number in (3, 4, 5):
        address = page.locator("#picker img").nth(number).get_attribute("src")
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA"))
        shown = picture.astype(int)
        assert (shown[:, :, 1] - shown[:, :, 0] > 60).sum() > 200 and shown[0, 0, 3] == 0


def figure(*colour, **training):
    """Content of the file of a model that grows a disc of one colour."""
    automaton = Automaton(
        Spec.of(channels=6, hidden=16, layers=2, perception="sobel", living=True, clamp=1.0)
    )
    for values in automaton.parameters():
        values.data.zero_()
    automaton.rule.biases[-1].data[:4] = 0.25 * torch.tensor((*colour, 1.0))
    training["recipe"] = {"phases": [{"res": 32, "steps": [24, 24]}]}
    return modelfile.to_bytes(Model(automaton=automaton, target="disc", training=training))


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_figure_is_shown_on_a_ground_that_it_can_be_seen_on(visit, scheme):
    page = visit(STILL, color_scheme=scheme)
    for name, content, ground in (
        ("white", figure(1, 1, 1), (0, 0, 0)),
        ("black", figure(0, 0, 0), (255, 255, 255)),
        ("said", figure(0, 0, 0, ground="#336699"), (0x33, 0x66, 0x99)),
    ):
        drop(page, (f"{name}.safetensors", content))
        wait(page, "(name) => document.querySelector('#name').textContent === name", name)
        wait(page, "document.querySelector('#picker label:last-child img').src")
        assert tuple(cells(page)[0, 0]) == ground, name
    page.select_option("#ground", label="See-through")
    assert rgba(page)[0, 0, 3] == 0
    assert "ground=transparent" in page.url
    with page.expect_download() as saved:
        page.click("#picture")
    assert np.asarray(Image.open(saved.value.path()).convert("RGBA"))[0, 0, 3] == 0
    page.select_option("#ground", label="Black")
    assert tuple(rgba(page)[0, 0]) == (0, 0, 0, 255)
    page.evaluate("location.hash = 'model=butterfly&play=no&ground=ff8800'")
    wait(page, "document.querySelector('#name').textContent === 'butterfly'")
    assert tuple(cells(page)[0, 0]) == (0xFF, 0x88, 0)
    page.locator("#picker label").nth(0).click()
    wait(page, "document.querySelector('#name').textContent === 'circle'")
    assert page.locator("#with-ground").is_hidden()  # a plane covers it


def overlap(one, other):
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "width"), ("y", "height"))
    )


def test_an_error_covers_nothing_that_can_be_chosen_and_goes(visit):
    for options in ({}, PHONE):
        page = visit(STILL, **options)
        drop(page, ("cat.png", bytes(64)))
        wait(page, "document.querySelector('#error').textContent")
        box = page.locator(".message.error").bounding_box()
        for part in ("specimens", "controls"):
            assert not overlap(box, page.locator(f"#{part}").bounding_box())
        page.get_by_role("button", name="Close the message").click()
        assert text(page, "error") == "" and page.locator(".message.error").is_hidden()
    hasty = "const wait = setTimeout; window.setTimeout = (act, time) => wait(act, time > 20000 ? 1 : time);"
    page = visit(STILL, script=hasty)
    drop(page, ("cat.png", bytes(64)))
    wait(page, "document.querySelector('#error').textContent === ''")  # by itself, in time


def test_without_webgl_and_webassembly_the_page_says_so(visit):
    nothing = """
        for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
            const get = kind.prototype.getContext;
            kind.prototype.getContext = function (name, ...rest) {
                return name === 'webgl2' ? null : get.call(this, name, ...rest);
            };
        }
        delete window.WebAssembly;
    """
    page = visit(script=nothing)
    wait(page, "document.querySelector('#error').textContent")
    said = text(page, "error")
    assert "WebGL2" in said and "WebAssembly" in said and "\n" not in said
    for button in ("play", "single", "reset", "picture", "record", "verify"):
        assert page.locator(f"#{button}").is_disabled()
    page.keyboard.press("p")  # nothing to act on, and nothing breaks


def test_less_motion_is_respected(visit):
    page = visit("model=butterfly", reduced_motion="reduce")
    assert text(page, "play") == "Play"
    assert text(page, "message").startswith("Paused, because your system asks for less motion.")
    wait_for_step(page, 100)  # grown, without the growing
    assert step(page) == 100
    assert (cells(page)[36] != cells(page)[0, 0]).any()
    page.click("#play")
    wait_for_step(page, 102)


def test_on_a_phone_the_dish_fills_the_width_and_the_controls_lie_below(visit):
    page = visit(STILL, **PHONE)
    dish = page.locator("#dish").bounding_box()
    assert (dish["x"], dish["width"], dish["height"]) == (0, 390, 390)
    controls = page.locator("#controls").bounding_box()
    assert controls["y"] > dish["y"] + dish["height"] and controls["y"] + controls["height"] == 844
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for part in ("play", "single", "reset"):
        assert page.locator(f"#{part}").bounding_box()["height"] >= 44  # a fingertip
    page.tap("#play")
    wait_for_step(page, 2)


@pytest.mark.parametrize(("width", "height"), [(740, 360), (320, 256), (820, 600), (568, 320)])
def test_a_window_of_any_shape_shows_the_whole_dish_and_scrolls(visit, width, height):
    page = visit(
        "tool=draw&" + STILL, viewport={"width": width, "height": height}, has_touch=True, is_mobile=True
    )
    short = height < 500
    dish = page.locator("#dish").bounding_box()
    assert dish["width"] == dish["height"] <= min(width, height - 50)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    fixed = page.evaluate("getComputedStyle(document.querySelector('#controls')).position === 'fixed'")
    assert fixed != short
    session = page.context.new_cdp_session(page)

    def swipe(across, down):
        x, y = at(page, 0.5, 0.5)
        for part in range(11):
            point = {"x": x + across * part / 10, "y": y + down * part / 10}
            kind = "touchMove" if part else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(0, -80)
    if short:
        wait(page, "scrollY > 40")
    scrolled = page.evaluate("scrollY")
    drawn = bool(green(page).any())
    assert (scrolled > 40, drawn) == (short, not short), scrolled
    page.evaluate("scrollTo(0, 0)")
    page.click("#reset")
    page.evaluate("scrollTo(0, 0)")
    swipe(60, 0)
    assert green(page).sum() > 30  # sideways it draws
    page.click("#reset")
    page.evaluate("scrollTo(0, 0)")
    page.touchscreen.tap(*at(page, 0.25, 0.25))
    assert green(page)[16, 16]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(visit, scheme):
    for options in ({}, PHONE):
        page = visit("model=butterfly&tool=draw&play=no", color_scheme=scheme, **options)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.search(r"\d+", background)[0]) < 64) == (scheme == "dark")
        looks = [
            "",
            "document.querySelector('#error').textContent = 'What went wrong.'",
            "document.querySelector('#help').showModal()",
        ]
        for look in looks if not options else looks[:1]:
            page.evaluate(look or "1")
            found = Axe().run(page).response["violations"]
            assert not [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")], found


def test_verify_reports_the_largest_difference(visit):
    page = visit(STILL)
    page.click("#verify")
    wait(page, "document.querySelector('#message').textContent.startsWith('The same')")
    largest = float(re.search(r"is (\d\.\de[-+]\d+)", text(page, "message"))[1])
    assert largest < 1e-4
    assert page.locator("#verify").is_enabled()


def test_a_run_is_followed_without_losing_the_state(visit, tmp_path):
    spec = Spec.of(channels=6, hidden=16, layers=2, perception="sobel")
    phase = Phase(res=32, epochs=40, batch=2, steps=(4, 8))
    recipe = Recipe(target="dot", name="dot", spec=spec, phases=(phase,))
    run = Run.create(tmp_path, "dot", recipe, room=0)

    def save(epoch, colour):
        automaton = Automaton(spec)
        for values in automaton.parameters():
            values.data.zero_()
        automaton.rule.biases[-1].data[:3] = torch.tensor(
            colour
        )  # every cell that fires takes on this colour
        run.rows = [(number + 1, 0.125) + (0.0,) * 8 for number in range(epoch)]
        tensors = {f"weights.{name}": value.detach() for name, value in automaton.named_parameters()}
        run.write_checkpoint(tensors, epoch, 1.5)

    server = serve([run.folder])
    try:
        page = visit("tool=draw&play=no&ink=00ff00", url=server.url)
        wait(page, "document.querySelector('#facts').textContent.includes('waiting for the first')")
        assert page.locator("#waiting").is_visible()  # and not just an empty dish
        page.mouse.click(*at(page, 0.5, 0.5))
        assert green(page)[16, 16]
        page.click("#single")
        wait_for_step(page, 1)
        save(3, (1.0, 0.0, 0.0))
        wait(page, "document.querySelector('#facts').textContent.includes('Epoch3 of 40')")
        assert "Loss now0.125" in text(page, "facts") and page.locator("#waiting").is_hidden()
        wait(page, "document.querySelector('#picker img').src.startsWith('data:image/png')")
        assert step(page) == 1 and green(page)[16, 16]  # the state goes on
        page.click("#single")
        wait_for_step(page, 2)
        red = cells(page)[:, :, 0] == 255
        assert 0.3 < red.mean() < 0.7  # with the new weights: the half that fired
        save(4, (0.0, 0.0, 1.0))
        wait(page, "document.querySelector('#facts').textContent.includes('Epoch4 of 40')")
        page.click("#single")
        wait_for_step(page, 3)
        assert (cells(page)[:, :, 2] == 255).any()
        (run.folder / "checkpoint.safetensors").write_bytes(b"nothing")
        wait(page, "document.querySelector('#error').textContent.includes('is not a checkpoint of this run')")
        page.close()
        page.problems[:] = [problem for problem in page.problems if "503" not in problem]  # asked for
    finally:
        server.shutdown()
        server.server_close()
        run.close()


@pytest.fixture(scope="module")
def conditions(tmp_path_factory):
    """A texture and a figure that are red or blue, and a model that knows nothing of it."""
    folder = tmp_path_factory.mktemp("conditions")
    modelfile.write(folder / "texture.safetensors", two_colours())
    modelfile.write(folder / "figure.safetensors", two_colours(living=True))
    server = serve([folder / "texture.safetensors", folder / "figure.safetensors", "lizard"])
    yield server.url
    server.shutdown()
    server.server_close()


def colours(page):
    """Whether each cell is more red than blue, and whether more blue."""
    shown = cells(page).astype(int)
    more = shown[:, :, 0] - shown[:, :, 2]
    return more > 100, more < -100


def pressed(page):
    buttons = page.locator("#conditions button")
    return [one.text_content() for one in buttons.all() if one.get_attribute("aria-pressed") == "true"]


def test_a_button_changes_the_world_while_it_lives(visit, conditions):
    page = visit("model=texture&speed=60", url=conditions)
    assert page.locator("#conditions button").all_text_contents() == ["🦎", "🦋"] and pressed(page) == ["🦎"]
    wait_for_step(page, 50)
    assert colours(page)[0].all() and "&target=%F0%9F%A6%8E" in page.url
    before = step(page)
    page.click("#conditions button:nth-child(2)")
    wait_for_step(page, before + 50)  # it lives on
    assert colours(page)[1].all() and pressed(page) == ["🦋"]
    page.click("#play")
    page.click("#reset")
    page.keyboard.press(".")
    wait(page, f"{said('step')} === '1'")
    red, blue = (cells(page)[:, :, channel].max() for channel in (0, 2))
    assert blue > 0 == red  # a new beginning asks for the same
    for label in ("🦎", "🦋"):  # by a key, one after the other, where the buttons are not seen, too
        page.keyboard.press("m")
        assert pressed(page) == [label]
    link = page.url.split("#")[1]
    other = visit(link, url=conditions)
    assert pressed(other) == ["🦋"] and other.url == page.url
    page.locator("#picker label").nth(2).click()
    wait(page, f"{said('name')} === 'lizard'")
    assert page.locator("#conditions").is_hidden() and "target" not in page.url


def test_a_link_names_what_it_is_to_be(visit, conditions):
    page = visit("model=figure&target=emoji:🦋&speed=60", url=conditions)
    assert pressed(page) == ["🦋"] and messages(page)[1].strip() == "×"
    assert page.locator("#with-paint").is_hidden()  # of a figure the whole is asked for
    wait_for_step(page, 40)
    red, blue = colours(page)
    assert blue.sum() > 100 and not red.any()
    page = visit("model=texture&target=🐢&play=no", url=conditions)
    assert pressed(page) == ["🦎"] and "The link has no valid target." in messages(page)[1]


def test_a_condition_is_painted_where_it_is_to_hold(visit, conditions):
    page = visit("model=texture&play=no&tool=paint&brush=large", url=conditions)
    assert page.locator("#with-paint").is_visible()
    page.click("#conditions button:nth-child(2)")  # what the brush paints with
    page.mouse.move(*at(page, 0.25, 0.5))
    page.mouse.down()
    page.mouse.move(*at(page, 0.25, 0.75), steps=3)
    page.mouse.up()
    page.click("#play")
    wait_for_step(page, 40)
    red, blue = colours(page)
    assert blue[17, 8] and blue[23, 8] and not blue[:, 16:].any()
    assert red[:, 20:].all() and not red[14:25, 6:10].any()
    assert not (red | blue)[17, 3:14].all()  # soft between


def test_a_texture_fills_the_full_screen_and_lives_on(visit, conditions):
    page = visit("model=texture&speed=60&seed=3", url=conditions)
    wait_for_step(page, 25)
    page.click("#full-screen")
    wait(page, "document.querySelector('#dish').width > 32")
    shown = page.locator("#dish").bounding_box()
    assert (shown["x"], shown["y"]) == (0, 0)
    assert (shown["width"], shown["height"]) == (DESKTOP["width"], DESKTOP["height"])
    height, width = cells(page).shape[:2]
    assert width / height == pytest.approx(1280 / 800, rel=0.03) and height > 32
    assert step(page) >= 25  # nothing began anew
    page.set_viewport_size({"width": 800, "height": 800})
    wait(page, "document.querySelector('#dish').width === document.querySelector('#dish').height")
    page.keyboard.press("f")
    wait(
        page, "document.querySelector('#dish').width === 32 && document.querySelector('#dish').height === 32"
    )
    assert step(page) >= 25
    page = visit("model=lizard", url=conditions)
    page.click("#full-screen")
    wait(page, "document.fullscreenElement !== null")
    shown = page.locator("#dish").bounding_box()
    assert (shown["width"], shown["height"], shown["x"]) == (800, 800, 240)  # a figure stays square
    assert cells(page).shape == (64, 64, 3)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious_about_the_buttons(visit, conditions, scheme):
    page = visit("model=texture&play=no", url=conditions, color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert not [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")], found


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier that tells dim from bright, and a model that knows nothing of it."""
    folder = tmp_path_factory.mktemp("classes")
    modelfile.write(folder / "light.safetensors", tells_brightness())
    server = serve([folder / "light.safetensors", "lizard"])
    yield server.url
    server.shutdown()
    server.server_close()


DIM, BRIGHT = (tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[:2])


def votes(page, colour):
    return (cells(page) == colour).all(axis=2)


def test_cells_vote_change_their_mind_and_are_counted(visit, classifier):
    page = visit("model=light&speed=60", url=classifier)
    assert page.locator("#classes button").all_text_contents() == ["dim", "bright"]
    wait(page, f"{said('verdict')} === 'bright · 100 % of the cells'")  # the last of its pictures
    eventually(page, lambda: votes(page, BRIGHT)[3:9, 9:15].all() and not votes(page, DIM).any())
    before = step(page)
    page.click("#classes button:nth-child(1)")
    wait(page, f"{said('verdict')} === 'dim · 100 % of the cells'")
    pressed = "document.querySelector('#classes [aria-pressed=true]').textContent"
    assert page.evaluate(pressed) == "dim" and step(page) > before  # it lives on
    eventually(page, lambda: votes(page, DIM)[4:12, 1:5].all() and not votes(page, BRIGHT).any())
    page.mouse.move(*at(page, 0.8, 0.2))
    page.mouse.down()
    page.mouse.move(*at(page, 0.8, 0.8), steps=6)
    page.mouse.up()
    wait(page, f"{said('verdict')}.startsWith('dim') && !{said('verdict')}.includes('100 %')")
    page.click("#clear")
    wait(page, f"{said('verdict')} === 'Draw something'")
    eventually(page, lambda: not cells(page).any())


def test_what_is_drawn_is_seen_at_once_and_stays_when_it_begins_again(visit, classifier):
    page = visit("model=light&play=no", url=classifier)
    assert page.locator("#tools label:visible").all_text_contents() == ["Erase", "Draw"]
    assert page.locator("#with-size").is_hidden() and page.locator("#ink").is_hidden()
    page.click("#clear")
    page.mouse.click(*at(page, 0.25, 0.25))
    grey = tuple(bytes.fromhex(UNDECIDED[1:]))
    assert votes(page, grey)[3:5, 3:5].all() and not cells(page)[8:].any()  # it has not voted yet
    page.click("#single")
    page.click("#single")
    page.click("#reset")
    assert votes(page, grey)[3:5, 3:5].all() and text(page, "step") == "0"
    choose(page, "Erase")
    page.mouse.click(*at(page, 0.25, 0.25))
    assert not cells(page)[3:5, 3:5].any()
    page.locator("#picker label").nth(1).click()
    wait(page, f"{said('name')} === 'lizard'")
    for part in ("classes", "verdict", "clear"):
        assert page.locator(f"#{part}").is_hidden()
    assert page.locator("#tools label:visible").all_text_contents() == ["Erase", "Draw", "Seed"]


def test_a_picture_of_the_visitors_own_is_looked_at(visit, classifier, tmp_path):
    paper = np.full((64, 64), 220, np.uint8)
    paper[16:48, 24:40] = 20
    Image.fromarray(paper).save(tmp_path / "ink.png")
    page = visit("model=light&speed=60", url=classifier)
    page.click("#clear")
    wait(page, f"{said('verdict')} === 'Draw something'")
    page.set_input_files("#own-file", tmp_path / "ink.png")
    wait(page, f"{said('verdict')} === 'bright · 100 % of the cells'")
    done = (
        "inverted, as it is dark on bright",
        "what is no brighter than its edge is left out",
        "made 16 × 16",
    )
    assert text(page, "message") == f"ink.png: {'; '.join(done)}."
    eventually(page, lambda: (votes(page, BRIGHT) == (paper[2::4, 2::4] == 20)).all())
    page.locator("#picker label").nth(1).click()
    wait(page, f"{said('name')} === 'lizard'")
    assert page.locator("#own").is_hidden()
    page.set_input_files("#file", tmp_path / "ink.png")
    wait(page, f"{said('error')}.startsWith('ink.png is a picture, and what is in the dish looks at none')")


def test_what_is_drawn_is_decided_at_once_for_those_who_want_less_motion(visit, classifier):
    page = visit("model=light", url=classifier, reduced_motion="reduce")
    page.click("#clear")
    wait(page, f"{said('verdict')} === 'Draw something'")
    page.mouse.click(*at(page, 0.25, 0.25))
    wait(page, f"{said('verdict')}.includes(' % of the cells')")
    assert text(page, "play") == "Play"


def test_it_is_said_how_good_a_classifier_is(visit, tmp_path):
    model = tells_brightness()
    readings = [{"steps": 4, "pictures": 0.75}, {"steps": 30, "pictures": 0.5}]
    found = {"evaluation": {"pictures": 1200, "readings": readings}}
    modelfile.write(
        tmp_path / "light.safetensors", dataclasses.replace(model, training=model.training | found)
    )
    server = serve([tmp_path / "light.safetensors"])
    page = visit("model=light&play=no", url=server.url)
    page.click("#made summary")
    facts = page.locator("#facts").inner_text()
    assert "of 1,200 test pictures 75.0 % after 4, 50.0 % after 30 steps" in facts
    assert "Decides in" in facts and "Sees\nbrightness" in facts
    server.shutdown()
    server.server_close()


def test_another_classifier_begins_with_a_picture_of_its_own(visit, tmp_path):
    for name in ("one", "two"):
        modelfile.write(tmp_path / f"{name}.safetensors", tells_brightness())
    server = serve([tmp_path])
    page = visit("model=one&speed=60", url=server.url)
    page.click("#clear")
    wait(page, f"{said('verdict')} === 'Draw something'")
    page.locator("#picker label").nth(1).click()
    wait(page, f"{said('name')} === 'two' && {said('verdict')} === 'bright · 100 % of the cells'")
    server.shutdown()
    server.server_close()


def test_pictures_are_of_one_size_whatever_a_link_asks_for(visit, classifier):
    page = visit("model=light&size=64&speed=60", url=classifier)
    wait(page, f"{said('verdict')} === 'bright · 100 % of the cells'")
    assert cells(page).shape[:2] == (16, 16)


def test_a_finger_draws_in_a_phone(visit, classifier):
    page = visit("model=light&speed=60&brush=medium", url=classifier, **PHONE)
    page.click("#clear")
    session = page.context.new_cdp_session(page)

    def touch(kind, *place):
        points = [dict(zip("xy", at(page, *place), strict=True))] if place else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.2, 0.5)
    for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        touch("touchMove", share, 0.5)
    touch("touchEnd")
    wait(page, f"{said('verdict')}.startsWith('dim')")
    wait_for_step(page, step(page) + 10)
    assert votes(page, BRIGHT)[7:9, 4:12].all()  # a bright line with dim edges
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        clear = page.locator("#clear").bounding_box()
        assert clear["x"] + clear["width"] <= width


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious_about_the_legend(visit, classifier, scheme):
    page = visit("model=light&play=no", url=classifier, color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []

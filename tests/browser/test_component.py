"""`<petri-dish>` in somebody else's page, and a model in a notebook: both from one file, alive."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

from petri import modelfile
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.published import read_distill
from petri.shaders.bundle import bundle

SITE = "http://petri.test"


@pytest.fixture(scope="module")
def files():
    """The component in one file, and a model that is green where it grew."""
    lizard = modelfile.to_bytes(read_distill("tests/data/distill/ex1_lizard.json"))
    return {
        "/petri-dish.js": (bundle("petri-dish.js"), "text/javascript"),
        "/lizard.safetensors": (lizard, None),
    }


@pytest.fixture
def visit(browser, files):
    """Open a page with this body."""
    contexts = []

    def open_page(body, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)  # a busy machine is no fault
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.asked = []

        def answer(route):
            path = route.request.url.removeprefix(SITE)
            page.asked.append(path)
            if path == "/":
                script = '<script type="module" src="petri-dish.js"></script>'
                route.fulfill(body=f"<!doctype html>{script}{body}", content_type="text/html")
            elif path in files:
                route.fulfill(body=files[path][0], content_type=files[path][1])
            else:
                route.fulfill(status=404)

        page.route("**/*", answer)
        page.goto(SITE)
        page.wait_for_function("Boolean(customElements.get('petri-dish'))")
        return page

    yield open_page
    for context in contexts:
        problems = [problem for page in context.pages for problem in page.problems]
        context.close()
        assert not problems


def cells(page):
    address = page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
            done(document.querySelector('petri-dish').shadowRoot.querySelector('canvas').toDataURL()))))"""
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB")).astype(
        int
    )


def greenness(page):
    shown = cells(page)
    return int((shown[:, :, 1] - shown[:, :, 0] > 60).sum())


GREEN = """() => {
    const canvas = document.querySelector('petri-dish').shadowRoot.querySelector('canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) count += data[at + 1] - data[at] > 60;
    return count > 200;
}"""


def test_it_grows_heeds_its_attributes_and_can_be_touched(visit):
    page = visit(
        '<petri-dish src="lizard.safetensors" size="64" speed="1000" style="background: #246"></petri-dish>'
    )
    page.wait_for_function(GREEN)
    assert set(page.asked) <= {"/", "/petri-dish.js", "/lizard.safetensors", "/favicon.ico"}  # in one file
    shown = cells(page)
    assert shown.shape == (64, 64, 3) and tuple(shown[0, 0]) == (0x22, 0x44, 0x66)
    dish = page.locator("petri-dish")
    assert dish.bounding_box()["width"] == dish.bounding_box()["height"] == 256
    dish.hover()
    dish.get_by_role("button", name="Pause").click()
    assert dish.get_attribute("paused") == ""
    before = greenness(page)
    box = dish.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=4)
    page.mouse.up()
    assert greenness(page) < 0.8 * before
    page.evaluate("document.querySelector('petri-dish').reset()")
    page.wait_for_function(GREEN)  # standing still it shows what has grown
    page.evaluate("document.querySelector('petri-dish').setAttribute('size', '32')")
    assert cells(page).shape == (32, 32, 3)
    # Out of the page it rests, and back in it it lives again.
    page.evaluate("(window.kept = document.querySelector('petri-dish')).remove()")
    page.evaluate("kept.removeAttribute('paused'), document.body.append(kept)")
    page.wait_for_function(GREEN)


def test_paused_it_shows_the_grown_pattern(visit):
    for page in (
        visit('<petri-dish src="lizard.safetensors" paused></petri-dish>'),
        visit('<petri-dish src="lizard.safetensors"></petri-dish>', reduced_motion="reduce"),
    ):
        page.wait_for_function(GREEN)
        assert page.get_by_role("button", name="Play").is_visible()
        first = cells(page)
        page.wait_for_timeout(100)
        assert (cells(page) == first).all()
        page.evaluate("document.querySelector('petri-dish').setAttribute('size', '64')")
        page.wait_for_function(GREEN)
        assert cells(page).shape == (64, 64, 3)
        page.evaluate("document.querySelector('petri-dish').reset()")
        page.wait_for_function(GREEN)


def test_what_goes_wrong_is_one_line_in_its_place(visit):
    page = visit('<petri-dish src="lizard.safetensors" paused></petri-dish>')
    page.wait_for_function(GREEN)
    for source, said in (
        ("nothing.safetensors", "the model cannot be loaded: 404"),
        ("petri-dish.js", "not a model file: no safetensors header"),
        ("", 'petri-dish needs a model: src="model.safetensors"'),
    ):
        detail = page.evaluate(
            """(source) => new Promise((done) => {
                const dish = document.querySelector('petri-dish');
                dish.addEventListener('error', (event) => done(event.detail), { once: true });
                dish.setAttribute('src', source);
            })""",
            source,
        )
        assert detail == page.get_by_role("alert").text_content() == said
    page.evaluate("document.querySelector('petri-dish').setAttribute('src', 'lizard.safetensors')")
    page.wait_for_function(GREEN)


def test_a_model_in_a_notebook_is_alive(browser):
    title = '"><script>parent.hacked = 1</script>'
    model = Model(
        automaton=Automaton(Spec(channels=6, hidden=16, layers=2, perception="sobel")), target=title
    )
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.set_content(f"<!doctype html>{model._repr_html_()}")
    frame = page.frame_locator("iframe")
    assert frame.locator("#name").text_content() == title
    frame.locator("#play").click()
    before = frame.locator("#step").text_content()
    frame.locator("#single").click()
    end = time.monotonic() + 60
    while int(frame.locator("#step").text_content()) <= int(before):
        assert time.monotonic() < end, "no step was taken"
        page.wait_for_timeout(20)
    assert page.evaluate("window.hacked") is None
    page.close()
    assert not problems

"""`<petri-dish>` in somebody else's page, and a model in a notebook: both from one file, alive."""

import base64
import io
import time

import numpy as np
import pytest
import torch
from PIL import Image
from specs import tells_brightness, two_colours

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
    training = {"recipe": {"phases": [{"res": 24, "steps": [4, 8]}]}}
    plane = Automaton(Spec.of(channels=6, hidden=16, layers=2, perception="sobel"))
    models = {"plane": plane, "white": spreading(1), "black": spreading(0)}
    return {
        "/petri-dish.js": (bundle("petri-dish.js"), "text/javascript"),
        "/lizard.safetensors": (lizard, None),
        "/two.safetensors": (modelfile.to_bytes(two_colours()), None),
        "/light.safetensors": (modelfile.to_bytes(tells_brightness()), None),
    } | {
        f"/{name}.safetensors": (
            modelfile.to_bytes(Model(automaton=automaton, target=name, training=training)),
            None,
        )
        for name, automaton in models.items()
    }


def spreading(grey):
    """A figure of one grey that spreads as fast as cells come to life."""
    automaton = Automaton(Spec.of(channels=4, hidden=16, layers=2, perception="sobel", living=True))
    for values in automaton.parameters():
        values.data.zero_()
    automaton.rule.biases[-1].data[:] = torch.tensor([grey, grey, grey, 1.0])
    return automaton


@pytest.fixture
def visit(browser, files):
    """Open a page with this body."""
    contexts = []

    def open_page(body, *, policy=None, init=None, head="", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)  # a busy machine is no fault
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.asked = []
        if init:
            page.add_init_script(init)

        def answer(route):
            path = route.request.url.removeprefix(SITE)
            page.asked.append(path)
            if path == "/":
                script = '<script type="module" src="petri-dish.js"></script>'
                route.fulfill(
                    body=f"<!doctype html>{head}{script}{body}",
                    content_type="text/html; charset=utf-8",
                    headers={"Content-Security-Policy": policy} if policy else {},
                )
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


def seen(page, selector="petri-dish"):
    """What a visitor sees of an element, `[height, width, 3]`."""
    shot = page.locator(selector).screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


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
    assert shown.shape == (64, 64, 3)
    assert tuple(seen(page)[0, 0]) == (0x22, 0x44, 0x66)
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


DARK = "<body style='background: #123'>"


def test_a_figure_is_seen_on_what_lies_under_it_and_a_plane_is_opaque(visit):
    page = visit(DARK + '<petri-dish src="lizard.safetensors" paused tool="none"></petri-dish>')
    page.wait_for_function(GREEN)
    for ground, corner in (
        (None, (0x11, 0x22, 0x33)),  # the page's own
        ("#fed", (0xFF, 0xEE, 0xDD)),
        ("transparent", (0x11, 0x22, 0x33)),
        ("rgb(0 0 255 / 50%)", (0x08, 0x11, 0x99)),
        ("no colour", (0x11, 0x22, 0x33)),
        ("auto", (255, 255, 255)),  # its green is told from white
    ):
        page.evaluate(
            """(ground) => {
                const dish = document.querySelector('petri-dish');
                if (ground === null) dish.removeAttribute('ground');
                else dish.setAttribute('ground', ground);
            }""",
            ground,
        )
        end = time.monotonic() + 30  # auto looks at a grown figure first
        while np.abs(seen(page)[2, 2] - corner).max() > 1:
            assert time.monotonic() < end, (ground, seen(page)[2, 2])
            page.wait_for_timeout(50)
        middle = seen(page)[100:156, 100:156]
        assert (middle[..., 1] - middle[..., 0] > 40).any(), "the figure is still there"
    page.evaluate("document.querySelector('petri-dish').setAttribute('ground', '#f00')")
    page.evaluate("document.querySelector('petri-dish').setAttribute('src', 'plane.safetensors')")
    page.wait_for_function(
        "document.querySelector('petri-dish').shadowRoot.querySelector('canvas').width === 24"
    )
    assert tuple(seen(page)[2, 2]) == (0, 0, 0)


@pytest.mark.parametrize(("figure", "ground"), [("white", 0), ("black", 255)])
def test_a_ground_of_its_own_choice_is_one_that_the_figure_is_seen_on(visit, figure, ground):
    page = visit(f'<petri-dish src="{figure}.safetensors" ground="auto" paused tool="none"></petri-dish>')
    end = time.monotonic() + 30
    # Near the middle it has grown, in the corner it has not.
    while (seen(page)[2, 2] != ground).any() or (seen(page)[128, 128] != 255 - ground).any():
        assert time.monotonic() < end, (seen(page)[2, 2], seen(page)[128, 128])
        page.wait_for_timeout(50)


@pytest.mark.parametrize(
    ("style", "canvas"),
    [
        ("", (256, 256)),
        ("width: 100px", (100, 100)),
        ("height: 120px", (120, 120)),
        ("width: 300px; height: 120px", (120, 120)),
        ("width: 90px; height: 200px", (90, 90)),
        ("display: block; width: 50%", (200, 200)),
    ],
)
def test_the_dish_fits_its_box_and_is_square(visit, style, canvas):
    page = visit(
        f'<div style="width: 400px"><petri-dish src="lizard.safetensors" size="32" style="{style}">'
        "</petri-dish></div>"
    )
    page.wait_for_function(
        "document.querySelector('petri-dish').shadowRoot.querySelector('canvas').width === 32"
    )
    box = page.locator("petri-dish").bounding_box()
    inner = page.locator("petri-dish canvas").bounding_box()
    assert (inner["width"], inner["height"]) == canvas
    for start, extent in (("x", "width"), ("y", "height")):
        before, after = inner[start] - box[start], box[start] + box[extent] - inner[start] - inner[extent]
        assert before == after >= 0


BLUE = """(least) => {
    const canvas = document.querySelector('petri-dish').shadowRoot.querySelector('canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) count += data[at + 2] - data[at] > 60;
    return count >= least * data.length / 4 && (least > 0 || count === 0);
}"""


def test_it_becomes_another_target_while_it_lives(visit):
    page = visit('<petri-dish src="two.safetensors" target="🦋" size="16" speed="120"></petri-dish>')
    page.evaluate(
        """() => {
            const dish = document.querySelector('petri-dish');
            window.events = [];
            const note = (event) => events.push(event.detail ?? event.type);
            for (const name of ['ready', 'error']) dish.addEventListener(name, note);
        }"""
    )
    page.wait_for_function(BLUE, arg=0.95)
    page.evaluate("document.querySelector('petri-dish').target = '🦎'")
    assert page.locator("petri-dish").get_attribute("target") == "🦎"
    page.wait_for_function(BLUE, arg=0)
    page.evaluate("document.querySelector('petri-dish').setAttribute('target', 'emoji:🦋')")
    page.wait_for_function(BLUE, arg=0.95)
    assert page.evaluate("document.querySelector('petri-dish').target") == "emoji:🦋"
    page.evaluate("document.querySelector('petri-dish').target = '🐢'")
    assert page.evaluate("events.at(-1)") == "the model cannot be 🐢: it knows 🦎, 🦋"
    page.evaluate("document.querySelector('petri-dish').target = null")
    page.wait_for_function(BLUE, arg=0)  # the first
    assert page.evaluate("events.at(-1)").startswith("the model cannot be 🐢")
    page.evaluate("document.querySelector('petri-dish').target = '🦋'")
    page.wait_for_function(BLUE, arg=0.95)
    page.evaluate("document.querySelector('petri-dish').removeAttribute('target')")
    page.wait_for_function(BLUE, arg=0)
    assert page.evaluate("events.filter((said) => said === 'ready').length") <= 1  # it was loaded once


def test_standing_still_it_is_what_it_is_asked_to_be(visit):
    page = visit('<petri-dish src="two.safetensors" size="16" paused></petri-dish>')
    page.wait_for_function(
        "document.querySelector('petri-dish').shadowRoot.querySelector('canvas').width === 16"
    )
    page.wait_for_function(BLUE, arg=0)
    page.evaluate("document.querySelector('petri-dish').target = '🦋'")
    page.wait_for_function(BLUE, arg=0.95)


def test_a_texture_fills_a_box_of_any_shape_and_lives_on(visit):
    style = "width: 300px; height: 120px; aspect-ratio: auto"
    page = visit(
        f'<petri-dish src="two.safetensors" target="🦋" size="16" speed="120" style="{style}"></petri-dish>'
    )
    grid = """(wanted) => {
        const canvas = document.querySelector('petri-dish').shadowRoot.querySelector('canvas');
        const { width, height } = canvas.getBoundingClientRect();
        return [canvas.width, canvas.height, width, height].join() === wanted.join();
    }"""
    page.wait_for_function(grid, arg=[40, 16, 300, 120])
    page.wait_for_function(BLUE, arg=0.95)
    page.evaluate("document.querySelector('petri-dish').style.height = '200px'")
    page.wait_for_function(grid, arg=[24, 16, 300, 200])
    page.wait_for_function(BLUE, arg=0.95)


def test_a_label_goes_when_it_is_taken_away(visit):
    page = visit('<petri-dish src="lizard.safetensors" label="a pet" paused></petri-dish>')
    page.wait_for_function(GREEN)
    name = page.locator("petri-dish canvas").get_attribute
    assert name("aria-label") == "a pet"
    page.evaluate("document.querySelector('petri-dish').removeAttribute('label')")
    assert name("aria-label") == "Dish with lizard"
    page.evaluate("document.querySelector('petri-dish').setAttribute('src', 'plane.safetensors')")
    page.wait_for_function(
        "document.querySelector('petri-dish').shadowRoot.querySelector('canvas').width === 24"
    )
    assert name("aria-label") == "Dish with plane"


STRICT = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_it_is_styled_under_a_strict_policy(visit):
    page = visit('<petri-dish src="lizard.safetensors" size="64" speed="1000"></petri-dish>', policy=STRICT)
    page.wait_for_function(GREEN)
    box = page.locator("petri-dish").bounding_box()
    assert (box["width"], box["height"]) == (256, 256)
    button = page.locator("petri-dish button")
    assert button.evaluate("button => getComputedStyle(button).position") == "absolute"
    page.locator("petri-dish canvas").hover()
    ring = page.locator("petri-dish .brush")
    assert ring.is_visible() and 20 < ring.bounding_box()["width"] < 40


REAL_GPU = """
const { getParameter } = WebGL2RenderingContext.prototype;
WebGL2RenderingContext.prototype.getParameter = function (name) {
    return name === 0x9246 ? "A real GPU" : getParameter.call(this, name);
};
window.lost = 0;
addEventListener("webglcontextlost", () => window.lost++, true);
const { getContext } = HTMLCanvasElement.prototype;
window.contexts = [];
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = getContext.call(this, kind, ...rest);
    if (kind === "webgl2") window.contexts.push(context);
    return context;
};
"""


def test_twenty_dishes_on_a_gpu_all_live(visit):
    dishes = '<petri-dish src="white.safetensors" paused style="width: 48px"></petri-dish>' * 20
    page = visit(dishes, init=REAL_GPU)
    page.wait_for_function(
        """() => [...document.querySelectorAll('petri-dish')].every((dish) => {
            const canvas = dish.shadowRoot.querySelector('canvas');
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return canvas.width === 24 && data.filter((value, at) => at % 4 === 3 && value > 200).length > 50;
        })"""
    )
    # One that was asked what the GPU is, and was given back, and one for all.
    assert page.evaluate("contexts.map((context) => context.isContextLost())") == [True, False]
    page.evaluate("document.querySelectorAll('petri-dish').forEach((dish) => dish.remove())")
    page.wait_for_function("contexts.every((context) => context.isContextLost())")


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
        automaton=Automaton(Spec.of(channels=6, hidden=16, layers=2, perception="sobel")), target=title
    )
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.set_content(f"<!doctype html>{model._repr_html_()}")
    frame = page.frame_locator("iframe")
    end = time.monotonic() + 60
    while frame.locator("#name").text_content() != title:  # the page unpacks itself first
        assert time.monotonic() < end, frame.locator("body").inner_text()
        page.wait_for_timeout(20)
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


def test_a_classifier_has_a_legend_and_is_drawn_on(visit):
    page = visit('<petri-dish src="light.safetensors" speed="200"></petri-dish>')
    dish = page.locator("petri-dish")
    told = "document.querySelector('petri-dish').shadowRoot.querySelector('output').textContent"
    page.wait_for_function(f"{told} === 'bright · 100 % of the cells'")
    dish.get_by_role("button", name="dim").click()
    page.wait_for_function(f"{told} === 'dim · 100 % of the cells'")
    dish.get_by_role("button", name="Clear").click()
    page.wait_for_function(f"{told} === 'Draw something'")
    box = dish.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 128)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 128, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{told} === 'dim · 100 % of the cells'")  # so fine a line is not bright
    page.evaluate("document.querySelector('petri-dish').reset()")
    page.evaluate("document.querySelector('petri-dish').setAttribute('size', '40')")
    page.wait_for_timeout(500)
    page.wait_for_function(f"{told} === 'dim · 100 % of the cells'")  # it is still there
    dish.get_by_role("button", name="bright").click()
    page.wait_for_function(f"{told} === 'bright · 100 % of the cells'")
    page.evaluate("document.querySelector('petri-dish').setAttribute('src', 'lizard.safetensors')")
    page.wait_for_function(GREEN)
    assert page.evaluate("document.querySelector('petri-dish').shadowRoot.querySelector('.legend').hidden")

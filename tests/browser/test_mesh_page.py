"""The dish of a ring or a mesh as visitors have it: in one file from the disk, and in somebody's page."""

from __future__ import annotations

import base64
import io
import re
import time

import numpy as np
import pytest
from PIL import Image

from petri import modelfile, worn
from petri.graph import Surface, icosphere
from petri.graph.write import ply
from petri.modelfile import Model
from petri.nca import Automaton, Cell, Harmonics, Mesh, Noise, Ring, Spec
from petri.nca.rule import Mlp
from petri.shaders import html, manifest
from petri.shaders.bundle import bundle

SITE = "http://petri.test"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
STILL = "model=ball&play=no&light=flat&speed=1000&brush=large"


def brightening(space, start=None):
    """Whatever fires becomes white at once: what is black was erased, or has not fired yet."""
    sense = Harmonics(dimensions=1, valence=2) if isinstance(space, Ring) else Harmonics()
    spec = Spec(
        space=space, senses=(sense,), channels=4, rule=Mlp(hidden=16, layers=2), start=start or Cell(x=0.3)
    )
    automaton = Automaton(spec)
    for values in automaton.parameters():
        values.data.zero_()
    automaton.rule.biases[-1].data.fill_(1.0)
    return automaton


def recipe(nodes, **more):
    return {"recipe": {"phases": [{"res": [1, nodes], "steps": [8, 16]}], **more}}


@pytest.fixture(scope="module")
def models():
    ball = Model(automaton=brightening(Mesh()), target="ball", training=recipe(642))
    ring = Model(automaton=brightening(Ring()), target="ring", training=recipe(48))
    texture = Model(automaton=brightening(Mesh(), Noise()), target="texture", training=recipe(42))
    return {"ball": worn.on(ball, icosphere(3)), "ring": ring, "texture": worn.on(texture, icosphere(1))}


@pytest.fixture(scope="module")
def file(models, tmp_path_factory):
    entries = [manifest.entry(model, name=name, file="unused") for name, model in models.items()]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html.page(models, entries), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, file):
    contexts, problems = [], []

    def open_page(settings="", **options):
        context = browser.new_context(**{"viewport": {"width": 960, "height": 600}, **options})
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{file.as_uri()}#{settings}")
        wait(page, "document.querySelector('#name').textContent !== ''")
        wait(page, "document.querySelector('#engine').textContent !== ''")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def wait(page, expression):
    end = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < end, (
            f"never true: {expression}; {page.locator('.message').all_text_contents()}"
        )
        page.wait_for_timeout(30)


def said(page, words, where="#message"):
    wait(page, f"document.querySelector('{where}').textContent.includes({words!r})")


def shown(page, canvas="document.querySelector('#dish')"):
    """What the dish shows, uint8 `[height, width, 4]`, once there is something and it stays the same."""
    last = None
    for _ in range(100):
        page.wait_for_timeout(80)
        address = page.evaluate(f"{canvas}.toDataURL()")
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA"))
        if address == last and picture.any():
            break
        last = address
    return picture


def colour(picture, x, y):
    return tuple(picture[int(y * picture.shape[0]), int(x * picture.shape[1])].tolist())


def drag(page, begin, end, name="#dish", **how):
    box = page.locator(name).bounding_box()
    first, last = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end))
    page.mouse.move(*first)
    page.mouse.down(**how)
    page.mouse.move(*last, steps=3)
    page.mouse.up(**how)


def view(page):
    """The turn in degrees, the tilt and the zoom that the address tells; at first None."""
    wait(page, "new Promise((resolve) => setTimeout(() => resolve(true), 400))")
    found = re.search(r"view=([\d.]+)%2C([\d.]+)%2C([\d.]+)", page.url)
    return found and (360 * float(found[1]), 180 * float(found[2]) - 90, float(found[3]))


def whiten(page):
    """Take steps until everything has fired."""
    page.click("#play")
    wait(page, "+document.querySelector('#step').textContent > 20")
    page.click("#play")


WHITE, BLACK, NOTHING = (255, 255, 255, 255), (0, 0, 0, 255), (0, 0, 0, 0)


def test_a_mesh_is_seen_turned_and_wounded(visit):
    page = visit(STILL)
    first = shown(page)
    assert first.shape[0] == first.shape[1] > 200  # the device's own pixels
    assert colour(first, 0.5, 0.5) == BLACK and colour(first, 0.02, 0.02) == NOTHING
    whiten(page)
    assert colour(shown(page), 0.5, 0.5) == WHITE
    assert view(page) is None and page.locator("#hint").text_content() == "Drag to turn it"
    drag(page, (0.5, 0.5), (0.75, 0.4))
    assert view(page) == pytest.approx((50, -5, 1), abs=1) and page.is_hidden("#hint")
    page.click("#whole")
    assert view(page) is None
    page.get_by_text("Erase", exact=True).click()
    drag(page, (0.5, 0.5), (0.5, 0.5))
    hurt = shown(page)
    assert colour(hurt, 0.5, 0.5) == BLACK and colour(hurt, 0.5, 0.2) == colour(hurt, 0.2, 0.5) == WHITE
    drag(page, (0.02, 0.5), (0.47, 0.5))  # begun beside it: a quarter turn, whatever the tool
    assert view(page)[0] == pytest.approx(90, abs=1)
    turned = shown(page)
    assert colour(turned, 0.5, 0.5) == WHITE
    assert ((turned == BLACK).all(axis=2).nonzero()[1] > 0.75 * turned.shape[1]).all()  # it went to the right
    page.select_option("#light", "")
    lit = shown(page)
    assert (
        100 < colour(lit, 0.1, 0.7)[0] < 200 < colour(lit, 0.6, 0.35)[0]
    )  # away from the lamp, and towards it


def test_keys_turn_it_and_work_in_the_middle(visit):
    page = visit(STILL)
    whiten(page)
    page.get_by_text("Erase", exact=True).click()
    page.focus("#dish")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert view(page) == pytest.approx((340, 5, 1), abs=0.1)
    page.keyboard.press("Enter")
    hurt = shown(page)
    assert colour(hurt, 0.5, 0.5) == BLACK and colour(hurt, 0.5, 0.2) == WHITE
    page.keyboard.press("i")
    page.keyboard.press("0")
    assert view(page) is None
    page.keyboard.press("r")
    page.keyboard.press("s")
    page.focus("#dish")
    page.keyboard.press("Enter")  # a seed has alpha and no colour: of its channel it is the one bright node
    page.select_option("#channel", "3")
    seeded = shown(page)
    assert (
        colour(seeded, 0.5, 0.5)[0] > 200
        and (seeded[:, :, 3] == 255).sum() > 40 * (seeded[:, :, 0] > 200).sum()
    )
    page.keyboard.press("a")
    assert page.locator("#turn").is_checked()


def test_fingers_turn_it_and_pinch(visit):
    page = visit(STILL, **PHONE)
    whiten(page)
    box = page.locator("#dish").bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        places = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": number}
            for number, (x, y) in enumerate(points)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (0.3, 0.5))
    for x in (0.4, 0.5, 0.6):
        touch("touchMove", (x, 0.5))
    touch("touchEnd")
    assert view(page) == pytest.approx((60, 15, 1), abs=2)
    touch("touchStart", (0.4, 0.5))
    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    touch("touchMove", (0.3, 0.5), (0.7, 0.5))
    touch("touchEnd")
    assert view(page)[2] == pytest.approx(2, abs=0.2)
    assert colour(shown(page), 0.5, 0.5) == WHITE  # nothing was wounded
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_verifies_it_on_its_own_mesh_and_colours_others(visit, tmp_path):
    ball = icosphere(1)
    ply_file, broken, other = tmp_path / "egg.ply", tmp_path / "broken.obj", tmp_path / "ball.ply"
    ply_file.write_bytes(ply(Surface(ball.vertices * [1, 3, 1] + 7, ball.faces)))
    broken.write_text("v 1 2 3\nf 1 2\n")
    other.write_bytes(ply(icosphere(3)))
    page = visit(STILL)
    page.set_input_files("#file", broken)
    said(page, 'broken.obj: line 2 is no vertex or face of an OBJ file: "f 1 2"', "#error")
    page.click("#dismiss")
    page.set_input_files("#file", ply_file)
    said(page, "egg.ply, 42 vertices: the rule colours it in its own way, from the top on.")
    whiten(page)
    egg = shown(page)
    rows, columns = (egg[:, :, 3] > 0).nonzero()
    assert np.ptp(rows) > 2.2 * np.ptp(columns)  # in the middle, and three times as high
    assert abs(rows.mean() / egg.shape[0] - 0.5) < 0.03 and abs(columns.mean() / egg.shape[1] - 0.5) < 0.03
    assert "trained on 642 vertices" in page.locator("#size-note").text_content()
    page.click("#verify")
    said(page, "The same as in PyTorch")
    page.click("label[title=ring]")
    wait(page, "document.querySelector('#name').textContent === 'ring'")
    page.set_input_files("#file", ply_file)
    said(page, "egg.ply is a mesh, and what is in the dish colours none", "#error")


def test_a_texture_is_woven_on_a_mesh_that_is_dropped(visit, tmp_path):
    mesh, other = tmp_path / "dropped.ply", tmp_path / "dropped.stl"
    mesh.write_bytes(ply(icosphere(0)))
    other.write_bytes(bytes(90))
    page = visit("model=texture&play=no")
    page.set_input_files("#file", mesh)
    said(page, "dropped.ply, 12 vertices: the rule weaves on it.")
    page.set_input_files("#file", other)
    said(page, "dropped.stl: it is no OBJ or PLY file with vertices", "#error")


def test_a_model_is_brought_with_its_mesh(visit, models, tmp_path):
    alone, mesh = tmp_path / "mine.safetensors", tmp_path / "coloured.ply"
    modelfile.write(alone, models["ball"])
    mesh.write_bytes(ply(models["ball"].surface))
    page = visit("model=ring&play=no")
    page.set_input_files("#file", alone)
    said(
        page,
        "mine.safetensors is of a mesh: bring that with it, such as the coloured.ply or worn.ply of its run",
        "#error",
    )
    page.click("#dismiss")
    page.set_input_files("#file", [alone, mesh])
    wait(page, "document.querySelector('#name').textContent === 'mine'")
    assert colour(shown(page), 0.5, 0.3)[3] == 255
    assert page.locator("#size-note").text_content() == ""


def test_a_ring_is_a_tube_of_any_number_of_nodes(visit):
    page = visit("model=ring&play=no&light=flat&speed=1000&brush=large&view=0,0.9,1")
    whiten(page)
    tube = shown(page)
    assert colour(tube, 0.5, 0.5) == NOTHING and colour(tube, 0.5, 0.88) == WHITE
    page.get_by_text("Erase", exact=True).click()
    drag(page, (0.5, 0.88), (0.5, 0.88))
    hurt = shown(page)
    assert colour(hurt, 0.5, 0.88) == BLACK and colour(hurt, 0.12, 0.5) == colour(hurt, 0.5, 0.13) == WHITE
    page.click("#verify")
    said(page, "The same as in PyTorch")
    page.select_option("#size", "128")
    wait(page, "document.querySelector('#step').textContent === '0'")
    assert "it was trained on 48 nodes" in page.locator("#size-note").text_content()


@pytest.fixture
def embed(browser, models):
    contexts = []

    def open_page(body):
        files = {
            "/petri-dish.js": (bundle("petri-dish.js"), "text/javascript"),
            "/ball.safetensors": (modelfile.to_bytes(models["ball"]), None),
            "/ball.ply": (ply(models["ball"].surface), None),
            "/bad.ply": (b"ply\n", None),
            "/": (f'<!doctype html><script src="petri-dish.js" defer></script>{body}', "text/html"),
        }
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()

        def answer(route):
            found = files.get(route.request.url.removeprefix(SITE))
            route.fulfill(body=found[0], content_type=found[1]) if found else route.fulfill(status=404)

        page.route("**/*", answer)
        page.goto(f"{SITE}/")
        return page

    yield open_page
    for context in contexts:
        context.close()


INSIDE = "document.querySelector('petri-dish').shadowRoot.querySelector('{}')"


def test_the_component_wears_a_mesh_and_is_turned(embed):
    page = embed('<petri-dish src="ball.safetensors" mesh="ball.ply" light="flat" speed="1000"></petri-dish>')
    canvas = INSIDE.format("canvas")
    wait(page, f"{canvas}.classList.contains('turns')")
    end = time.monotonic() + 60
    while colour(shown(page, canvas), 0.5, 0.5) != WHITE:
        assert time.monotonic() < end
    page.evaluate("document.querySelector('petri-dish').pause()")
    wait(page, f"{INSIDE.format('button')}.textContent === 'Play'")
    page.evaluate("document.querySelector('petri-dish').setAttribute('tool', 'erase')")
    drag(page, (0.45, 0.5), (0.55, 0.5), "petri-dish")
    assert max(colour(shown(page, canvas), 0.5, 0.5)[:3]) < 100
    drag(page, (0.02, 0.5), (0.32, 0.5), "petri-dish")
    assert colour(shown(page, canvas), 0.5, 0.5) == WHITE


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        ("", "petri-dish has none: mesh="),
        ('mesh="bad.ply"', "its header has no end"),
        ('mesh="no.ply"', "the mesh cannot be loaded: 404"),
    ],
)
def test_the_component_says_what_is_wrong_with_a_mesh(embed, mesh, words):
    page = embed(f'<petri-dish src="ball.safetensors" {mesh}></petri-dish>')
    wait(page, f"{INSIDE.format('p')}?.textContent.includes({words!r})")

"""The exported site on a host with a policy of its own and from the disk; the component's page likewise."""

import re
import time
from pathlib import Path

import pytest

from petri import modelfile
from petri.modelfile import Model
from petri.nca import Spec
from petri.shaders import manifest
from petri.shaders.write import write
from petri.viewing.export import export
from petri.viewing.site import build, content_type
from petri.viewing.specimens import gather

SITE = "http://petri.test/"


@pytest.fixture
def folder(tmp_path, random_automaton):
    """A site of two models, one with a name that an address cannot have as it is."""
    for number, name in enumerate(("a", "b & c #1")):
        training = {"recipe": {"phases": [{"res": 16, "steps": [4, 8]}]}}
        automaton = random_automaton(Spec.of(channels=8, hidden=16, layers=2), seed=number, change=0.1)
        path = tmp_path / f"{name}.safetensors"
        modelfile.write(path, Model(automaton=automaton, target=name, training=training))
    export(build(gather([str(tmp_path)])[0]), tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def visit(browser):
    pages = []

    def open_page(url, *, folder=None, policy=None):
        page = browser.new_page()
        pages.append(page)
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)

        def answer(route):
            name = route.request.url.removeprefix(SITE).partition("#")[0].replace("%20", " ")
            path = folder / (name.replace("%26", "&").replace("%23", "#") or "index.html")
            if not path.is_file():
                return route.fulfill(status=404)
            headers = {"Content-Security-Policy": policy}
            return route.fulfill(
                body=path.read_bytes(), content_type=content_type(path.name), headers=headers
            )

        if policy:
            page.route("**/*", answer)
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()


def wait(page, expression):
    end = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}; {page.locator('body').inner_text()[:500]}"
        page.wait_for_timeout(30)


PICTURES = "[...document.querySelectorAll('#picker img')].map((image) => image.naturalWidth)"
GROWS = "+document.querySelector('#step').textContent.replace(/,/g, '') >= 4"
EACH = "[...document.querySelectorAll('petri-dish')].every((dish) => {})"


def test_under_the_strictest_policy_it_shows_its_pictures_and_says_what_it_lacks(visit, folder):
    page = visit(SITE, folder=folder, policy="default-src 'self'")
    wait(page, GROWS)
    wait(page, f"{PICTURES}.join() === '96,96'")
    said = page.locator("#engine").text_content()
    assert said.startswith("WebGL2") and "by software and slow: this site's Content-Security-Policy" in said
    assert "script-src lacks 'wasm-unsafe-eval'" in said
    assert all("WebAssembly" in complaint for complaint in page.complaints), page.complaints


def test_the_policy_in_the_guide_is_enough(visit, folder):
    guide = Path("docs/viewer.md").read_text(encoding="utf-8")
    policy = re.search(r"^Content-Security-Policy: (.*)$", guide, re.M)[1]
    page = visit(SITE, folder=folder, policy=policy)
    wait(page, GROWS)
    wait(page, f"{PICTURES}.join() === '96,96'")
    assert page.locator("#engine").text_content().startswith("WebAssembly")
    page.set_input_files("#file", folder / "a.safetensors")
    wait(page, f"{PICTURES}.length === 3 && {PICTURES}[2] > 0")  # of what was brought, once it has grown
    assert not page.complaints


def test_from_the_disk_it_says_what_to_do(visit, folder):
    page = visit((folder / "index.html").as_uri())
    wait(page, "document.querySelector('#error').textContent")
    said = page.locator("#error").text_content()
    assert "python3 -m http.server" in said and "petri shader-gen --html" in said
    assert page.locator("#error").is_visible()


def test_a_script_that_is_missing_is_named(visit, folder):
    (folder / "lib/dish.js").unlink()
    page = visit(SITE, folder=folder, policy="default-src 'self'")
    wait(page, "document.querySelector('#error').textContent")
    assert page.locator("#error").text_content() == f"The page's scripts cannot be loaded: {SITE}app.js"


def test_the_components_page_from_the_disk_says_what_to_do_in_each_dish(visit, tmp_path, random_automaton):
    models = {
        name: Model(automaton=random_automaton(Spec.of(channels=8, hidden=16, layers=2)), target=name)
        for name in ("a", "b")
    }
    entries = [manifest.entry(model, name=name, file=name) for name, model in models.items()]
    write(tmp_path, models, entries, embed=True)
    page = visit((tmp_path / "embed.html").as_uri())
    wait(page, "document.querySelectorAll('petri-dish:defined').length === 2")
    wait(page, EACH.format("dish.shadowRoot.querySelector('p').textContent"))
    alerts = page.get_by_role("alert")
    assert alerts.count() == 2
    for said in alerts.all_text_contents():
        assert said.startswith("a browser reads no model from a disk: run `python3 -m http.server`")
    policy = "default-src 'self' 'wasm-unsafe-eval'; worker-src blob:"
    served = visit(f"{SITE}embed.html", folder=tmp_path, policy=policy)
    wait(served, EACH.format("dish.shadowRoot.querySelector('canvas').width === 72"))
    assert not [said for said in served.complaints if "404" not in said], served.complaints

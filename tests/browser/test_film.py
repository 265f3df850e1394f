"""What a browser cannot compute: the page and the component show a film of it, and say why."""

import mimetypes
from urllib.parse import unquote

import pytest

from petri import modelfile
from petri.modelfile import Model
from petri.nca import Spec
from petri.shaders import manifest
from petri.shaders.write import write
from petri.viewer import ROOT
from petri.viewing.export import export
from petri.viewing.site import build
from petri.viewing.specimens import gather

SITE = "http://petri.test/"
REASON = "a browser computes senses of the kind stencil or conv or harmonics or invariants, not attention"
KINDS = {
    "attentive": Spec.of(channels=4, perception="attention3w8", hidden=16, layers=2),
    "convs": Spec.of(channels=4, perception="conv3+conv5d2", hidden=16, layers=2, fixed=1),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model that a browser computes and one that it does not."""
    from petri.nca import Automaton

    folder = tmp_path_factory.mktemp("models")
    for name, spec in KINDS.items():
        automaton = Automaton(spec)
        automaton.rule.biases[-1].data.fill_(0.02)
        training = {"recipe": {"phases": [{"res": 12, "steps": [4, 8]}]}}
        modelfile.write(
            folder / f"{name}.safetensors", Model(automaton=automaton, target=name, training=training)
        )
    return folder


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    page.close()


def serve(page, *folders):
    def answer(route):
        name = unquote(route.request.url.removeprefix(SITE).partition("#")[0].partition("?")[0])
        found = [folder / (name or "index.html") for folder in folders]
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            return route.fulfill(status=404)
        return route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0] or "")

    page.route("**/*", answer)


def test_the_page_shows_a_film_and_says_why(page, models, tmp_path):
    export(build(gather([str(models)])[0]), tmp_path / "site")
    serve(page, tmp_path / "site")
    page.goto(f"{SITE}#model=attentive")
    page.wait_for_selector("#film:not([hidden])")
    assert page.inner_text("#obstacle") == f"A film that PyTorch made: {REASON}."
    page.wait_for_function("document.getElementById('film').naturalWidth === 12")
    assert page.is_hidden("#dish") and page.is_hidden("#caption")
    assert page.is_disabled("#play") and page.is_disabled("#verify")
    for key in "r.]cxgp+ ":  # nothing that a key does needs a dish
        page.keyboard.press(key)
    page.click("label[title=convs]")
    page.wait_for_function("Number(document.getElementById('step').textContent) > 2")
    assert page.is_hidden("#film") and page.is_hidden("#obstacle") and page.is_visible("#dish")
    page.click("#verify")
    page.wait_for_function(
        "document.getElementById('message').textContent.includes('The same as in PyTorch')"
    )
    page.click("label[title=attentive]")
    page.wait_for_selector("#film:not([hidden])")
    assert page.is_hidden("#dish") and "model=attentive" in page.url and "play" not in page.url
    page.set_input_files("#file", models / "attentive.safetensors")
    page.wait_for_function("document.getElementById('error').textContent")
    assert page.inner_text("#error") == f"attentive.safetensors: {REASON}; `petri view` shows a film of it"
    assert not page.errors


def test_less_motion_is_a_picture(browser, models, tmp_path):
    export(build(gather([str(models / "attentive.safetensors")])[0]), tmp_path / "site")
    page = browser.new_page(reduced_motion="reduce")
    serve(page, tmp_path / "site")
    page.goto(SITE)
    page.wait_for_selector("#film:not([hidden])")
    assert page.get_attribute("#film", "src") == "attentive.webp"
    assert page.inner_text("#obstacle") == f"A picture that PyTorch made: {REASON}."
    page.close()


def test_the_component_shows_a_film_and_says_why(page, models, tmp_path):
    specimens = gather([str(models / "attentive.safetensors")])[0]
    chosen = {one.name: one.model for one in specimens}
    entries = [manifest.entry(model, name=name, file=f"{name}.safetensors") for name, model in chosen.items()]
    write(tmp_path, chosen, entries, embed=True)
    assert 'film="attentive.film.webp"' in (tmp_path / "embed.html").read_text()
    serve(page, tmp_path, ROOT)
    page.goto(f"{SITE}embed.html")
    page.wait_for_function(
        "document.querySelector('petri-dish').shadowRoot.querySelector('img')?.naturalWidth"
    )
    shown = "document.querySelector('petri-dish').shadowRoot"
    assert page.evaluate(f"{shown}.querySelector('figcaption').textContent") == f"A film: {REASON}."
    assert page.evaluate(f"{shown}.querySelector('canvas').hidden")
    page.evaluate("document.querySelector('petri-dish').removeAttribute('film')")
    page.wait_for_function(f"{shown}.querySelector('p').textContent")
    assert page.evaluate(f"{shown}.querySelector('p').textContent") == REASON
    assert not page.errors

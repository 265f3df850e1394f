"""The page in one file, opened from the disk: no server, no network."""

from __future__ import annotations

import time

import pytest
import torch

from petri import modelfile, models
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.shaders import html, manifest

NAMES = ["plain", "</script>&amp;\"'"]


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    chosen = {}
    for number, name in enumerate(NAMES):
        automaton = Automaton(Spec.of(hidden=16, layers=2, living=bool(number)))
        automaton.rule.weights[-1].data.normal_(0, 0.02, generator=torch.Generator().manual_seed(number))
        chosen[name] = Model(
            automaton=automaton, target=name, training={"recipe": {"phases": [{"res": 64, "steps": [9, 9]}]}}
        )
    entries = [manifest.entry(model, name=name, file="unused") for name, model in chosen.items()]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html.page(chosen, entries), encoding="utf-8")
    page = browser.new_page()
    page.path = path
    page.set_default_timeout(60_000)
    problems, asked = [], []
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert not problems
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}, asked


def wait(page, expression):
    end = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}; {page.locator('body').inner_text()[:500]}"
        page.wait_for_timeout(30)


def test_it_grows(page):
    wait(page, "+document.querySelector('#step').textContent.replace(/,/g, '') >= 9")
    assert page.locator("#name").text_content() == NAMES[1]  # a figure, if there is one
    assert page.locator("#picker img").count() + page.locator("#specimens img").count() >= 2


def test_it_verifies_itself(page):
    page.click("#verify")
    wait(page, "/\\d/.test(document.querySelector('#message').textContent)")
    assert "WebAssembly" in page.locator("#message").text_content()


def test_every_model_can_be_chosen(page):
    page.keyboard.press("n")
    wait(page, "document.querySelector('#name').textContent === 'plain'")
    wait(
        page,
        "(() => { const c = document.querySelector('#dish');"
        " const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(new Uint32Array(pixels.buffer)).size > 10; })()",
    )


def test_a_model_file_can_be_opened(page, tmp_path):
    model = Model(automaton=modelfile.read(models.find("circle")).automaton, target="opened")
    modelfile.write(tmp_path / "opened.safetensors", model)
    page.set_input_files("#file", tmp_path / "opened.safetensors")
    wait(page, "document.querySelector('#name').textContent === 'opened'")


def test_a_browser_that_cannot_unpack_it_says_so(page, browser):
    old = browser.new_page()
    old.add_init_script("delete window.DecompressionStream")
    old.goto(page.path.as_uri())
    wait(old, "document.querySelector('#error').textContent")
    said = old.locator("#error").text_content()
    assert said.startswith("This page cannot be unpacked, which takes a browser of 2023 or later: ")
    old.close()

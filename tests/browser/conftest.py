"""A real headless Chromium, and the viewer's modules in it."""

from __future__ import annotations

import mimetypes
import os
import shutil
from urllib.parse import unquote

import pytest

from petri.viewer import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SITE = "http://petri.test"
LAB = """<!doctype html>
<title>lab</title>
<script type="module">
import * as spec from "./lib/spec.js";
import * as modelfile from "./lib/modelfile.js";
import * as shader from "./lib/shader.js";
import * as pack from "./lib/pack.js";
import * as fire from "./lib/fire.js";
import * as dish from "./lib/dish.js";
import * as verify from "./lib/verify.js";
import * as votes from "./lib/votes.js";
import * as colours from "./lib/colours.js";
import * as graph from "./lib/graph.js";
import * as mesh from "./lib/mesh.js";
import * as body from "./lib/body.js";
import * as own from "./page/own.js";

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
window.lab = {
    ...spec, ...modelfile, ...shader, ...pack, ...fire, ...dish, ...verify, ...votes, ...colours,
    ...graph, ...mesh, ...body, ...own, bytes,
    model: (text) => modelfile.parseModel(bytes(text)),
    floats: (text) => new Float32Array(bytes(text)),
    text(array) {
        const codes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        let letters = "";
        for (let i = 0; i < codes.length; i += 4096) {
            letters += String.fromCharCode(...codes.subarray(i, i + 4096));
        }
        return btoa(letters);
    },
    open: (model, options) => dish.openDish(document.createElement("canvas"), model, options),
};
</script>
"""
WAIT = 180_000  # milliseconds for what a busy machine takes long for


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests; where there is none they are skipped, but never in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI must run the browser tests: install chromium")
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(browser):
    """A page with the library on `window.lab`; its site has the viewer's files and nothing else."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    page.route("**/*", _serve)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{SITE}/lab.html")
    page.wait_for_function("window.lab")
    yield page
    page.close()
    assert not errors, errors


def _serve(route):
    path = ROOT / route.request.url.removeprefix(SITE + "/").partition("?")[0]
    if path.name == "lab.html":
        route.fulfill(body=LAB, content_type="text/html")
    elif path.is_file():
        route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0])
    else:
        route.abort()


@pytest.fixture
def visit(browser, site):
    """Open an address of the folder `site`, a fixture of the test's own module, and of the viewer's files."""
    contexts, problems = [], []

    def open_page(address, **how):
        context = browser.new_context(**({"viewport": {"width": 1000, "height": 800}} | how))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: problems.append(str(error)))

        def answer(route):
            name = unquote(route.request.url.removeprefix(f"{SITE}/").partition("#")[0]) or "index.html"
            path = site / name
            path = path if path.is_file() else ROOT / name
            route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0] or "")

        page.route("**/*", answer)
        page.goto(f"{SITE}/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems

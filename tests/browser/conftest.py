"""A real headless Chromium, and the viewer's modules in it."""

from __future__ import annotations

import mimetypes
import os
import shutil

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
    """An empty page of the site `SITE`, which has the viewer's files and nothing else."""
    page = browser.new_page()
    page.route("**/*", _serve)
    page.goto(f"{SITE}/lab.html")
    errors = []
    page.on("pageerror", errors.append)
    yield page
    page.close()
    assert not errors, errors


def _serve(route):
    path = ROOT / route.request.url.removeprefix(SITE + "/")
    if path.name == "lab.html":
        route.fulfill(body="<!doctype html><title>lab</title>", content_type="text/html")
    elif path.is_file():
        route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0])
    else:
        route.abort()

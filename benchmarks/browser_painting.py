"""What it costs a browser to paint by a decoder: python benchmarks/browser_painting.py MODEL

Headless Chromium without a GPU. A picture of the grown pattern is painted several times, on the processor and
by software that imitates a GPU; said is the processor's time, of all the browser's threads, for one of them.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from petri import modelfile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import CHROMIUM, FLAGS, SITE, _serve

PICTURES = (("wasm", 256, 12), ("wasm", 512, 6), ("wasm", 1080, 3), ("webgl", 128, 2))  # pixels a side, times
GROW = """async ([content, engine]) => {
    window.dish?.close();
    const model = lab.model(content);
    window.dish = await lab.open(model, { engine });
    await dish.grow(model.steps);
}"""
PAINT = """async ([side, times]) => {
    let alive = 0;
    for (let i = 0; i < times; i++) {
        const picture = await dish.picture(side, side);
        if (i === 0) for (let at = 3; at < picture.length; at += 4) alive += picture[at] !== 0;
    }
    return alive / side ** 2;
}"""


def seconds(process: int) -> float:
    """Processor time of a process and of all that it started, while they live."""
    numbers: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            ticks = int(fields[11]) + int(fields[12])
            numbers[int(folder.name)] = int(fields[1]), ticks / os.sysconf("SC_CLK_TCK")
    family, before = {process}, 0
    while len(family) > before:
        before = len(family)
        family |= {number for number, (parent, _) in numbers.items() if parent in family}
    return sum(numbers[number][1] for number in family if number in numbers)


def main() -> None:
    """Print a table."""
    model = modelfile.read(Path(sys.argv[1]))
    content = base64.b64encode(modelfile.to_bytes(model)).decode()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.route("**/*", _serve)
        page.goto(f"{SITE}/lab.html")
        page.wait_for_function("window.lab")
        print("| engine | pixels | alive | ms of the processor a picture | µs a painted pixel |")
        print("|---|---|---|---|---|")
        for engine, side, times in PICTURES:
            page.evaluate(GROW, [content, engine])
            page.evaluate(PAINT, [side, 1])
            begun = seconds(os.getpid())
            alive = page.evaluate(PAINT, [side, times])
            each = (seconds(os.getpid()) - begun) / times
            pixel = 1e6 * each / (alive * side**2)
            print(f"| {engine} | {side}² | {100 * alive:.0f} % | {1e3 * each:,.0f} | {pixel:.1f} |")
        browser.close()


if __name__ == "__main__":
    main()

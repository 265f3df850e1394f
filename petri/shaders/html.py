"""The viewer and its models in one file."""

from __future__ import annotations

import html
import re
from typing import Any

from petri import modelfile
from petri.modelfile import Model
from petri.shaders import manifest
from petri.shaders.bundle import bundle
from petri.viewer import text

STYLE = '<link rel="stylesheet" href="style.css">'
SCRIPT = '<script type="module" src="app.js"></script>'


def page(models: dict[str, Model], entries: list[dict[str, Any]]) -> str:
    """One HTML file that needs nothing else, not even a network.

    Args:
        models: by name, in the order in which they are offered.
        entries: of the manifest, in the same order.

    Raises:
        ValueError: the viewer is not written as its README asks.
    """
    inlined = []
    for model, entry in zip(models.values(), entries, strict=True):
        content = modelfile.to_bytes(model)
        inlined.append(entry | {"file": manifest.data_uri(content, "application/octet-stream")})
    # A "<" could end the script; in JSON it can be written otherwise.
    data = manifest.to_json(inlined).replace("<", "\\u003c")
    content = text("index.html")
    for tag, instead in (
        (STYLE, f"<style>\n{text('style.css')}</style>"),
        ("</head>", f'<script type="application/json" id="petri-models">{data}</script>\n</head>'),
        (SCRIPT, f'<script type="module">\n{_harmless(bundle("app.js"))}</script>'),
    ):
        if content.count(tag) != 1:
            raise ValueError(f"index.html must have exactly one {tag}")
        content = content.replace(tag, instead)
    return content


def _harmless(script: str) -> str:
    """Write what could end or upset a script element in another way, which means the same in its strings."""
    return re.sub(r"<(?=/script|!--|script)", r"\\x3C", script, flags=re.I)


def snippet(files: dict[str, str], *, script: str) -> str:
    """HTML to put into a page of one's own: the web component, a dish a model.

    Args:
        files: URL of a model file, by what it grows.
        script: URL of the component.
    """
    lines = [f'<script type="module" src="{html.escape(script)}"></script>']
    for title, file in files.items():
        lines.append(f'<petri-dish src="{html.escape(file)}" label="{html.escape(title)}"></petri-dish>')
    return "\n".join(lines) + "\n"

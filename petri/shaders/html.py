"""The viewer and its models in one file."""

from __future__ import annotations

import gzip
import html
import re
from typing import Any

from petri import modelfile
from petri.modelfile import Model
from petri.shaders import manifest
from petri.shaders.bundle import bundle
from petri.viewer import text

STYLE = '<link rel="stylesheet" href="style.css">'
ICON = '<link rel="icon" href="icon.svg">'
LOADING = '<script src="loading.js"></script>\n'
SCRIPT = '<script type="module" src="app.js"></script>'
GZIP = "application/gzip"
_DESCRIBED = re.compile(
    r"^[ \t]*(?:/\*\*.*?\*/|//[^\n]*)[ \t]*\n", re.M | re.S
)  # what nobody reads when packed
# Weights take a tenth less room, the page's script more than half: what is unpacked has the same bits.
UNPACK = """\
const unpack = async (address) =>
  new Response((await fetch(address)).body.pipeThrough(new DecompressionStream("gzip"))).blob();
try {
  const list = document.getElementById("petri-models");
  const manifest = JSON.parse(list.textContent);
  for (const entry of manifest.models) {
    for (const part of ["file", "mesh"]) {
      if (entry[part]) entry[part] = URL.createObjectURL(await unpack(entry[part]));
    }
  }
  list.textContent = JSON.stringify(manifest);
  const packed = document.getElementById("petri-app");
  const textContent = await (await unpack(packed.textContent)).text();
  packed.replaceWith(Object.assign(document.createElement("script"), { type: "module", textContent }));
} catch (error) {
  document.getElementById("error").textContent =
    `This page cannot be unpacked, which takes a browser of 2023 or later: ${error.message}`;
}
"""


def page(models: dict[str, Model], entries: list[dict[str, Any]]) -> str:
    """One HTML file that needs nothing else, not even a network.

    Args:
        models: by name, in the order in which they are offered.
        entries: of the manifest, in the same order.

    Raises:
        ValueError: the viewer is not written as its README asks.
    """
    inlined = [
        entry
        | {"file": _packed(modelfile.to_bytes(model))}
        | ({"mesh": _packed(manifest.content(entry["mesh"]))} if "mesh" in entry else {})
        for model, entry in zip(models.values(), entries, strict=True)
    ]
    # A "<" could end the script; in JSON it can be written otherwise.
    data = manifest.to_json(inlined).replace("<", "\\u003c")
    app = _packed(_DESCRIBED.sub("", bundle("app.js")).encode())
    content = text("index.html")
    for tag, instead in (
        (ICON, f'<link rel="icon" href="{manifest.data_uri(text("icon.svg").encode(), "image/svg+xml")}">'),
        (LOADING, ""),  # of a script that is in the page nothing is loaded
        (STYLE, f"<style>\n{text('style.css')}</style>"),
        ("</head>", f'<script type="application/json" id="petri-models">{data}</script>\n</head>'),
        (
            SCRIPT,
            f'<script type="text/plain" id="petri-app">{app}</script>\n'
            f'<script type="module">\n{UNPACK}</script>',
        ),
    ):
        if content.count(tag) != 1:
            raise ValueError(f"index.html must have exactly one {tag}")
        content = content.replace(tag, instead)
    return content


def _packed(content: bytes) -> str:
    """Content, compressed, as an address; the same for the same content."""
    return manifest.data_uri(gzip.compress(content, mtime=0), GZIP)


def snippet(
    files: dict[str, str], films: dict[str, str], meshes: dict[str, str] | None = None, *, script: str
) -> str:
    """HTML to put into a page of one's own: the web component, a dish a model.

    Args:
        files: URL of a model file, by what it grows.
        films: URL of a film, of those that a browser cannot compute.
        meshes: URL of the mesh, of those that colour one.
        script: URL of the component.
    """
    lines = [f'<script src="{html.escape(script)}" defer></script>']
    for title, file in files.items():
        more = "".join(
            f' {name}="{html.escape(files_of[title])}"'
            for name, files_of in (("film", films), ("mesh", meshes or {}))
            if title in files_of
        )
        lines.append(
            f'<petri-dish src="{html.escape(file)}"{more} label="{html.escape(title)}"></petri-dish>'
        )
    return "\n".join(lines) + "\n"

"""What a page consists of: its own files, the models and the manifest, by their addresses."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from petri import modelfile, viewer
from petri.viewing.following import Follower
from petri.viewing.specimens import ENDING, Specimen
from petri.worn import on

PAGE = (".html", ".css", ".js", ".svg")  # what of the viewer's files a browser needs
MANIFEST = "manifest.json"
# The endings of a model's picture, of its film, and of the mesh that it colours.
THUMBNAIL, FILM, MESH = ".webp", ".film.webp", ".ply"
# Not all systems agree on these.
TYPES = {
    ".js": "text/javascript",
    ".json": "application/json",
    ".css": "text/css",
    ".html": "text/html",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class File:
    """Something that can be asked for."""

    read: Callable[[], bytes]
    version: Callable[[], str] | None = None  # where it changes: another text for every content


Site = dict[str, File]  # by path, without the slash at the front; nothing else can be had


def build(specimens: list[Specimen]) -> Site:
    """Put a page together from models; a run that is training is read anew whenever it is asked for."""
    from petri.shaders import manifest

    site = {
        path.relative_to(viewer.ROOT).as_posix(): File(path.read_bytes)
        for path in sorted(viewer.ROOT.rglob("*"))
        if path.suffix in PAGE
    }
    entries = []
    for specimen in specimens:
        address = specimen.name + ENDING
        entry = manifest.entry(specimen.model, name=specimen.name, file=quote(address))
        if specimen.run is None:
            content = modelfile.to_bytes(specimen.model)
            site[address] = _fixed(content)
        else:
            state = specimen.name + ".run.json"
            site |= {address: _weights(specimen.run), state: _state(specimen.run)}
            entry |= {"follow": quote(state), "golden": None}  # its weights change
        # A file, for a site's Content-Security-Policy may forbid data: URIs.
        picture = manifest.content(entry["thumbnail"])
        site[specimen.name + THUMBNAIL] = _fixed(picture)
        entry |= {"thumbnail": quote(specimen.name + THUMBNAIL)}
        if "mesh" in entry:
            site[specimen.name + MESH] = _fixed(manifest.content(entry["mesh"]))
            entry |= {"mesh": quote(specimen.name + MESH)}
        if entry["film"]:
            site[specimen.name + FILM] = _film(specimen, manifest.content(entry["film"]))
            entry |= {"film": quote(specimen.name + FILM)}
        entries.append(entry)
    site[MANIFEST] = _fixed(manifest.to_json(entries).encode())
    return site


def _fixed(content: bytes) -> File:
    return File(lambda: content)


def _weights(run: Follower) -> File:
    return File(lambda: modelfile.to_bytes(run.model()), lambda: run.snapshot().version)


def _film(specimen: Specimen, first: bytes) -> File:
    """The film of a model that a browser cannot compute; of a run that trains, one a checkpoint."""
    run, surface = specimen.run, specimen.model.surface
    if run is None:
        return _fixed(first)
    version = run.snapshot().version
    made = {version: first}

    def read() -> bytes:
        from petri.shaders import manifest

        now = run.snapshot()
        if now.version not in made:
            made.clear()
            made[now.version] = manifest.film(on(now.model, surface) if surface else now.model)
        return made[now.version]

    return File(read, lambda: run.snapshot().version)


def _state(run: Follower) -> File:
    def read() -> bytes:
        now = run.snapshot()
        state = {"version": now.version, "epoch": now.epoch, "epochs": run.recipe.epochs, "loss": now.loss}
        return json.dumps(state).encode()

    return File(read, lambda: run.snapshot().version)


def content_type(path: str) -> str:
    """The type that a browser is told."""
    suffix = PurePosixPath(path).suffix.lower()
    kind = TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

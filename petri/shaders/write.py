"""A folder of shaders: what `petri shader-gen` leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from petri import modelfile
from petri.errors import BadRequest
from petri.files import write_whole
from petri.modelfile import Model
from petri.nca import Automaton
from petri.shaders import glsl, manifest
from petri.shaders.bundle import bundle
from petri.shaders.html import snippet
from petri.shaders.pack import pack
from petri.shaders.shadertoy import shadertoy as for_shadertoy

ENDING = ".safetensors"
FILM, MESH = ".film.webp", ".ply"
COMPONENT = "petri-dish.js"


def write(
    folder: Path,
    models: dict[str, Model],
    entries: list[dict[str, Any]],
    *,
    shadertoy: bool = False,
    embed: bool = False,
) -> tuple[list[Path], list[str]]:
    """Write each model's file, its weights packed for the GPU and, once, its architecture's shaders.

    Of a model that a browser cannot compute there is a film instead; of one of a mesh the mesh, and no
    shaders.

    Args:
        folder: is made if need be; files of the same names are replaced, others stay. The manifest is last.
        models: by name.
        entries: of the manifest, in the same order.
        shadertoy: also text for Shadertoy, `NAME.shadertoy.txt`.
        embed: also the web component in one file, and `embed.html`, which uses it.

    Returns:
        The files, and a line about each model that Shadertoy cannot take.

    Raises:
        BadRequest: the folder cannot be written.
    """
    contents: dict[str, bytes | str] = {}
    complete, problems = [], []
    for (name, model), entry in zip(models.items(), entries, strict=True):
        contents[f"{name}{ENDING}"] = modelfile.to_bytes(model)
        if "mesh" in entry:
            contents[f"{name}{MESH}"] = manifest.content(entry["mesh"])
            entry = entry | {"mesh": quote(f"{name}{MESH}")}
        if model.spec.space.on_graph and not entry["obstacle"]:
            complete.append(entry)  # WebAssembly computes it: there are no shaders
        elif entry["obstacle"]:
            contents[f"{name}{FILM}"] = manifest.content(entry["film"])
            complete.append(entry | {"film": quote(f"{name}{FILM}")})
        else:
            made, described = _shaders(model.automaton, name)
            contents |= made
            complete.append(entry | described)
        if shadertoy:
            try:
                contents[f"{name}.shadertoy.txt"] = for_shadertoy(model, name=name)
            except BadRequest as error:
                problems.append(str(error))
    if embed:
        # In a block, so that it may be a plain script too: those load from a disk.
        contents[COMPONENT] = f'"use strict";\n{{\n{bundle(COMPONENT)}}}\n'
        files = {entry["name"]: quote(entry["name"] + ENDING) for entry in entries}
        films = {entry["name"]: quote(entry["name"] + FILM) for entry in entries if entry["obstacle"]}
        meshes = {entry["name"]: quote(entry["name"] + MESH) for entry in entries if "mesh" in entry}
        contents["embed.html"] = snippet(files, films, meshes, script=COMPONENT)
    contents["manifest.json"] = manifest.to_json(complete)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
    return [folder / name for name in contents], problems


def _shaders(automaton: Automaton, name: str) -> tuple[dict[str, bytes | str], dict[str, Any]]:
    """A model's packed weights and its architecture's shaders, and what the manifest says of them."""
    spec, texels = automaton.spec, pack(automaton)
    kind = glsl.name(spec)
    files: dict[str, bytes | str] = {
        f"{name}.weights": texels.astype("<f4").tobytes(),
        f"{kind}.frag": glsl.step_shader(spec),
    }
    if spec.living:
        files[f"{kind}.life.frag"] = glsl.life_shader(spec)
    if spec.decoder:
        files[f"{kind}.decoder.frag"] = glsl.decoder_shader(spec)
    height, width, _ = texels.shape
    return files, {
        "shader": f"{kind}.frag",
        "life": f"{kind}.life.frag" if spec.living else None,
        "decoder": f"{kind}.decoder.frag" if spec.decoder else None,
        "weights": {"file": quote(f"{name}.weights"), "width": width, "height": height},
    }

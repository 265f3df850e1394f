"""A folder of shaders: what `petri shader-gen` leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from petri import modelfile
from petri.errors import BadRequest
from petri.files import write_whole
from petri.modelfile import Model
from petri.shaders import glsl, manifest
from petri.shaders.bundle import bundle
from petri.shaders.html import snippet
from petri.shaders.pack import pack
from petri.shaders.shadertoy import shadertoy as for_shadertoy

ENDING = ".safetensors"
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
        spec = model.automaton.spec
        kind, texels = glsl.name(spec), pack(model.automaton)
        contents[f"{name}{ENDING}"] = modelfile.to_bytes(model)
        contents[f"{name}.weights"] = texels.astype("<f4").tobytes()
        contents[f"{kind}.frag"] = glsl.step_shader(spec)
        if spec.living:
            contents[f"{kind}.life.frag"] = glsl.life_shader(spec)
        complete.append(
            entry
            | {
                "shader": f"{kind}.frag",
                "life": f"{kind}.life.frag" if spec.living else None,
                "weights": {
                    "file": quote(f"{name}.weights"),
                    "width": texels.shape[1],
                    "height": texels.shape[0],
                },
            }
        )
        if shadertoy:
            try:
                contents[f"{name}.shadertoy.txt"] = for_shadertoy(model, name=name)
            except BadRequest as error:
                problems.append(str(error))
    if embed:
        # In a block, so that it may be a plain script too: those load from a disk.
        contents[COMPONENT] = f'"use strict";\n{{\n{bundle(COMPONENT)}}}\n'
        files = {name: quote(f"{name}{ENDING}") for name in models}
        contents["embed.html"] = snippet(files, script=COMPONENT)
    contents["manifest.json"] = manifest.to_json(complete)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
    return [folder / name for name in contents], problems

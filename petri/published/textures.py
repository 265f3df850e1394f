"""Atlases of self-organising textures: many models in one JSON file, their weights tiles of two pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from petri import checks
from petri.errors import BadRequest, nearest
from petri.modelfile import Model
from petri.nca import Spec
from petri.published import content
from petri.published.convention import Convention, Layers, settle

LARGEST = 1 << 24  # bytes; the published ones have half a million to 1.2
MOST = 4096  # models in one file
LARGEST_SCALE = 1e4  # of weights; the published ones are about 2
LANES = 4  # values of a pixel: red, green, blue, alpha
ZERO = 127  # the byte that stands for 0
CHANNELS, HIDDEN = 12, 96
FILTERS = 4  # the cell itself, two slopes, the Laplacian
BOUND = 2.0  # of what is sensed, of hidden units, of changes and of the state: the models were trained so
CONVENTION = Convention(order="blocks", divisor=8, padding="wrap", offset=0.5)
GRID, SETTLED = 128, (64, 400)  # cells, and steps within which the published ones have settled
# By how many models a file has. They tell that from no other atlas, but a made-up one has another number.
SOURCES = {
    66: ("Self-Organising Textures, Distill 2021", "CC BY 4.0"),
    133: ("Self-Organising Textures, google-research/self-organising-systems", "Apache-2.0"),
    173: ("Self-Organising Textures, znah/hexells", "Apache-2.0"),
}
AUTHORS = "Eyvind Niklasson, Alexander Mordvintsev, Ettore Randazzo, Michael Levin"


def texture_names(path: str | Path) -> list[str]:
    """The names of an atlas's models, in their order.

    Raises:
        BadRequest: not there, or not an atlas.
    """
    path = Path(path)
    try:
        return _names(_atlas(path))
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def read_textures(path: str | Path, which: str | int) -> Model:
    """Read a texture of an atlas.

    Each of the two `layers` is a PNG: tiles of `layout` columns and rows, one a model, in whose pixel
    (output // 4, input) lane output % 4 is a weight, `(byte − 127) / 255 · scale`; the last row is the bias.

    Args:
        path: such as `models.json`.
        which: the texture's name, or its number from 0.

    Raises:
        BadRequest: not there, not an atlas, or without this texture; the message names what is wrong.

    Source: Niklasson, Mordvintsev, Randazzo, Levin, "Self-Organising Textures", Distill 2021.
    """
    path = Path(path)
    try:
        atlas = _atlas(path)
        names = _names(atlas)
        index = _index(names, which)
        rows = (CHANNELS * FILTERS + 1, HIDDEN), (HIDDEN + 1, CHANNELS)
        first, last = (
            _tile(f"layer {number}", layer, index, len(names), *shape)
            for number, (layer, shape) in enumerate(zip(atlas["layers"], rows, strict=True))
        )
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None
    spec = Spec.of(
        channels=CHANNELS,
        perception="sobel+laplacian",
        rule={"hidden": HIDDEN, "layers": 2}
        | dict.fromkeys(("sensed_bound", "hidden_bound", "change_bound"), BOUND),
        padding=CONVENTION.padding,
        start={"kind": "uniform", "value": 0.0},
        clamp=BOUND,
        colour_offset=CONVENTION.offset,
        colour_scale=0.5,
    )
    layers = Layers(first[:-1].T, first[-1], last[:-1].T, last[-1])
    source, licence = SOURCES.get(len(names), ("an atlas of self-organising textures", ""))
    training: dict[str, Any] = {
        "imported": True,
        "source": f"{source}, {names[index]}",
        "authors": AUTHORS,
        "recipe": {"task": "texture", "phases": [{"res": GRID, "steps": list(SETTLED)}]},
    }
    if licence:
        training["licence"] = licence
    return Model(automaton=settle(spec, layers, CONVENTION), target=names[index], training=training)


def _atlas(path: Path) -> dict[str, Any]:
    atlas = content.read_json(path, most=LARGEST)
    if isinstance(atlas, list) and atlas and isinstance(atlas[0], dict) and "data_b64" in atlas[0]:
        raise BadRequest("is a figure of the Distill article of 2020: petri import distill reads it")
    if not isinstance(atlas, dict) or not {"model_names", "layers"} <= atlas.keys():
        raise BadRequest("an atlas must be a JSON object with model_names and layers")
    if not isinstance(atlas["layers"], list) or len(atlas["layers"]) != 2:
        raise BadRequest("an atlas must have 2 layers")
    return atlas


def _names(atlas: dict[str, Any]) -> list[str]:
    names = atlas["model_names"]
    if not isinstance(names, list) or not 1 <= len(names) <= MOST:
        raise BadRequest(f"model_names must be a list of 1 to {MOST} names")
    for name in names:
        checks.printable("a name in model_names", name)
    return names


def _index(names: list[str], which: str | int) -> int:
    if isinstance(which, int):
        if not 0 <= which < len(names):
            raise BadRequest(f"the index must be in 0..{len(names) - 1}, got {which}")
        return which
    if which not in names:
        raise BadRequest(f"has no texture {which!r}{nearest(which, names)}")
    return names.index(which)


def _tile(name: str, layer: Any, index: int, models: int, rows: int, outputs: int) -> Tensor:
    """The weights of one model, a row an input and then the bias: `[rows, outputs]`, float64."""
    if not isinstance(layer, dict):
        raise BadRequest(f"{name} must be a JSON object, got {type(layer).__name__}")
    for key in ("scale", "data", "shape", "layout"):
        if key not in layer:
            raise BadRequest(f"{name} lacks {key}")
    if layer["shape"] != [rows, outputs]:
        raise BadRequest(f"{name}: shape must be {[rows, outputs]}, got {layer['shape']!r:.40}")
    if type(layer["scale"]) not in (int, float) or not 0 <= layer["scale"] <= LARGEST_SCALE:
        raise BadRequest(f"{name}: scale must be in [0, {LARGEST_SCALE:g}], got {layer['scale']!r:.40}")
    layout = layer["layout"]
    if not isinstance(layout, list) or len(layout) != 2 or not all(type(n) is int and n > 0 for n in layout):
        raise BadRequest(f"{name}: layout must be 2 counts of tiles, got {layout!r:.40}")
    across, down = layout
    if not models <= across * down <= 2 * MOST:
        raise BadRequest(f"{name}: layout must have a tile for each of {models} models, got {layout!r:.40}")
    width = -(-outputs // LANES)
    pixels = _pixels(name, layer["data"], (across * width, down * rows))
    top, left = index // across * rows, index % across * width
    tile = pixels[top : top + rows, left : left + width].reshape(rows, -1)[:, :outputs]
    return (torch.from_numpy(tile.astype(np.float64)) - ZERO) / 255 * layer["scale"]


def _pixels(name: str, data: Any, size: tuple[int, int]) -> np.ndarray:
    """The bytes of a PNG, `[height, width, 4]`."""
    try:
        kind, _, encoded = data.partition(",")
        png = base64.b64decode(encoded, validate=True)
    except (AttributeError, TypeError, ValueError) as error:
        raise BadRequest(f"{name}: data is not base64: {error}") from None
    if kind.lower() != "data:image/png;base64":
        raise BadRequest(f"{name}: data must be a PNG, got {kind!r:.40}")
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.size != size or image.mode != "RGBA":
                raise BadRequest(
                    f"{name}: data must be {size[0]}×{size[1]} pixels in RGBA, "
                    f"got {image.width}×{image.height} in {image.mode}"
                )
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadRequest(f"{name}: data cannot be read as a PNG: {error}") from None

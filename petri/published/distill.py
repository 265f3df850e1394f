"""The growing figures of the Distill article of 2020."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Spec
from petri.published import content
from petri.published.convention import Convention, Layers, settle
from petri.wording import readable

LARGEST_SCALE = 1e4  # the published ones are about 1
CONVENTION = Convention(order="blocks", divisor=8, padding="zero")
TRAINED_TO = {"1": "grow", "2": "persist", "3": "regenerate"}  # by the article's experiment


def read_distill(path: str | Path) -> Model:
    """Read a model as the demo of the Distill article stores it.

    The file is a JSON list of two layers. A layer's `data_b64` holds `in_ch + 1` rows of `out_ch`
    bytes: a row an input, then the bias; a byte stands for `(byte / 255 − 0.5) · scale`.

    Args:
        path: such as `ex1_lizard.json`; its name gives the target's, and `ex1_`, `ex2_` or `ex3_`
            what the model was trained to do.

    Raises:
        BadRequest: not there, or not such a file; the message names what is wrong.

    Source: Mordvintsev, Randazzo, Niklasson, Levin, "Growing Neural Cellular Automata", Distill 2020.
    """
    path = Path(path)
    spec = Spec.of(
        perception="sobel", hidden=128, layers=2, fire_rate=0.5, living=True, padding="zero", clamp=None
    )
    sizes = [(spec.features, spec.rule.hidden), (spec.rule.hidden, spec.channels)]
    try:
        stored = enumerate(zip(_layers(content.read_json(path)), sizes, strict=True))
        matrices = [_matrix(f"layer {number}", layer, *size) for number, (layer, size) in stored]
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None
    name = readable(path.stem)
    prefix = re.match(r"ex(\d)_(?=.)", name, re.DOTALL)
    experiment, name = (prefix[1], name[prefix.end() :]) if prefix else ("", name)
    training = {
        "imported": True,
        "source": "Growing Neural Cellular Automata, Distill 2020",
        "authors": "Alexander Mordvintsev, Ettore Randazzo, Eyvind Niklasson, Michael Levin",
        "licence": "CC BY 4.0",
    }
    if experiment in TRAINED_TO:
        training["trained_to"] = TRAINED_TO[experiment]
    (first, first_bias), (last, last_bias) = matrices
    automaton = settle(spec, Layers(first, first_bias, last, last_bias), CONVENTION)
    return Model(automaton=automaton, target=name, training=training)


def _layers(layers: Any) -> list[Any]:
    if isinstance(layers, dict) and "model_names" in layers:
        raise BadRequest("is an atlas of textures: petri import textures reads it")
    if not isinstance(layers, list) or len(layers) != 2:
        got = f"a list of {len(layers)}" if isinstance(layers, list) else type(layers).__name__
        raise BadRequest(f"a published model must be a list of 2 layers, got {got}")
    return layers


def _matrix(name: str, layer: Any, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Weights `[out, in]` and biases `[out]`, float64."""
    if not isinstance(layer, dict):
        raise BadRequest(f"{name} must be a JSON object, got {type(layer).__name__}")
    for key in ("data_b64", "in_ch", "out_ch", "weight_scale", "bias_scale"):
        if key not in layer:
            raise BadRequest(f"{name} lacks {key}")
    for key, size in (("in_ch", inputs), ("out_ch", outputs)):
        if type(layer[key]) is not int or layer[key] != size:
            raise BadRequest(f"{name}: {key} must be {size}, got {layer[key]!r:.40}")
    scales = layer["weight_scale"], layer["bias_scale"]
    for key, scale in zip(("weight_scale", "bias_scale"), scales, strict=True):
        if type(scale) not in (int, float) or not 0 <= scale <= LARGEST_SCALE:
            raise BadRequest(f"{name}: {key} must be in [0, {LARGEST_SCALE:g}], got {scale!r:.40}")
    if layer.get("type", "uint8") != "uint8":
        raise BadRequest(f"{name}: type must be uint8, got {layer['type']!r:.40}")
    try:
        data = base64.b64decode(layer["data_b64"], validate=True)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{name}: data_b64 is not base64: {error}") from None
    if len(data) != (inputs + 1) * outputs:
        raise BadRequest(f"{name}: data_b64 must hold {(inputs + 1) * outputs} bytes, got {len(data)}")
    values = torch.tensor(list(data), dtype=torch.float64).unflatten(0, (inputs + 1, outputs)) / 255 - 0.5
    return (values[:-1] * scales[0]).T, values[-1] * scales[1]

"""Weights with nothing said about them: raw numbers, and what `torch.save` wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Spec
from petri.published import content, torchfile
from petri.published.convention import Convention, Layers, settle
from petri.wording import readable

FIGURE, TEXTURE = 3, 4  # filters a channel: with the Laplacian it is a texture
PERCEPTIONS = {FIGURE: "sobel", TEXTURE: "sobel+laplacian"}
CHANNELS, HIDDEN = 12, 96  # of raw numbers, if they are not said
RAW = {
    TEXTURE: Convention(),  # MonashDeepNeuron's
    FIGURE: Convention(order="blocks"),
}
TORCH = {
    TEXTURE: Convention(offset=0.5),  # Distill's textures in PyTorch, and those made for grafting
    FIGURE: Convention(order="blocks", divisor=8, axes="yx", padding="zero"),  # chenmingxiang110's
}
GRID, SETTLED = 128, (64, 400)
MEMORY = ("optim", "exp_avg")  # names of what a checkpoint keeps beside the weights


def read_raw(path: str | Path, *, channels: int = CHANNELS, hidden: int = HIDDEN, **convention: Any) -> Model:
    """Read bare float32 numbers, little-endian: first layer, its bias, second layer, and its bias if any.

    Matrices are row by row, a row an output.

    Args:
        path: such as `texture-weave.bin`; its name gives the target's.
        channels, hidden: sizes of the layers.
        convention: fields of a `Convention` that differ from the family's.

    Raises:
        BadRequest: not there, or not so many numbers; the message says how many there are.

    Source: MonashDeepNeuron, Neural-Cellular-Automata, whose textures are stored so.
    """
    path = Path(path)
    try:
        checks.whole("channels", channels, 4, 64)
        checks.whole("hidden", hidden, 16, 512)
        data = content.read(path)
        if not data or len(data) % 4:
            raise BadRequest(f"must hold float32 numbers, 4 bytes each, got {len(data)} bytes")
        values = torch.from_numpy(np.frombuffer(data, dtype="<f4").copy())
        counts = {
            (filters, biased): hidden * (filters * channels + 1 + channels) + channels * biased
            for filters in PERCEPTIONS
            for biased in (False, True)
        }
        fits = [shape for shape, count in counts.items() if count == len(values)]
        if not fits:
            wanted = ", ".join(f"{count:,}" for count in counts.values())
            raise BadRequest(
                f"holds {len(values):,} numbers; for {channels} channels and {hidden} hidden units "
                f"it must be one of {wanted}: say --channels and --hidden"
            )
        filters, biased = fits[0]
        sizes = [hidden * filters * channels, hidden, channels * hidden, channels * biased]
        first, first_bias, last, last_bias = values.split(sizes)
        layers = Layers(
            first.unflatten(0, (hidden, -1)), first_bias, last.unflatten(0, (channels, -1)),
            last_bias if biased else None,
        )  # fmt: skip
        return _model(path, layers, dataclasses.replace(RAW[filters], **convention))
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def read_torch(path: str | Path, **convention: Any) -> Model:
    """Read the two layers of an automaton that `torch.save` wrote, as a state_dict or as a whole module.

    Nothing is unpickled and nothing executed. Among the tensors there must be one pair of layers, a matrix
    `[hidden, filters · channels]` and one `[channels, hidden]`, both with or without two axes of length 1.

    Args:
        path: such as `dots.pt`; its name gives the target's.
        convention: fields of a `Convention` that differ from the family's.

    Raises:
        BadRequest: not there, no such file, or none that holds such layers; the message says what it holds.
    """
    path = Path(path)
    try:
        layers = _layers(torchfile.read(path))
        return _model(path, layers, dataclasses.replace(TORCH[layers.filters], **convention))
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def _layers(tensors: dict[str, Tensor]) -> Layers:
    """The rule's layers among tensors."""
    weights = {
        name: tensor.flatten(2).squeeze(2) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor
        for name, tensor in tensors.items()
        if not any(word in name for word in MEMORY)
    }
    matrices = {name: tensor for name, tensor in weights.items() if tensor.ndim == 2}
    pairs = [
        (one, other)
        for one, first in matrices.items()
        for other, last in matrices.items()
        if len(first) == last.shape[1] and first.shape[1] in [len(last) * filters for filters in PERCEPTIONS]
    ]
    if len(pairs) != 1:
        found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()) or "none"
        many = "several pairs" if pairs else "no pair"
        raise BadRequest(
            f"has {many} of layers [hidden, 3 or 4 · channels] and [channels, hidden] among its tensors: "
            f"{found:.300}"
        )
    one, other = pairs[0]
    first, last = matrices[one], matrices[other]
    first_bias = _bias(weights, one, len(first))
    return Layers(
        first,
        torch.zeros(len(first)) if first_bias is None else first_bias,
        last,
        _bias(weights, other, len(last)),
    )


def _bias(weights: dict[str, Tensor], name: str, length: int) -> Tensor | None:
    """The bias that belongs to a matrix, by its name."""
    bias = weights.get("bias".join(name.rsplit("weight", 1)))
    return bias if bias is not None and bias.shape == (length,) else None


def _model(path: Path, layers: Layers, convention: Convention) -> Model:
    texture = layers.filters == TEXTURE
    tensors = (layers.first, layers.first_bias, layers.last, layers.last_bias)
    if not all(tensor is None or tensor.isfinite().all() for tensor in tensors):
        raise BadRequest("has weights that are not finite")
    spec = Spec.of(
        channels=layers.channels,
        perception=PERCEPTIONS[layers.filters],
        hidden=len(layers.first),
        layers=2,
        padding=convention.padding,
        start={"kind": "uniform", "value": 0.0} if texture else {"kind": "cell"},
        living=not texture,
        clamp=None,
        colour_offset=convention.offset,
    )
    training: dict[str, Any] = {
        "imported": True,
        "source": f"the file {readable(path.name)}",
        "convention": dataclasses.asdict(convention),
    }
    if texture:
        training["recipe"] = {"task": "texture", "phases": [{"res": GRID, "steps": list(SETTLED)}]}
    return Model(automaton=settle(spec, layers, convention), target=readable(path.stem), training=training)

"""Automata with a decoder, as the demos of Cells2Pixels store them."""

from __future__ import annotations

import base64
import binascii
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri import checks
from petri.errors import BadRequest
from petri.maps import MAPS
from petri.modelfile import Model
from petri.nca import Automaton, Spec, opening_state
from petri.nca.decoder import COORDINATES, Lppn, Raster
from petri.published import content
from petri.published.convention import Convention, Layers, settle
from petri.wording import readable

LARGEST = 4 << 20  # bytes; those of figures have some 280 thousand
CONVENTION = Convention(order="blocks", padding="wrap")
FILTERS = 4  # the cell itself, two slopes, the Laplacian
FIGURE, MATERIAL = 4, 9  # outputs: RGBA; all of MAPS, in that order
OMEGA = 10.0
PIXELS = 8  # along a cell, in training
LANES = 4  # the last side of each tensor is filled up with zeros to a multiple of this
CELLS = {True: 96, False: 64}  # along a side, of a figure and of a material
SETTLED = {True: (64, 128), False: (64, 400)}
SMOOTHER = 0.95  # of the one's jump at the patches' edges is the other's, to be worth a word


def read_cells2pixels(path: str | Path, *, coordinates: str = "centre") -> Model:
    """Read a figure or a material.

    The file is a JSON object of tensors, each `{shape, dtype, data64}` with little-endian float32: the
    automaton's as `nca.w1.weight`, `nca.w1.bias` and `nca.w2.weight.T`, the decoder's as
    `lppn.net.0.linear.weight` and so on.

    Args:
        path: such as `Butterfly.json`; its name gives the target's.
        coordinates: where in its patch a cell sits, `centre` as in the authors' code, or `corner` as in
            their text.

    Raises:
        BadRequest: not there, or not such a file; the message names what is wrong.

    Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899), and its page.
    """
    path = Path(path)
    checks.choice("coordinates", coordinates, COORDINATES)
    try:
        tensors = _tensors(content.read_json(path, most=LARGEST))
        layers, lppn, decoder = _parts(tensors, coordinates)
        figure = lppn.outputs == FIGURE
        spec = Spec.of(
            channels=layers.channels,
            perception="sobel+laplacian",
            hidden=len(layers.first),
            layers=2,
            padding=CONVENTION.padding,
            start={"kind": "cell"} if figure else {"kind": "uniform", "value": 0.0},
            living=figure,
            clamp=None,
            decoder=lppn,
        )
        automaton = settle(spec, layers, CONVENTION)
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None
    assert automaton.decoder is not None
    with torch.no_grad():
        for place, values in zip(
            (*automaton.decoder.weights, *automaton.decoder.biases), decoder, strict=True
        ):
            place.copy_(values)
    cells = CELLS[figure]
    training: dict[str, Any] = {
        "imported": True,
        "source": f"the file {readable(path.name)} of Cells2Pixels",
        "authors": "Ehsan Pajouheshgar and others",
        "licence": "CC BY-SA 4.0, as their page says",
        "recipe": {
            "task": "paint" if figure else "material",
            "phases": [{"res": cells, "steps": list(SETTLED[figure])}],
            "loss": {"pixels": PIXELS * cells},
        },
    }
    return Model(automaton=automaton, target=readable(path.stem), training=training)


def _tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, dict) or not all(
        isinstance(one, dict) and {"shape", "data64"} <= one.keys() for one in value.values()
    ):
        raise BadRequest("must be a JSON object of tensors, each with shape and data64")
    return {name: _tensor(name, one) for name, one in value.items()}


def _tensor(name: str, stored: dict[str, Any]) -> Tensor:
    shape, text = stored["shape"], stored["data64"]
    if stored.get("dtype", "float32") != "float32":
        raise BadRequest(f"{name} must be float32, is {stored['dtype']!r}")
    if not isinstance(shape, list) or not all(
        isinstance(side, int) and not isinstance(side, bool) and 0 < side < LARGEST for side in shape
    ):
        raise BadRequest(f"the shape of {name} must be a list of whole numbers, got {shape!r:.60}")
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise BadRequest(f"data64 of {name} is no base64: {error}") from None
    if len(data) != 4 * math.prod(shape):
        raise BadRequest(f"{name} of {shape} has {4 * math.prod(shape):,} bytes, got {len(data):,}")
    values = torch.from_numpy(np.frombuffer(data, dtype="<f4").copy()).view(shape)
    if not values.isfinite().all():
        raise BadRequest(f"{name} has numbers that are not finite")
    return values


def _parts(tensors: dict[str, Tensor], coordinates: str) -> tuple[Layers, Lppn, list[Tensor]]:
    """The rule's layers, what the decoder is, and the decoder's matrices and then its biases."""
    first, first_bias = _named(tensors, "nca.w1.weight", 2), _named(tensors, "nca.w1.bias", 1)
    last = _named(tensors, "nca.w2.weight.T", 2)
    hidden = len(last)
    channels = last.shape[1]
    if first.shape != (hidden, FILTERS * channels):
        raise BadRequest(
            f"nca.w1.weight must be [{hidden}, {FILTERS * channels}], {FILTERS} filters of {channels} "
            f"channels in the plane, is {list(first.shape)}: volumes, and automata that see where they are, "
            "are not supported"
        )
    numbers = sorted(
        int(found[1])
        for name in tensors
        if (found := re.fullmatch(r"\w+\.net\.(\d+)(?:\.linear)?\.weight", name))
    )
    if len(numbers) < 2 or numbers != list(range(len(numbers))):
        raise BadRequest(
            f"must have a decoder's layers, lppn.net.0.linear.weight and on, has {numbers or 'none'}"
        )
    matrices, biases = [], []
    for number in numbers:
        name = next(
            name for name in tensors if re.fullmatch(rf"\w+\.net\.{number}(?:\.linear)?\.weight", name)
        )
        matrices.append(_named(tensors, name, 2))
        biases.append(_named(tensors, name.removesuffix("weight") + "bias", 1))
    width, outputs = len(matrices[0]), len(matrices[-1])
    given = channels + 2
    turned = matrices[0].shape[1] >= channels + 4 and bool(matrices[0][:, given:].any())
    lppn = Lppn(
        width=width, layers=len(matrices) - 1, outputs=outputs, omega=OMEGA, frequencies=int(turned),
        coordinates=coordinates, order="yx", maps=tuple(MAPS) if outputs == MATERIAL else (),
    )  # fmt: skip
    if outputs not in (FIGURE, MATERIAL):
        raise BadRequest(
            f"paints {outputs} numbers a point, where figures have {FIGURE} and materials {MATERIAL}"
        )
    sizes = lppn.sizes(channels)
    for number, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
        inputs, units = sizes[number], sizes[number + 1]
        if matrix.shape != (units, _filled(inputs)) or len(bias) < units:
            raise BadRequest(
                f"layer {number} of the decoder must be [{units}, {_filled(inputs)}], is {list(matrix.shape)}"
            )
        matrices[number], biases[number] = matrix[:, :inputs], bias[:units]
    if len(first_bias) < hidden:
        raise BadRequest(f"nca.w1.bias must have {hidden} numbers, has {len(first_bias)}")
    return Layers(first, first_bias[:hidden], last.T), lppn, [*matrices, *biases]


def _named(tensors: dict[str, Tensor], name: str, sides: int) -> Tensor:
    if name not in tensors:
        raise BadRequest(f"has no {name}; it has {', '.join(tensors) or 'nothing':.200}")
    if tensors[name].ndim != sides:
        raise BadRequest(f"{name} must have {sides} sides, has {list(tensors[name].shape)}")
    return tensors[name]


def _filled(count: int) -> int:
    return -(-count // LANES) * LANES


@torch.no_grad()
def seams(automaton: Automaton, *, cells: int = 64, steps: int = 128) -> float:
    """How much a picture jumps where two cells' patches meet: 1 where it is as smooth there as inside them.

    Args:
        automaton: one with a decoder.
        cells: along a side of the grid that it grows on.
        steps: for which it grows.

    Returns:
        The mean difference of pixels one below the other, of two patches, divided by that within patches.
    """
    state = automaton.rollout(opening_state(automaton.spec, cells, cells), steps)
    raster = Raster.of(PIXELS * cells, PIXELS * cells)
    jumps = automaton.paint(state, raster)[0, :3].diff(dim=1).abs().mean((0, 2))
    between = torch.arange(1, PIXELS * cells) % PIXELS == 0
    return float(jumps[between].mean() / jumps[~between].mean().clamp_min(1e-12))


def other_coordinates(path: str | Path, *, coordinates: str) -> str:
    """The other place for the cells, if patches meet more smoothly with it; empty if they do not."""
    other = next(name for name in COORDINATES if name != coordinates)
    here, there = (
        seams(read_cells2pixels(path, coordinates=name).automaton) for name in (coordinates, other)
    )
    return other if there < SMOOTHER * here else ""

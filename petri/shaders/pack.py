"""Weights as the GPU reads them: one RGBA32F texture, a row a hidden unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.automaton import departure
from petri.nca.senses import Conv, Harmonics, Invariants, Sense, Stencil
from petri.shaders.decoder import pack_decoder, texels
from petri.shaders.lanes import LANES, in_fours

LARGEST = 2048  # texels along a side of a texture that every WebGL2 takes


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a sense lies."""

    first: int  # its first filter or, of a convolution, its first vec4 of features
    at: int  # where what it has of its own begins, in texels from row `below` on


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things lie in the texture, in texels.

    Row j belongs to hidden unit j of every layer: first what it senses, at `features` its biases (hidden
    layer 1, hidden layer 2) and its weight to the gate, at `second` its weights from hidden layer 1, at
    `output` its weights to the channels. Row `hidden` holds the biases of the channels, then of the gate.
    From row `below` on lies, texel after texel, what the senses have of their own: of a trained bank filter
    after filter, layer after layer, the taps; of a convolution its biases, and then of each tap, unit and
    layer the weights. Behind that lies the decoder, if there is one: see `petri.shaders.decoder`.
    """

    groups: int  # of four channels
    layers: int  # of the state: the groups, and behind them those of the fixed planes
    filters: int  # a plane, of all stencils
    features: int  # vec4s that are sensed, and the column of the biases
    second: int
    output: int
    end: int  # columns that the rule takes
    below: int
    senses: tuple[Place, ...]
    decoder: int  # where it begins, in texels from row `below` on
    width: int
    height: int


def layout(spec: Spec) -> Layout:
    """Where the weights of a Spec lie, whose senses are those that a browser computes."""
    groups = -(-spec.channels // LANES)
    layers = groups - (-spec.fixed // LANES)
    filters = sum(_filters(sense) for sense in spec.senses)
    places, features, extra, before = [], filters * layers, 0, 0
    for sense in spec.senses:
        taps = sense.size**2
        if isinstance(sense, Harmonics | Invariants):
            places.append(Place(first=before, at=extra))
            before += _filters(sense)
        elif isinstance(sense, Conv):
            places.append(Place(first=features, at=extra))
            quads = -(-sense.width // LANES)
            features += quads
            extra += quads + LANES * quads * taps * layers
        elif isinstance(sense, Stencil):
            places.append(Place(first=before, at=extra))
            before += len(sense.filters)
            extra += len(sense.filters) * taps * layers if sense.trained else 0
    decoder, extra = extra, extra + texels(spec)
    output = features + 1 + (spec.rule.hidden // LANES if spec.rule.layers == 3 else 0)
    end, below = output + groups, spec.rule.hidden + 1
    width = max(end, -(-extra // (LARGEST - below)))
    return Layout(
        groups=groups,
        layers=layers,
        filters=filters,
        features=features,
        second=features + 1,
        output=output,
        end=end,
        below=below,
        senses=tuple(places),
        decoder=decoder,
        width=width,
        height=below - (-extra // width),
    )


def _filters(sense: Sense) -> int:
    """Numbers of each plane: filters of a stencil; of a graph the value itself, and what is around."""
    if isinstance(sense, Harmonics | Invariants):
        return sense.features(1)
    return len(sense.filters) if isinstance(sense, Stencil) else 0


def by_lane(values: Tensor, spec: Spec) -> np.ndarray:
    """Put planes where they lie among the lanes of the state's layers; fixed planes begin a layer.

    Args:
        values: `[..., plane]`.
        spec: says which of them are channels; lanes of no plane are 0.

    Returns:
        float32 `[..., layer, 4]`.
    """
    places = layout(spec)
    numbers = values.detach().cpu().numpy()
    padded = np.zeros((*numbers.shape[:-1], places.layers * LANES), np.float32)
    padded[..., : spec.channels] = numbers[..., : spec.channels]
    fixed = numbers[..., spec.channels :]
    padded[..., places.groups * LANES :][..., : fixed.shape[-1]] = fixed
    return padded.reshape(*padded.shape[:-1], places.layers, LANES)


def pack(automaton: Automaton) -> np.ndarray:
    """The weights as RGBA texels, float32 `[height, width, 4]`; see `Layout`.

    Raises:
        BadRequest: the automaton does what its Spec and its weights do not tell, or has an obstacle.
    """
    from petri.shaders.obstacle import obstacle

    if departed := departure(automaton):
        raise BadRequest(f"shaders are made of a Spec and weights, which do not tell all: {departed}")
    spec, rule = automaton.spec, automaton.rule
    if reason := obstacle(spec):
        raise BadRequest(reason)
    places, hidden = layout(spec), spec.rule.hidden
    made = np.zeros((places.height, places.width, LANES), np.float32)
    units = made[:hidden]
    units[:, : places.features] = _sensed(rule.weights[0], spec)
    units[:, places.features, 0] = rule.biases[0].detach().cpu().numpy()
    if spec.rule.layers == 3:
        units[:, places.features, 1] = rule.biases[1].detach().cpu().numpy()
        units[:, places.second : places.output] = in_fours(rule.weights[1])
    last, biases = rule.weights[-1].detach().cpu(), rule.biases[-1].detach().cpu()
    units[:, places.output : places.end] = in_fours(last[: spec.channels].T)
    made[hidden, : places.groups] = in_fours(biases[: spec.channels])
    if spec.rule.gated:
        units[:, places.features, 2] = last[spec.channels].numpy()
        made[hidden, places.groups, 0] = biases[spec.channels]
    own = made[places.below :].reshape(-1, LANES)
    for sense, module, place in zip(spec.senses, automaton.perception, places.senses, strict=True):
        if isinstance(sense, Conv):
            content = np.concatenate(
                [in_fours(module.get_parameter("bias")), _convolution(module.get_parameter("weight"), spec)]
            )
        elif isinstance(sense, Stencil) and sense.trained:
            content = _bank(module.get_parameter("bank"), sense, spec)
        else:
            continue
        own[place.at : place.at + len(content)] = content
    if spec.decoder is not None:
        content = pack_decoder(automaton)
        own[places.decoder : places.decoder + len(content)] = content
    return made


def _sensed(weights: Tensor, spec: Spec) -> np.ndarray:
    """The first layer's columns: (plane, filter) as (layer, filter, lane), those of convolutions in fours."""
    places, rows = layout(spec), len(weights)
    stencils = weights[:, : spec.planes * places.filters].unflatten(1, (spec.planes, places.filters))
    parts = [by_lane(stencils.transpose(1, 2), spec).swapaxes(1, 2).reshape(rows, -1, LANES)]
    begin = spec.planes * places.filters
    for sense in spec.senses:
        if isinstance(sense, Conv):
            parts.append(in_fours(weights[:, begin : begin + sense.width]))
            begin += sense.width
    return np.concatenate(parts, axis=1)


def _convolution(weight: Tensor, spec: Spec) -> np.ndarray:
    """From `[unit, plane, size, size]` to texels in the order (tap, unit, layer)."""
    taps = by_lane(weight.flatten(2).permute(2, 0, 1), spec)  # [tap, unit, layer, lane]
    return np.pad(taps, [(0, 0), (0, -len(weight) % LANES), (0, 0), (0, 0)]).reshape(-1, LANES)


def _bank(bank: Tensor, stencil: Stencil, spec: Spec) -> np.ndarray:
    """From `[plane · filter, 1, size, size]` to texels in the order (filter, layer, tap)."""
    taps = bank.reshape(spec.planes, len(stencil.filters), -1).permute(1, 2, 0)
    return by_lane(taps, spec).swapaxes(1, 2).reshape(-1, LANES)

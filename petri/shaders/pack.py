"""Weights as the GPU reads them: one RGBA32F texture, a row a hidden unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.automaton import departure

FILTERS = 3

LANES = 4  # of a texel
TAPS = 9  # of a 3×3 filter


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things lie in the texture, in texels.

    Row j belongs to hidden unit j of every layer: first what it senses, at `features` its biases (hidden
    layer 1, hidden layer 2) and its weight to the gate, at `second` its weights from hidden layer 1, at
    `output` its weights to the channels. Row `hidden` holds the biases of the channels, then of the gate.
    Where the bank is trained, three more rows hold its filters, nine taps a group.
    """

    groups: int  # of four channels
    filters: int  # a channel
    features: int  # vec4s that are sensed, and the column of the biases
    second: int
    output: int
    end: int  # columns that the rule takes
    width: int
    height: int


def layout(spec: Spec) -> Layout:
    """Where the weights of a Spec lie."""
    groups = -(-spec.channels // LANES)
    filters = spec.features // spec.channels
    features = groups * filters
    output = features + 1 + (spec.rule.hidden // LANES if spec.rule.layers == 3 else 0)
    end = output + groups
    return Layout(
        groups=groups,
        filters=filters,
        features=features,
        second=features + 1,
        output=output,
        end=end,
        width=max(end, TAPS * groups if getattr(spec.senses[0], "trained", False) else 0),
        height=spec.rule.hidden + 1 + (FILTERS if getattr(spec.senses[0], "trained", False) else 0),
    )


def by_group(values: Tensor, spec: Spec, filters: int) -> np.ndarray:
    """Permute columns from (channel, filter) to (group, filter, lane); channel = 4 · group + lane.

    Args:
        values: `[rows, channels · filters]`.
        spec: says how many channels there are; lanes beyond the last one are 0.
        filters: a channel.

    Returns:
        float32 `[rows, groups · filters, 4]`, a texel a (group, filter).
    """
    rows, groups = len(values), layout(spec).groups
    padded = np.zeros((rows, groups * LANES, filters), np.float32)
    padded[:, : spec.channels] = values.detach().cpu().reshape(rows, spec.channels, filters).numpy()
    return padded.reshape(rows, groups, LANES, filters).swapaxes(2, 3).reshape(rows, groups * filters, LANES)


def pack(automaton: Automaton) -> np.ndarray:
    """The weights as RGBA texels, float32 `[height, width, 4]`; see `Layout`.

    Raises:
        BadRequest: the automaton does what its Spec and its weights do not tell.
    """
    if departed := departure(automaton):
        raise BadRequest(f"shaders are made of a Spec and weights, which do not tell all: {departed}")
    spec, rule = automaton.spec, automaton.rule
    places = layout(spec)
    texels = np.zeros((places.height, places.width, LANES), np.float32)
    units = texels[: spec.rule.hidden]
    units[:, : places.features] = by_group(rule.weights[0], spec, places.filters)
    units[:, places.features, 0] = rule.biases[0].detach().cpu().numpy()
    if spec.rule.layers == 3:
        units[:, places.features, 1] = rule.biases[1].detach().cpu().numpy()
        second = rule.weights[1].detach().cpu().numpy()
        units[:, places.second : places.output] = second.reshape(spec.rule.hidden, -1, LANES)
    last, biases = rule.weights[-1].detach().cpu(), rule.biases[-1].detach().cpu()
    units[:, places.output : places.end] = by_group(last[: spec.channels].T, spec, 1)
    texels[spec.rule.hidden, : places.groups] = by_group(biases[None, : spec.channels], spec, 1)[0]
    if spec.rule.gated:
        units[:, places.features, 2] = last[spec.channels].numpy()
        texels[spec.rule.hidden, places.groups, 0] = biases[spec.channels]
    if getattr(spec.senses[0], "trained", False):
        bank = (
            automaton.perception.get_parameter("0.bank").detach().cpu().reshape(spec.channels, FILTERS, TAPS)
        )
        for number in range(FILTERS):
            row = by_group(bank[:, number].reshape(1, -1), spec, TAPS)[0]
            texels[spec.rule.hidden + 1 + number, : len(row)] = row
    return texels

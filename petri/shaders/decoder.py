"""A decoder's layers in the texture of weights: where they lie, and how they are packed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from petri.lit import DULL
from petri.nca import Automaton, Spec
from petri.nca.decoder import Lppn
from petri.shaders.lanes import LANES

# Of maps that are not painted.
PLAIN = {"height": 0.5, "roughness": DULL, "occlusion": 1.0}
PLAIN_NORMAL = (0.5, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class LayerPlace:
    """Where a layer lies: of every four units their biases, then their weights from each input."""

    begin: int  # in texels from the decoder's first on
    before: int  # vec4s that it is given
    quads: int  # vec4s that it has

    @property
    def stride(self) -> int:
        """Texels of four units."""
        return 1 + LANES * self.before


def given(spec: Spec) -> int:
    """The vec4s that the first layer is given: those of the state, then those of each frequency.

    Of the frequency k one holds sin kπu and cos kπu, each down and then right; of a triangle, which has three
    coordinates, one holds the sines and one the cosines. Without frequencies there is one, of u itself.
    """
    frequencies = _lppn(spec).frequencies
    return -(-spec.channels // LANES) + (frequencies * 2 * _lanes(spec) // LANES or 1)


def _lanes(spec: Spec) -> int:
    """The lanes in which the sines of a point's coordinates lie: two, or of three coordinates four."""
    return 2 if spec.space.axes == 2 else LANES


def layer_places(spec: Spec) -> list[LayerPlace]:
    """Where the layers of a Spec's decoder lie, the linear one last."""
    decoder, begin, places = _lppn(spec), 0, []
    last = len(material_outputs(decoder)) if decoder.maps else 1
    quads = [given(spec)] + [-(-decoder.width // LANES)] * decoder.layers + [last]
    for before, after in itertools.pairwise(quads):
        places.append(LayerPlace(begin=begin, before=before, quads=after))
        begin += after * places[-1].stride
    return places


def texels(spec: Spec) -> int:
    """Texels that the decoder takes; 0 if there is none."""
    if spec.decoder is None:
        return 0
    last = layer_places(spec)[-1]
    return last.begin + last.quads * last.stride


def material_outputs(decoder: Lppn) -> list[list[int | float]]:
    """What the last layer says of a material, in quads: the outputs, or numbers of maps that are not painted.

    What is seen; height, roughness and occlusion; normals.
    """
    places = decoder.places()
    single = [
        places[name][0] if name in places else PLAIN[name] for name in ("height", "roughness", "occlusion")
    ]
    normal = places.get("normal", PLAIN_NORMAL)
    return [list(decoder.seen(alpha=False)), single, list(normal)]


def pack_decoder(automaton: Automaton) -> np.ndarray:
    """The layers of a decoder, omega multiplied in: texels, float32 `[texel, 4]`."""
    spec, decoder = automaton.spec, automaton.decoder
    assert decoder is not None, "who asks has one"
    kind, parts = _lppn(spec), []
    for number, place in enumerate(layer_places(spec)):
        weight = decoder.weights[number].detach().cpu().numpy()
        bias = decoder.biases[number].detach().cpu().numpy()
        if number < kind.layers:
            weight, bias = np.float32(kind.omega) * weight, np.float32(kind.omega) * bias
        else:  # there may be more outputs than are seen
            weight, bias = _last(kind, weight, bias, alpha=spec.living)
        padded = np.zeros((place.quads * LANES, place.stride), np.float32)
        padded[: len(bias), 0] = bias
        columns = _slots(spec) if number == 0 else list(range(weight.shape[1]))
        padded[: len(bias), [1 + column for column in columns]] = weight
        parts.append(padded.reshape(place.quads, LANES, -1).swapaxes(1, 2).reshape(-1, LANES))
    return np.concatenate(parts)


def _last(
    decoder: Lppn, weight: np.ndarray, bias: np.ndarray, *, alpha: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The units of the last layer in the order in which they are packed, a quad after the other."""
    if not decoder.maps:
        seen = list(decoder.seen(alpha=alpha))
        return weight[seen], bias[seen]
    quads = material_outputs(decoder)
    packed = (
        np.zeros((LANES * len(quads), weight.shape[1]), np.float32),
        np.zeros(LANES * len(quads), np.float32),
    )
    for quad, outputs in enumerate(quads):
        for lane, output in enumerate(outputs):
            unit = LANES * quad + lane
            if isinstance(output, float):
                packed[1][unit] = output
            else:
                packed[0][unit], packed[1][unit] = weight[output], bias[output]
    return packed


def _slots(spec: Spec) -> list[int]:
    """Among the lanes that the first layer is given, the places of its inputs in the order of the decoder."""
    kind, groups, lanes = _lppn(spec), -(-spec.channels // LANES), _lanes(spec)
    axes = range(spec.space.axes) if kind.order == "yx" else (1, 0)
    turns = [LANES * groups + 2 * lanes * k for k in range(max(1, kind.frequencies))]
    halves = (0, lanes) if kind.frequencies else (0,)  # sines, then cosines
    where = [turn + half + axis for half in halves for turn in turns for axis in axes]
    return where + list(range(spec.channels))


def _lppn(spec: Spec) -> Lppn:
    assert isinstance(spec.decoder, Lppn), "another kind is an obstacle, named before"
    return spec.decoder

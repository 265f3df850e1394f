"""Whether a browser can compute an automaton, and if not, why not; `viewer/lib/` says the same sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from petri.nca import Spec, kinds
from petri.nca.decoder import DECODERS
from petri.nca.rule import RULES
from petri.nca.senses import SENSES
from petri.nca.space import SPACES
from petri.nca.start import STARTS
from petri.shaders.pack import LARGEST, layout

MOST_SENSES = 32  # that step.c has room for
MOST_VERTICES = 1_000_000  # of a mesh, that viewer/lib/mesh.js has room for
COMPUTED = {
    "sense": ("stencil", "conv", "harmonics", "invariants"),
    "rule": ("mlp",),
    "space": ("grid", "ring", "mesh"),
    "start": ("cell", "noise", "uniform", "given"),
    "decoder": ("lppn",),
}


def obstacle(spec: Spec, *, nodes: int = 0) -> str:
    """What keeps a browser from computing an automaton, a sentence without its full stop, or nothing.

    Args:
        spec: of the automaton.
        nodes: of a ring or a mesh.
    """
    if spec.held:
        return "a browser computes no held channels"
    parts: list[tuple[str, Any, Mapping[str, type]]] = [
        ("rule", spec.rule, RULES),
        ("space", spec.space, SPACES),
    ]
    parts += [("start", spec.start, STARTS)]
    parts += [("decoder", spec.decoder, DECODERS)] * (spec.decoder is not None)
    parts += [("sense", sense, SENSES) for sense in spec.senses]
    for what, part, known in parts:
        kind = kinds.name_of(part, known)
        if kind not in COMPUTED[what]:
            return f"a browser computes {what}s of the kind {' or '.join(COMPUTED[what])}, not {kind}"
    if spec.space.on_graph and len(spec.senses) > 1:
        space = kinds.name_of(spec.space, SPACES)
        return f"a browser computes one sense of a {space}, not {len(spec.senses)}"
    if spec.space.on_graph and nodes > MOST_VERTICES:
        return f"a page has room for meshes of {MOST_VERTICES:,} vertices, not of {nodes:,}"
    if len(spec.senses) > MOST_SENSES:
        return f"a browser has room for {MOST_SENSES} senses, not {len(spec.senses)}"
    places = layout(spec)
    if max(places.width, places.height) > LARGEST:
        sides = f"{places.width} × {places.height} texels"
        return f"a browser has room for weights of {LARGEST} × {LARGEST} texels, not of {sides}"
    return ""

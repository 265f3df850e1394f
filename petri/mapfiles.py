"""The maps of a material as files of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri.ground import WHITE
from petri.images import picture, save_picture
from petri.nca import Automaton
from petri.nca.decoder import Lppn

LIT = "lit.png"  # the surface under a light


@torch.no_grad()
def save(folder: Path, automaton: Automaton, state: Tensor, pixels: int) -> tuple[str, ...]:
    """Write each map of a material, and the surface under a light, into a folder, which is made if need be.

    Heights have 16 bits, all others 8.

    Args:
        folder: its parent is there.
        automaton: whose decoder paints maps.
        state: `[planes, height, width]`.
        pixels: along the longer side.

    Returns:
        The names of the files.

    Raises:
        OSError: one cannot be written; each is written whole or not at all.
    """
    decoder = automaton.spec.decoder
    assert decoder is not None, "who asks has one"
    folder.mkdir(exist_ok=True)
    bands = [_stored(band, decoder) for band in automaton.bands(state, pixels, whole=True)]
    for name in decoder.maps:
        save_picture(folder / f"{name}.png", np.concatenate([band[name] for band in bands]))
    save_picture(folder / LIT, picture(automaton, state, WHITE, pixels))
    return (*(f"{name}.png" for name in decoder.maps), LIT)


def _stored(band: Tensor, decoder: Lppn) -> dict[str, np.ndarray]:
    """Rows of each map as they are in its file."""
    found = {}
    for name, places in decoder.places().items():
        kind = np.uint16 if name == "height" else np.uint8
        values = (band[list(places)].nan_to_num(0).clamp(0, 1) * np.iinfo(kind).max).round().permute(1, 2, 0)
        stored = values.cpu().numpy().astype(kind)
        found[name] = stored if len(places) == 3 else stored[..., 0]
    return found

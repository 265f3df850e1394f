"""Models that others published, turned into petri's own: one file a family.

Nothing in such a file is executed, and what is not what it says is refused in one line.
"""

from __future__ import annotations

from petri.published.bare import read_raw, read_torch
from petri.published.cells2pixels import other_coordinates, read_cells2pixels
from petri.published.convention import Convention
from petri.published.distill import read_distill
from petri.published.textures import read_textures, texture_names
from petri.published.trial import complaint, remedy

__all__ = [
    "Convention",
    "complaint",
    "other_coordinates",
    "read_cells2pixels",
    "read_distill",
    "read_raw",
    "read_textures",
    "read_torch",
    "remedy",
    "texture_names",
]

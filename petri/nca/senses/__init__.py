"""Senses: what a cell perceives of its neighbourhood, one file a kind.

A sense is a frozen dataclass that a Spec holds, and that builds the module which computes it. It has

- `size`: cells along a side of what it reads, odd; if another backend computes it, `reach`: cells to the
  farthest;
- `features(channels)`: how many numbers it gives a cell;
- `parameters(channels)`: how many it has, as the report counts them;
- `word(width)`: its name on the command line, where its default width is `width`;
- `build(channels, padding, generator)`: the module, from `[batch, channel, height, width]` to
  `[batch, features, height, width]`, with `padding` ("zero" or "wrap") beyond the edge.

A sense of a ring or a mesh has `on_graph`, true, and its module is given the graph beside the state, whose
nodes are one row.

A new kind is a file here and a line in `SENSES`; a program of one's own may add its kinds to the dict. What
only PyTorch computes needs nothing else: every other backend refuses a kind that it does not know.
"""

from petri.nca.senses.attention import Attention
from petri.nca.senses.conv import Conv
from petri.nca.senses.deformable import Deformable
from petri.nca.senses.harmonics import Harmonics, Invariants
from petri.nca.senses.residual import Residual
from petri.nca.senses.sense import Sense
from petri.nca.senses.stencil import Stencil

__all__ = [
    "SENSES",
    "Attention",
    "Conv",
    "Deformable",
    "Harmonics",
    "Invariants",
    "Residual",
    "Sense",
    "Stencil",
]

SENSES: dict[str, type[Sense]] = {
    "stencil": Stencil,
    "conv": Conv,
    "attention": Attention,
    "deformable": Deformable,
    "residual": Residual,
    "harmonics": Harmonics,
    "invariants": Invariants,
}

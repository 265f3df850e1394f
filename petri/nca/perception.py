"""What a cell perceives: all senses of its Spec, side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from petri.nca.graph import Graph
from petri.nca.senses.stencil import Bank
from petri.nca.spec import Spec


class Perception(nn.ModuleList):
    """The senses of a Spec, one module each, in their order.

    Features of the stencils come first, channel by channel and filters within, those of one stencil after
    those of the one before; the features of other senses follow, sense by sense.

    Source: the report, "Perception".
    """

    def __init__(self, spec: Spec, *, generator: torch.Generator | None = None) -> None:
        super().__init__(sense.build(spec.planes, spec.space.padding, generator) for sense in spec.senses)

    def forward(self, state: Tensor, graph: Graph | None = None) -> Tensor:
        """Sense.

        Args:
            state: `[batch, channel, height, width]`, fixed planes last.
            graph: who is whose neighbour, if not a grid's rows and columns; they are one row then.

        Returns:
            `[batch, features, height, width]`.
        """
        banks: list[Tensor] = []
        others: list[Tensor] = []
        for sense in self:
            (banks if isinstance(sense, Bank) else others).append(
                sense(state) if graph is None else sense(state, graph)
            )
        if len(banks) > 1:
            channels = state.shape[1]
            parts = [bank.unflatten(1, (channels, -1)) for bank in banks]
            banks = [torch.cat(parts, dim=2).flatten(1, 2)]
        features = banks + others
        return features[0] if len(features) == 1 else torch.cat(features, dim=1)

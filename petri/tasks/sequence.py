"""Weaving a sequence around a ring: from noise, at any length, alike in its windows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from petri.losses import overflow_loss
from petri.losses.windows import WindowLoss
from petri.nca import show
from petri.nca.fire import sample_seeds
from petri.nca.graph import ring
from petri.tasks.colour import OVERFLOW, OnGraph

if TYPE_CHECKING:
    from petri.nca import Spec


class Sequencing(OnGraph):
    """A ring's colours have the statistics of an exemplar's windows.

    Args:
        spec: of the automaton.
        exemplar: RGB in 0..1, `[3, length]`.
        nodes: of the ring that it is trained on.
        seed: of the random directions of the loss.
    """

    weights: Mapping[str, float] = {"windows": 1.0, "overflow": OVERFLOW}

    def __init__(self, spec: Spec, exemplar: Tensor, *, nodes: int = 64, seed: int = 0) -> None:
        super().__init__(spec, ring(nodes))
        self.loss, self.seed = WindowLoss(exemplar), seed
        self.drawn = torch.zeros((), dtype=torch.int64)  # how often directions have been

    def tensors(self) -> dict[str, Tensor]:
        """How often directions have been drawn."""
        return {"directions": self.drawn}

    def losses(self, looks: Sequence[Tensor], rows: Any) -> dict[str, Tensor]:
        """See `Task`."""
        (state,) = looks
        chance = torch.Generator().manual_seed(int(sample_seeds(self.seed, 1, first=int(self.drawn))))
        self.drawn += 1
        seen = show(state, self.spec)[:, :, 0]
        return {"windows": self.loss(seen, chance), "overflow": overflow_loss(state, bound=1.0)}

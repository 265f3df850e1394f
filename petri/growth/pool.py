"""The pool: states kept from epoch to epoch, so that a pattern is trained to last, not only to appear."""

from __future__ import annotations

import torch
from torch import Tensor


class Pool:
    """States and the loss that each had when last seen; all on one device.

    Attributes:
        states: `[size, channel, height, width]`.
        losses: `[size]`.

    Source: Mordvintsev et al. 2020, "Sample pool"; the report, "State Pool".
    """

    def __init__(self, seed: Tensor, size: int) -> None:
        self.seed = seed  # [1, channel, height, width]
        self.states = seed.repeat(size, 1, 1, 1)
        self.losses = torch.zeros(size, device=seed.device)

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a batch without replacement, so that no entry is written back twice.

        Returns:
            Indices `[batch]` and states; the entry with the largest loss comes first, reset to the seed.
        """
        device = self.states.device
        indices = torch.randperm(len(self.states), generator=generator, device=device)[:batch]
        indices = indices[self.losses[indices].argsort(descending=True, stable=True)]
        states = self.states[indices]
        states[:1] = self.seed
        return indices, states

    def put_back(self, indices: Tensor, states: Tensor, losses: Tensor) -> None:
        """Store what the drawn entries have become."""
        self.states[indices] = states.detach()
        self.losses[indices] = losses.detach()

"""The pool: states kept from epoch to epoch, so that a pattern is trained to last, not only to appear."""

from __future__ import annotations

import torch
from torch import Tensor


class Pool:
    """States and the loss that each had when last seen; all on one device.

    Args:
        seed: `[1, channel, height, width]`, what every entry is at first.
        size: number of entries.
        loss: of the seed.
        priority: 0 to draw evenly; else the weight of loss / mean loss in a softmax.

    Attributes:
        states: `[size, channel, height, width]`.
        losses: `[size]`.

    Source: Mordvintsev et al. 2020, "Sample pool"; the report, "State Pool".
    """

    def __init__(self, seed: Tensor, size: int, *, loss: Tensor | float = 0.0, priority: float = 0.0) -> None:
        self.seed = seed
        self.priority = priority
        self.states = seed.repeat(size, 1, 1, 1)
        self.losses = torch.zeros(size, device=seed.device) + loss

    def draw(
        self, batch: int, generator: torch.Generator, *, seeds: int = 1, rivals: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Draw a batch without replacement, so that no entry is written back twice.

        Args:
            batch: number of entries.
            generator: on the pool's device.
            seeds: so many of them begin anew.
            rivals: so many are drawn, if more than the batch, and the batch is the worst of these.

        Returns:
            Indices `[batch]` and states, the largest loss first; the first `seeds` are reset to the seed.
        """
        device, drawn = self.states.device, min(max(batch, rivals), len(self.states))
        if self.priority:
            # The largest of logits with Gumbel noise are a draw by softmax without replacement.
            logits = self.priority * self.losses / (self.losses.mean() + 1e-12)
            chance = torch.rand(len(logits), generator=generator, device=device)
            indices = (logits - (-chance.clamp_min(1e-30).log()).log()).topk(drawn).indices
        else:
            indices = torch.randperm(len(self.states), generator=generator, device=device)[:drawn]
        indices = indices[self.losses[indices].argsort(descending=True, stable=True)][:batch]
        states = self.states[indices]
        states[:seeds] = self.seed
        return indices, states

    def put_back(self, indices: Tensor, states: Tensor, losses: Tensor) -> None:
        """Store what the drawn entries have become."""
        self.states[indices] = states.detach()
        self.losses[indices] = losses.detach()

"""The pool: states kept from epoch to epoch, so that a pattern is trained to last, not only to appear."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.tasks.task import Rows


class Pool:
    """Rows of a task, and the loss that each had when last seen; all on one device.

    Args:
        rows: what the entries are at first, `[size, …]` by name; `state` is one of the names.
        loss: of these.
        priority: 0 to draw evenly; else the weight of loss / mean loss in a softmax.

    Attributes:
        rows: by name, `[size, …]`; those named `state` are `[size, channel, height, width]`.
        losses: `[size]`.

    Source: Mordvintsev et al. 2020, "Sample pool"; the report, "State Pool".
    """

    def __init__(self, rows: Rows, *, loss: Tensor | float = 0.0, priority: float = 0.0) -> None:
        self.rows = {name: values.clone() for name, values in rows.items()}
        self.priority = priority
        self.losses = torch.zeros(len(self.states), device=self.states.device) + loss

    @property
    def states(self) -> Tensor:
        """The states, `[size, channel, height, width]`."""
        return self.rows["state"]

    def draw(
        self,
        batch: int,
        generator: torch.Generator,
        *,
        fresh: Rows | None = None,
        rivals: int = 0,
        best: bool = False,
    ) -> tuple[Tensor, Rows]:
        """Draw a batch without replacement, so that no entry is written back twice.

        Args:
            batch: number of entries.
            generator: on the pool's device.
            fresh: rows that take the place of the first ones drawn, at most as many as the batch.
            rivals: so many are drawn, if more than the batch, and the batch is the worst of these.
            best: or the best of these.

        Returns:
            Indices `[batch]` and rows, the largest loss first, but for the fresh ones.
        """
        device, drawn = self.states.device, min(max(batch, rivals), len(self.states))
        if self.priority:
            # The largest of logits with Gumbel noise are a draw by softmax without replacement.
            logits = self.priority * self.losses / (self.losses.mean() + 1e-12)
            chance = torch.rand(len(logits), generator=generator, device=device)
            indices = (logits - (-chance.clamp_min(1e-30).log()).log()).topk(drawn).indices
        else:
            indices = torch.randperm(len(self.states), generator=generator, device=device)[:drawn]
        indices = indices[self.losses[indices].argsort(descending=True, stable=True)]
        indices = indices[-batch:] if best else indices[:batch]
        rows = {name: values[indices] for name, values in self.rows.items()}
        for name, values in (fresh or {}).items():
            rows[name][: len(values)] = values
        return indices, rows

    def put_back(self, indices: Tensor, rows: Rows, losses: Tensor) -> None:
        """Store what the drawn entries have become."""
        for name, values in rows.items():
            self.rows[name][indices] = values.detach()
        self.losses[indices] = losses.detach()

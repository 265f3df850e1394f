"""The guard: what a run does when training goes wrong, or when what it grows dies."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.errors import RunFailed
from petri.training.recipe import GuardUse


class Diverged(RunFailed):
    """Training went wrong again and again."""


class Guard:
    """Watches a run: it keeps weights that were sound, and knows how often rollouts died of late.

    Args:
        use: when it does what.
        learned: what training changes, by name; copies are kept, to go back to.

    Attributes:
        slower: what returns and deaths have made of the learning rate, a factor.
        dying: share of the rollouts that died of late.
    """

    def __init__(self, use: GuardUse, learned: dict[str, Tensor]) -> None:
        self.use = use
        self.slower = torch.ones((), dtype=torch.float64)
        self.returns = torch.zeros((), dtype=torch.int64)
        self.epoch = torch.zeros((), dtype=torch.int64)  # after which the kept weights were
        self.dying = torch.zeros((), dtype=torch.float64)
        self.good = {name: tensor.clone() for name, tensor in learned.items()}

    def trouble(self, losses: Tensor, gradients: list[Tensor], states: Tensor) -> str:
        """What is wrong with an epoch; empty if nothing is."""
        asked = [losses.isfinite().all(), *(gradient.isfinite().all() for gradient in gradients)]
        asked.append(states.abs().max() <= self.use.exploded)
        loss, *others, states_within = torch.stack(asked).tolist()  # the device is waited for once
        if not loss:
            return "the loss was no longer finite"
        if not all(others):
            return "a gradient was no longer finite"
        if not states_within:
            return f"state values passed {self.use.exploded:,.0f}"
        return ""

    def heed_deaths(self, share: float) -> str:
        """Take account of the share of a batch that died; a note if that changes the learning rate."""
        use = self.use
        self.dying.lerp_(torch.tensor(share, dtype=torch.float64), use.late)
        if self.dying <= use.dying or self.slower < use.slowest:
            return ""
        self.dying.zero_()
        self.slower *= use.slower
        return "nearly a third of what grew of late has died: on with half the learning rate"

    def keep(self, learned: dict[str, Tensor], epoch: int) -> None:
        """Remember weights that this epoch's rollout has shown to be sound, if it is time to."""
        if epoch and epoch % self.use.good_every == 0 and self.dying < self.use.dying / 2:
            for name, tensor in learned.items():
                self.good[name].copy_(tensor)
            self.epoch.fill_(epoch)

    def go_back(self, learned: dict[str, Tensor], reason: str, epoch: int) -> int:
        """Take the weights that were kept; the number of epochs after which they were.

        Raises:
            Diverged: after several such returns.
        """
        self.returns += 1
        if self.returns > self.use.returns:
            raise Diverged(
                f"{reason} in epoch {epoch + 1:,}, again after {self.use.returns} returns to an earlier "
                "state, each with half the learning rate"
            )
        for name, tensor in learned.items():
            tensor.copy_(self.good[name])
        self.slower *= self.use.slower
        return int(self.epoch)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of it, by name."""
        kept = {"slower": self.slower, "returns": self.returns, "epoch": self.epoch}
        kept["dying"] = self.dying
        named = {f"guard.{name}": tensor for name, tensor in kept.items()}
        return named | {f"good.{name}": tensor for name, tensor in self.good.items()}

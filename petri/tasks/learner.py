"""What learns beside an automaton, such as a critic: a module and its optimiser, which a run can keep."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Learner:
    """A module with an Adam whose state exists from the start, so that it can be saved at any epoch.

    Args:
        module: what learns.
        lr: its learning rate.
        betas: of Adam.

    Attributes:
        module: as given.
    """

    def __init__(
        self, module: nn.Module, *, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self.module = module
        self.adam = torch.optim.Adam(module.parameters(), lr=lr, betas=betas)
        for parameter in module.parameters():
            self.adam.state[parameter] = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the module says."""
        return self.module(*inputs)

    def step(self, loss: Tensor) -> None:
        """Change the module so that a loss of it becomes less."""
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()

    def tensors(self) -> dict[str, Tensor]:
        """All that it has learned and how: for `Task.learned`."""
        named = dict(self.module.named_parameters())
        moments = {
            f"{key}.{name}": self.adam.state[parameter][key]
            for name, parameter in named.items()
            for key in ("step", "exp_avg", "exp_avg_sq")
        }
        return named | moments

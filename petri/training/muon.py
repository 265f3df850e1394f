"""Muon: the momentum of a matrix is made orthogonal, so that no direction of it is left behind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95


class Muon(torch.optim.Adam):
    """PyTorch's Muon for matrices and full convolutions, Adam for all else: biases and filters of a channel.

    A convolution is the matrix from all that it reads to its outputs. The momentum of a matrix is kept where
    Adam keeps its own, as `exp_avg`; its `exp_avg_sq` stays 0. The same rate makes steps of about the same
    size as Adam's, so that recipes keep theirs.

    Args:
        groups: of weights, as of any optimiser; each may have a rate of its own, `lr`.
        betas: of Adam.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the size of a step:
    Liu et al. 2025, "Muon is scalable for LLM training".
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, betas: tuple[float, float]) -> None:
        super().__init__(groups, betas=betas)
        self.matrices: dict[Tensor, nn.Parameter] = {}  # by weight, the same memory as a matrix
        parts = []
        for group in self.param_groups:
            found = [weight for weight in group["params"] if _is_matrix(weight)]
            self.matrices |= {weight: nn.Parameter(_as_matrix(weight.detach())) for weight in found}
            parts.append({"params": [self.matrices[weight] for weight in found]})
        self.muon = torch.optim.Muon(
            parts, momentum=MOMENTUM, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Change all weights that have a gradient; a matrix's is used up."""
        for group, part in zip(self.param_groups, self.muon.param_groups, strict=True):
            part["lr"] = group["lr"]
        for weight, matrix in self.matrices.items():
            if weight.grad is not None:
                matrix.grad, weight.grad = weight.grad.flatten(1), None
                self.muon.state[matrix]["momentum_buffer"] = _as_matrix(self.state[weight]["exp_avg"])
        self.muon.step()
        self.muon.zero_grad()
        super().step()


def _is_matrix(weight: Tensor) -> bool:
    return weight.ndim == 2 or (weight.ndim == 4 and weight.shape[1] > 1)


def _as_matrix(weight: Tensor) -> Tensor:
    """The same memory, of which a copy would be trained in vain."""
    return weight.view(len(weight), -1)

"""Simple estimates of missing weights: each of a matrix `[rows, columns]` and a mask, true where it is known.

Known weights stay as they are, bit for bit; what lies at the others' places is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.errors import BadRequest

Fill = Callable[[Tensor, Tensor], Tensor]

HELD_OUT = 0.1  # share of the known weights that a choice is judged by
SHRINKING = (0.01, 0.02, 0.05, 0.1, 0.2)  # of the root of the sum of all squares
ROUNDS = 25
HIDING = 987_654_321  # a seed that no mask has: what is hidden would hang together with what is lost


def check(weights: Tensor, known: Tensor) -> None:
    """Refuse what cannot be filled.

    Raises:
        BadRequest: not a matrix of floating point numbers, a mask of another shape or kind, or nothing known.
    """
    if weights.ndim != 2 or not weights.is_floating_point():
        kind = str(weights.dtype).removeprefix("torch.")
        raise BadRequest(
            f"weights must be a matrix of floating point numbers, got {list(weights.shape)} of {kind}"
        )
    if known.shape != weights.shape or known.dtype != torch.bool:
        raise BadRequest(
            f"the mask must be bool {list(weights.shape)}, got {known.dtype} {list(known.shape)}"
        )
    if not known.any():
        raise BadRequest("no weight of the layer is known: there is nothing to estimate from")


def over(weights: Tensor, known: Tensor, estimate: Tensor) -> Tensor:
    """The known weights, and an estimate of the others."""
    return torch.where(known, weights, estimate.to(weights.dtype))


def zero(weights: Tensor, known: Tensor) -> Tensor:
    """Nothing in place of what is lost."""
    return over(weights, known, torch.zeros_like(weights))


def scaled(weights: Tensor, known: Tensor) -> Tensor:
    """Nothing in place of what is lost, the others larger by as much: 1 / (1 − share lost).

    The only one that changes what is known: the sum over many weights then is about what it was.
    """
    return zero(weights, known) * (known.numel() / int(known.sum()))


def mean(weights: Tensor, known: Tensor) -> Tensor:
    """The mean of the known weights."""
    return over(weights, known, weights[known].mean().expand_as(weights))


def rows_and_columns(weights: Tensor, known: Tensor) -> Tensor:
    """The mean of the row and that of the column, less the mean of all; of none known, the mean of all."""
    there, middle = zero(weights, known), weights[known].mean()

    def means(axis: int) -> Tensor:
        count = known.sum(axis, keepdim=True)
        return torch.where(count > 0, there.sum(axis, keepdim=True) / count.clamp(min=1), middle)

    return over(weights, known, means(1) + means(0) - middle)


def neighbour(weights: Tensor, known: Tensor) -> Tensor:
    """The mean of what is known of the eight weights around it in the matrix; of none, the mean of all."""
    around = torch.ones(1, 1, 3, 3, dtype=weights.dtype)

    def total(values: Tensor) -> Tensor:
        return F.conv2d(values[None, None], around, padding=1)[0, 0]

    count = total(known.to(weights.dtype))
    found = total(zero(weights, known)) / count.clamp(min=1)
    return over(weights, known, torch.where(count > 0, found, weights[known].mean()))


def low_rank(weights: Tensor, known: Tensor) -> Tensor:
    """Soft-impute: a matrix of low rank that agrees with what is known; how low, a tenth of it decides.

    Source: Mazumder, Hastie, Tibshirani 2010, "Spectral regularization algorithms".
    """
    middle = weights[known].mean()
    centred = (weights - middle).to(torch.float32)
    size = zero(centred, known).square().sum().sqrt().item()
    shown = hide(known)
    hidden = known & ~shown
    if not shown.any() or not hidden.any():
        return mean(weights, known)

    def error(share: float) -> float:
        found = _soften(centred, shown, share * size)
        return float((found - centred)[hidden].square().mean())

    best = min(SHRINKING, key=error)
    return over(weights, known, _soften(centred, known, best * size) + middle)


def hide(known: Tensor, seed: int = HIDING) -> Tensor:
    """The mask without a tenth of what is known, by chance: what remains is to foretell that tenth."""
    chance = torch.Generator().manual_seed(seed)
    return known & (torch.rand(known.shape, generator=chance) >= HELD_OUT)


def _soften(weights: Tensor, known: Tensor, less: float) -> Tensor:
    """Fill and shrink all singular values by `less`, again and again."""
    wide = weights.shape[0] <= weights.shape[1]
    weights, known = (weights, known) if wide else (weights.T, known.T)
    found = torch.zeros_like(weights)
    for _ in range(ROUNDS):
        filled = over(weights, known, found)
        # In float32 the eigenvalues of a matrix with many empty rows may not be found.
        squares, vectors = torch.linalg.eigh((filled @ filled.T).double())
        values = squares.clamp(min=1e-20).sqrt()
        shrunk = (vectors * ((values - less).clamp(min=0) / values)) @ vectors.T
        found = shrunk.to(filled.dtype) @ filled
    return found if wide else found.T


SIMPLE: dict[str, Fill] = {
    "zero": zero,
    "zero, scaled": scaled,
    "mean": mean,
    "row and column means": rows_and_columns,
    "neighbour": neighbour,
    "soft-impute": low_rank,
}

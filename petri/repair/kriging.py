"""Kriging: each unit's weights are a picture of its inputs, and near ones are alike; how much, is measured.

A unit has `height · width` weights, row by row; the covariance of two of them is a function of the distance
between their pixels, the same for all units, fitted to what is known. The estimate is the mean of what is
missing, given what is known, if all are normally distributed: the least squared error that there is then.

Source: Matheron 1963; docs/repair.md for how well it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.repair.fills import check, over

RANGES = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)  # pixels
FARTHEST = 10.0  # pixels between weights that the fit looks at
LEAST_NUGGET = 0.02  # of the variance: without one the solution would be of no use
ROOM = 1 << 24  # numbers in matrices that are solved at once


@dataclass(frozen=True)
class Likeness:
    """How alike the weights of a unit are."""

    mean: float
    variance: float
    nugget: float  # share of the variance that belongs to each weight alone
    reach: float  # pixels over which the rest falls
    shape: str  # exponential or gaussian

    def covariance(self, side: tuple[int, int]) -> Tensor:
        """Of all pixels with all, `[height · width, height · width]`."""
        alike = (1 - self.nugget) * _falling(_distances(side), self.reach, self.shape)
        return self.variance * (alike + self.nugget * torch.eye(side[0] * side[1]))


def check_side(weights: Tensor, side: tuple[int, int]) -> None:
    """Refuse a picture that a unit's weights do not fill.

    Raises:
        BadRequest: there are more or fewer weights than pixels.
    """
    if side[0] * side[1] != weights.shape[1]:
        raise BadRequest(
            f"a picture of {side[0]}×{side[1]} pixels does not fit a row of {weights.shape[1]} weights"
        )


def fit(weights: Tensor, known: Tensor, side: tuple[int, int]) -> Likeness:
    """What the known weights say of their likeness.

    Args:
        weights: `[unit, height · width]`.
        known: bool of the same shape.
        side: height and width of the picture that a row is.

    Raises:
        BadRequest: nothing is known, or shapes that do not fit.
    """
    check(weights, known)
    check_side(weights, side)
    middle = weights[known].mean()
    there = torch.where(known, weights - middle, torch.zeros(())).float()
    products, pairs = (_by_lag(values.view(-1, *side)) for values in (there, known.float()))
    height, width = (torch.fft.fftfreq(2 * edge, 1 / (2 * edge)) for edge in side)
    distance = (height[:, None] ** 2 + width[None] ** 2).sqrt()
    variance = float(products[0, 0] / pairs[0, 0])
    near = (distance > 0) & (distance <= FARTHEST) & (pairs > 0.5)
    if variance <= 0 or not near.any():
        return Likeness(float(middle), max(variance, 1e-20), 1.0, 1.0, "exponential")
    found, weight, far = products[near] / pairs[near], pairs[near], distance[near]
    best: tuple[float, Likeness] | None = None
    for shape in ("exponential", "gaussian"):
        for reach in RANGES:
            alike = _falling(far, reach, shape)
            sill = float((weight * alike * found).sum() / (weight * alike**2).sum())
            share = min(max(sill / variance, 0.0), 1 - LEAST_NUGGET)
            error = float((weight * (found - share * variance * alike) ** 2).sum())
            if best is None or error < best[0]:
                best = error, Likeness(float(middle), variance, 1 - share, reach, shape)
    assert best is not None
    return best[1]


def kriging(weights: Tensor, known: Tensor, side: tuple[int, int]) -> Tensor:
    """The known weights, and the others as their unit's picture has them."""
    found = fit(weights, known, side)
    return conditional(weights, known, torch.full(weights.shape[1:], found.mean), found.covariance(side))


def conditional(weights: Tensor, known: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """The known weights, and the mean of the others given those, of rows that are normally distributed.

    Args:
        weights: `[unit, n]`; `known` likewise, bool.
        mean: `[n]`.
        covariance: `[n, n]`, positive definite.

    Of what is known and what is missing the fewer decide how much there is to solve; rows that are known or
    lost whole need nothing.
    """
    mixed = known.any(1) & ~known.all(1)
    if not mixed.all():
        estimate = mean.expand_as(weights).clone()
        if mixed.any():
            estimate[mixed] = conditional(weights[mixed], known[mixed], mean, covariance).to(estimate.dtype)
        return over(weights, known, estimate)
    lost = int((~known).sum(1).max())
    few = lost < int(known.sum(1).max())  # fewer are missing: by the inverse of the covariance
    matrix = torch.cholesky_inverse(torch.linalg.cholesky(covariance)) if few else covariance
    apart = torch.where(known, weights - mean, torch.zeros(())).float()
    solved = ~known if few else known
    right = -(apart @ matrix) if few else apart
    count = max(1, int(solved.sum(1).max()))
    order = solved.int().argsort(dim=1, descending=True, stable=True)[:, :count]  # theirs first
    inside = solved.gather(1, order)
    estimate = torch.empty_like(apart)
    for part in torch.arange(len(weights)).split(max(1, ROOM // count**2)):
        places, own = order[part], inside[part]
        both = own[:, :, None] & own[:, None, :]
        local = matrix[places[:, :, None], places[:, None, :]] * both + torch.diag_embed((~own).float())
        values = (right[part].gather(1, places) * own)[:, :, None]
        values = torch.cholesky_solve(values, torch.linalg.cholesky(local))[:, :, 0] * own
        spread = torch.zeros_like(apart[part]).scatter_add_(1, places, values)
        estimate[part] = spread if few else spread @ matrix
    return over(weights, known, estimate + mean)


def _by_lag(pictures: Tensor) -> Tensor:
    """Sums of products of two pixels by the way from one to the other, over all pictures."""
    size = [2 * edge for edge in pictures.shape[1:]]
    return torch.fft.irfft2(torch.fft.rfft2(pictures, s=size).abs().square().sum(0), s=size)


def _falling(distance: Tensor, reach: float, shape: str) -> Tensor:
    return torch.exp(-(distance / reach)) if shape == "exponential" else torch.exp(-((distance / reach) ** 2))


def _distances(side: tuple[int, int]) -> Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(edge).float() for edge in side), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], 1)
    return torch.cdist(places, places)

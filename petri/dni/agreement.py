"""How well graders predict: their gradients beside those of plain backpropagation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Agreement:
    """One grader on one batch."""

    cosine: float  # of the angle between the two gradients, all samples and units as one vector
    explained: float  # share of the true gradient's variance over the batch that the prediction explains
    error: float  # mean squared error
    silence: float  # mean square of the true gradient: the error of a grader that predicts nothing
    length: float  # of the prediction, in lengths of the true gradient


def agreement(predicted: Tensor, true: Tensor) -> Agreement:
    """Compare a prediction with the truth.

    Args:
        predicted, true: `[batch, width]`.

    Returns:
        Explained variance is 1 for a perfect prediction, 0 for a constant one, below 0 for a harmful one.
        What would be divided by zero is 0.
    """
    dot, squares = (predicted * true).sum(), (true * true).sum()
    predicted_squares = (predicted * predicted).sum()
    wrong = (true - predicted).var(0, correction=0).sum()
    varies = true.var(0, correction=0).sum()
    values = torch.stack(
        [
            _ratio(dot, (squares * predicted_squares).sqrt()),
            _ratio(varies - wrong, varies),
            (true - predicted).square().mean(),
            true.square().mean(),
            _ratio(predicted_squares, squares).sqrt(),
        ]
    )
    return Agreement(*values.tolist())


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole == 0, torch.zeros_like(part), part / whole)


def synthetic_share(predicted: Tensor, given: Tensor, share: float) -> float:
    """Share of a blend that is synthetic, by length: β‖ĝ‖ / ((1 − β)‖g‖ + β‖ĝ‖); 0 of an empty blend.

    Args:
        predicted: ĝ.
        given: g, what comes from above: the true gradient, or in the chained way what is left of it.
        share: β.

    It is below β as long as graders, who predict a mean, predict too short a gradient.
    """
    synthetic, rest = share * predicted.norm(), (1 - share) * given.norm()
    return float(_ratio(synthetic, synthetic + rest))

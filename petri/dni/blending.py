"""How much of the synthetic gradient a layer is given."""

from __future__ import annotations

from torch import Tensor


def beta(time: float, *, beta_max: float, warm_up: float) -> float:
    """Share of the synthetic gradient: min(β_max, t / T_warm); β_max at once if there is no warm-up.

    Args:
        time: epochs trained so far, with their fractions.
        beta_max: in 0..1.
        warm_up: T_warm in epochs, at least 0.

    Source: the report, "Stability Conditions".
    """
    return beta_max if warm_up == 0 else min(beta_max, time / warm_up)


def blend(true: Tensor, synthetic: Tensor, share: float) -> Tensor:
    """(1 − β) · true + β · synthetic; at β = 0 the true gradient itself, whatever the other holds."""
    return true if share == 0 else (1 - share) * true + share * synthetic

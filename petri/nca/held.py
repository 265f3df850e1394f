"""Cells that keep what they know: held channels, the clamp of a repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from petri.nca.spec import Spec


def hold(before: Tensor, after: Tensor, spec: Spec) -> Tensor:
    """A state after a step, with what a known cell had before it.

    Args:
        before, after: `[batch, planes, height, width]`.
        spec: the first `held` channels of a cell keep their values where its first fixed plane is 1.

    Returns:
        `after` itself if nothing is held.

    Source: Paladini, Tuba, Mariot 2026, "Self-repairing neural networks": known cells are clamped every step.
    """
    if not spec.held:
        return after
    known = before[:, spec.channels : spec.channels + 1] == 1
    kept = torch.where(known, before[:, : spec.held], after[:, : spec.held])
    return torch.cat([kept, after[:, spec.held :]], dim=1)

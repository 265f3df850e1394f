"""What the cells of a classifier say: their votes, and the verdict that these add up to."""

from __future__ import annotations

from torch import Tensor

from petri.nca.life import exists
from petri.nca.spec import Spec


def votes_of(state: Tensor, spec: Spec) -> Tensor:
    """The votes of every cell, `[batch, class, height, width]`."""
    return state[:, : spec.classes]


def cells_of(state: Tensor, spec: Spec) -> Tensor:
    """Which cells vote, as numbers, `[batch, height, width]`: those that there are, if the Spec is masked."""
    if not spec.masked:
        return state.new_ones(len(state), *state.shape[-2:])
    return exists(state[:, spec.channels :])[:, 0].to(state.dtype)


def mean_votes(state: Tensor, spec: Spec) -> Tensor:
    """The mean over the cells that vote, `[batch, class]`; 0 where there is no such cell."""
    cells = cells_of(state, spec)
    total = (votes_of(state, spec) * cells[:, None]).sum(dim=(2, 3))
    return total / cells.sum(dim=(1, 2)).clamp_min(1)[:, None]


def verdict(state: Tensor, spec: Spec) -> Tensor:
    """The class that has the greatest mean vote, int64 `[batch]`.

    Source: Randazzo et al. 2020; Spitznagel and Keuper, NCAtorch, "Self-classifying".
    """
    return mean_votes(state, spec).argmax(dim=1)


def counted(state: Tensor, spec: Spec) -> Tensor:
    """How many cells vote for each class, by their own greatest vote, `[batch, class]`.

    A cell whose votes are all alike, as they are before its first step, has not voted.
    """
    votes = votes_of(state, spec)
    own, voted = votes.argmax(dim=1), (votes != votes[:, :1]).any(dim=1)
    cells = cells_of(state, spec) * voted
    counts = state.new_zeros(len(state), spec.classes)
    return counts.scatter_add(1, own.flatten(1), cells.flatten(1))

"""How wrong the cells of a classifier vote."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from petri.nca.spec import Spec
from petri.nca.votes import cells_of, votes_of

ERRORS = {"entropy": "cross-entropy", "squares": "squared error"}


def vote_loss(state: Tensor, labels: Tensor, spec: Spec, error: str) -> Tensor:
    """The mean error of the cells that vote, `[batch]`; 0 of a picture in which there is none.

    Args:
        state: `[batch, planes, height, width]`.
        labels: int64 `[batch]`.
        error: `entropy`, of the softmax of a cell's votes; or `squares`, the distance of each vote from 1 for
            the class and from 0 for the others, halved and added up.

    Source: Randazzo et al. 2020, who compare the two.
    """
    votes, cells = votes_of(state, spec), cells_of(state, spec)
    wanted = labels[:, None, None].expand(cells.shape)
    if error == "entropy":
        wrong = F.cross_entropy(votes, wanted, reduction="none")
    else:
        one_hot = F.one_hot(labels, spec.classes).to(votes)[:, :, None, None]
        wrong = (votes - one_hot).square().sum(dim=1) / 2
    return (wrong * cells).sum(dim=(1, 2)) / cells.sum(dim=(1, 2)).clamp_min(1)

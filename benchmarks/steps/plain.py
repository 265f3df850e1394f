"""The step as people write it in PyTorch, in float32."""

import sys

import torch
import torch.nn.functional as F
from port import Cells
from serve import CHANNELS, LEARNING_RATE, SETTINGS, serve

what = SETTINGS[sys.argv[1]]
torch.manual_seed(0)
cells = Cells(what)
optimiser = torch.optim.Adam(cells.parameters(), LEARNING_RATE)
shape = (what.side, what.side)
start, target = torch.rand(what.batch, CHANNELS, *shape), torch.rand(what.batch, 4, *shape)


def rollout():
    """Many steps."""
    x = start
    for _ in range(what.steps):
        x = cells(x)
    return x


@torch.no_grad()
def grow():
    """A rollout alone."""
    rollout()


def train():
    """An epoch: rollout, loss, backward, one step of the optimiser."""
    optimiser.zero_grad()
    F.mse_loss(rollout()[:, :4], target).backward()
    optimiser.step()


serve({"rollout": grow, "training": train})

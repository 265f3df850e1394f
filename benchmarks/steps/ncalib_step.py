"""ncalib's automaton of the same shape, from its own parts (its living mask looks once, after the step)."""

import torch
import torch.nn.functional as F
from ncalib.samples import generate_default_nca
from serve import CHANNELS, LEARNING_RATE, SETTINGS, serve

side, batch, steps, *_ = SETTINGS["growing"]
torch.manual_seed(0)
cells = generate_default_nca(CHANNELS, device="cpu")
with torch.no_grad():
    cells.model.conv2.weight.uniform_(-0.01, 0.01)
optimiser = torch.optim.Adam(cells.parameters(), LEARNING_RATE)
start, target = torch.rand(batch, CHANNELS, side, side), torch.rand(batch, 4, side, side)


def rollout():
    """Many steps."""
    x = start
    for _ in range(steps):
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

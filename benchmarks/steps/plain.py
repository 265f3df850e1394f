"""The step as people write it in PyTorch: NCHW, float32, autograd keeps everything."""

import sys

import torch
import torch.nn.functional as F
from serve import CHANNELS, HIDDEN, LEARNING_RATE, SETTINGS, serve
from torch import nn

side, batch, steps, far, living = SETTINGS[sys.argv[1]]


class Cells(nn.Module):
    """Distill's growing automaton, with a second bank two cells away if asked for."""

    def __init__(self):
        super().__init__()
        slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        identity = torch.zeros(3, 3)
        identity[1, 1] = 1.0
        bank = torch.stack([identity, slope, slope.T]).repeat(CHANNELS, 1, 1)[:, None]
        self.register_buffer("bank", bank)
        self.first = nn.Conv2d(3 * CHANNELS * (1 + far), HIDDEN, 1)
        self.last = nn.Conv2d(HIDDEN, CHANNELS, 1)
        nn.init.uniform_(self.last.weight, -0.01, 0.01)

    def forward(self, x):
        """One step."""
        before = alive(x)
        sensed = F.conv2d(x, self.bank, padding=1, groups=CHANNELS)
        if far:
            sensed = torch.cat([sensed, F.conv2d(x, self.bank, padding=2, dilation=2, groups=CHANNELS)], 1)
        change = self.last(F.relu(self.first(sensed)))
        x = x + change * (torch.rand_like(x[:, :1]) < 0.5).float()
        if living:
            return x * (before & alive(x)).float()
        return x.clamp(-1.0, 1.0)


def alive(x):
    """Cells with enough alpha around them."""
    return F.max_pool2d(x[:, 3:4], 3, stride=1, padding=1) > 0.1


torch.manual_seed(0)
cells = Cells()
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

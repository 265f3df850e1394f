"""The step as people write it in PyTorch: NCHW, float32, autograd keeps everything."""

import sys

import torch
import torch.nn.functional as F
from serve import CHANNELS, LEARNING_RATE, SETTINGS, serve
from torch import nn

side, batch, steps, perception, hidden, fixed, living = SETTINGS[sys.argv[1]]


class Slopes(nn.Module):
    """What Distill's growing automaton perceives, with a second bank two cells away if asked for."""

    features = 3 * CHANNELS * (1 + (perception == "dilated"))

    def __init__(self):
        super().__init__()
        slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        identity = torch.zeros(3, 3)
        identity[1, 1] = 1.0
        bank = torch.stack([identity, slope, slope.T]).repeat(CHANNELS, 1, 1)[:, None]
        self.register_buffer("bank", bank)

    def forward(self, x):
        """Perceive."""
        sensed = F.conv2d(x, self.bank, padding=1, groups=CHANNELS)
        if perception != "dilated":
            return sensed
        return torch.cat([sensed, F.conv2d(x, self.bank, padding=2, dilation=2, groups=CHANNELS)], 1)


class Convolutions(nn.Module):
    """Full convolutions of the channels and the fixed planes, side by side: conv3, conv5d2."""

    def __init__(self):
        super().__init__()
        sizes = {"conv3": (3, 1), "conv5d2": (5, 2)}
        self.parts = nn.ModuleList(
            nn.Conv2d(CHANNELS + fixed, hidden, size, padding=size // 2 * dilation, dilation=dilation)
            for size, dilation in (sizes[word] for word in perception.split("+"))
        )
        self.features = hidden * len(self.parts)

    def forward(self, x):
        """Perceive."""
        x = torch.cat([x, planes], 1)
        return torch.cat([F.relu(part(x)) for part in self.parts], 1)


class Cells(nn.Module):
    """Perceive, then two layers; half of the cells fire."""

    def __init__(self):
        super().__init__()
        self.perceive = Convolutions() if perception.startswith("conv") else Slopes()
        self.first = nn.Conv2d(self.perceive.features, hidden, 1)
        self.last = nn.Conv2d(hidden, CHANNELS, 1)
        nn.init.uniform_(self.last.weight, -0.01, 0.01)

    def forward(self, x):
        """One step."""
        before = alive(x) if living else None
        change = self.last(F.relu(self.first(self.perceive(x))))
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
planes = torch.rand(batch, fixed, side, side)
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

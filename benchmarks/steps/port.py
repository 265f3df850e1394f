"""The step as people write it in PyTorch: NCHW, autograd keeps everything; for any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from serve import CHANNELS, Setting
from torch import nn

SIZES = {"conv3": (3, 1), "conv5d2": (5, 2)}  # cells along a side, and from tap to tap


class Slopes(nn.Module):
    """What Distill's growing automaton perceives, with a second bank two cells away if asked for."""

    def __init__(self, what: Setting) -> None:
        super().__init__()
        slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        identity = torch.zeros(3, 3)
        identity[1, 1] = 1.0
        bank = torch.stack([identity, slope, slope.T]).repeat(CHANNELS, 1, 1)[:, None]
        self.register_buffer("bank", bank)
        self.twice = what.perception == "dilated"
        self.features = 3 * CHANNELS * (1 + self.twice)

    def forward(self, x):
        """Perceive."""
        sensed = F.conv2d(x, self.bank, padding=1, groups=CHANNELS)
        if not self.twice:
            return sensed
        return torch.cat([sensed, F.conv2d(x, self.bank, padding=2, dilation=2, groups=CHANNELS)], 1)


class Convolutions(nn.Module):
    """Full convolutions of the channels and the fixed planes, side by side: conv3, conv5d2."""

    def __init__(self, what: Setting) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Conv2d(
                CHANNELS + what.fixed, what.hidden, size, padding=size // 2 * dilation, dilation=dilation
            )
            for size, dilation in (SIZES[word] for word in what.perception.split("+"))
        )
        self.features = what.hidden * len(self.parts)
        self.register_buffer("planes", torch.rand(what.batch, what.fixed, what.side, what.side))

    def forward(self, x):
        """Perceive."""
        x = torch.cat([x, self.planes], 1)
        return torch.cat([F.relu(part(x)) for part in self.parts], 1)


class Cells(nn.Module):
    """Perceive, then two layers; half of the cells fire."""

    def __init__(self, what: Setting) -> None:
        super().__init__()
        self.living = what.living
        self.perceive = Convolutions(what) if what.perception.startswith("conv") else Slopes(what)
        self.first = nn.Conv2d(self.perceive.features, what.hidden, 1)
        self.last = nn.Conv2d(what.hidden, CHANNELS, 1)
        nn.init.uniform_(self.last.weight, -0.01, 0.01)

    def forward(self, x):
        """One step."""
        before = alive(x) if self.living else None
        change = self.last(F.relu(self.first(self.perceive(x))))
        x = x + change * (torch.rand_like(x[:, :1]) < 0.5).float()
        if self.living:
            return x * (before & alive(x)).float()
        return x.clamp(-1.0, 1.0)


def alive(x):
    """Cells with enough alpha around them."""
    return F.max_pool2d(x[:, 3:4], 3, stride=1, padding=1) > 0.1

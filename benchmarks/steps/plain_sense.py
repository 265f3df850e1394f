"""Senses as people write them in PyTorch: NCHW, float32, autograd keeps everything."""

import sys

import torch
import torch.nn.functional as F
from serve import LEARNING_RATE, SENSED, serve
from torch import nn

side, batch, steps, channels, width = SENSED


class Attention(nn.Module):
    """The windows of keys and values are unfolded, nine times the cells."""

    def __init__(self):
        super().__init__()
        self.queries, self.keys, self.values = (nn.Conv2d(channels, width, 1, bias=False) for _ in range(3))
        self.positions = nn.Parameter(torch.zeros(4, 1, 9, 1))
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x):
        """Sense."""
        asked = self.queries(x).view(batch, 4, width // 4, 1, side * side)
        keys, values = (
            F.unfold(layer(x), 3, padding=1).view(batch, 4, width // 4, 9, side * side)
            for layer in (self.keys, self.values)
        )
        agreement = (asked * keys).sum(2, keepdim=True) / (width // 4) ** 0.5
        mixed = ((agreement + self.positions).softmax(3) * values).sum(3)
        return F.relu(self.out(mixed.view(batch, width, side, side)))


class Deformable(nn.Module):
    """The four cells around each tap are gathered and mixed."""

    def __init__(self):
        super().__init__()
        self.guide = nn.Conv2d(channels, 27, 3, padding=1)
        self.taps = nn.Conv2d(channels * 9, width, 1, bias=False)
        nn.init.uniform_(self.guide.weight, -0.1, 0.1)

    def forward(self, x):
        """Sense."""
        down, right, logits = self.guide(x).chunk(3, 1)
        numbers = torch.arange(-1, 2)
        rows = down.clamp(-side / 4, side / 4) + torch.arange(side)[:, None]
        rows = rows + numbers.repeat_interleave(3)[:, None, None]
        columns = right.clamp(-side / 4, side / 4) + torch.arange(side) + numbers.repeat(3)[:, None, None]
        top, left = rows.floor(), columns.floor()
        low, far = rows - top, columns - left
        read = 0
        for row, down_share in ((top, 1 - low), (top + 1, low)):
            for column, right_share in ((left, 1 - far), (left + 1, far)):
                there = (row >= 0) & (row < side) & (column >= 0) & (column < side)
                place = (row.clamp(0, side - 1) * side + column.clamp(0, side - 1)).long()
                place = place.view(batch, 1, -1).expand(-1, channels, -1)
                cells = x.reshape(batch, channels, -1).gather(2, place).view(batch, channels, 9, side, side)
                read = read + cells * (down_share * right_share * there)[:, None]
        return F.relu(self.taps((read * 2 * logits.sigmoid()[:, None]).flatten(1, 2)))


class Residual(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(n, width, 3, padding=1) for n in (channels, width))
        self.past = nn.Conv2d(channels, width, 1)

    def forward(self, x):
        """Sense."""
        return F.relu(self.second(F.relu(self.first(x))) + self.past(x))


class Cells(nn.Module):
    """A sense, a hidden layer, and the change."""

    def __init__(self, sense):
        super().__init__()
        self.sense, self.first, self.last = sense, nn.Conv2d(width, width, 1), nn.Conv2d(width, channels, 1)
        nn.init.uniform_(self.last.weight, -0.01, 0.01)

    def forward(self, x):
        """One step."""
        change = self.last(F.relu(self.first(self.sense(x))))
        return (x + change * (torch.rand_like(x[:, :1]) < 0.5).float()).clamp(-1.0, 1.0)


torch.manual_seed(0)
cells = Cells({"attention3": Attention, "deformable3": Deformable, "residual3": Residual}[sys.argv[1]]())
optimiser = torch.optim.Adam(cells.parameters(), LEARNING_RATE)
start, target = torch.rand(batch, channels, side, side), torch.rand(batch, 4, side, side)


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

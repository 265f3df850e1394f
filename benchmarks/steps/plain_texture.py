"""An epoch of a texture as people write it in PyTorch: NCHW, float32, autograd keeps everything."""

import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from serve import CHANNELS, LEARNING_RATE, TEXTURE, serve
from torch import nn

side, steps, hidden, projections, sizes = TEXTURE
weights = {name: tensor.float() for name, tensor in load_file(sys.argv[1]).items()}
LAYERS = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1))
MEAN = torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)


class Cells(nn.Module):
    """A trained bank, a fixed one two cells away, and two layers; half of the cells fire; on a torus."""

    def __init__(self):
        super().__init__()
        slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        identity = torch.zeros(3, 3)
        identity[1, 1] = 1.0
        bank = torch.stack([identity, slope, slope.T]).repeat(CHANNELS, 1, 1)[:, None]
        self.bank = nn.Parameter(bank)
        self.register_buffer("far", bank.clone())
        self.first = nn.Conv2d(6 * CHANNELS, hidden, 1)
        self.last = nn.Conv2d(hidden, CHANNELS, 1)
        nn.init.uniform_(self.last.weight, -0.01, 0.01)

    def forward(self, x):
        """One step."""
        near = F.conv2d(F.pad(x, (1,) * 4, "circular"), self.bank, groups=CHANNELS)
        far = F.conv2d(F.pad(x, (2,) * 4, "circular"), self.far, dilation=2, groups=CHANNELS)
        change = self.last(F.relu(self.first(torch.cat([near, far], 1))))
        return x + change * (torch.rand_like(x[:, :1]) < 0.5).float()


def clouds(rgb):
    """Colours and features at each size."""
    found = []
    for size in range(sizes):
        small = F.avg_pool2d(rgb, 2**size)
        found.append(small)
        x = 255 * small.clamp(0, 1) - MEAN
        for block, number in LAYERS:
            if number == 1 and block > 1:
                x = F.max_pool2d(x, 2)
            name = f"conv{block}_{number}"
            x = F.relu(F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
            if number == 1:
                found.append(x)
    return [cloud.flatten(2) for cloud in found]


def style(rgb):
    """The sliced transport loss."""
    total = 0.0
    each = len(exemplar) // sizes
    shares = [0.5 ** (number // each) for number in range(len(exemplar))]
    for cloud, wanted, weight in zip(clouds(rgb), exemplar, shares, strict=True):
        ways = F.normalize(torch.randn(projections, cloud.shape[1]), dim=1)
        here, there = (ways @ points for points in (cloud, wanted))
        apart = here.sort(dim=-1).values - there.sort(dim=-1).values
        total = total + weight / sum(shares) * apart.square().mean() / wanted.var(dim=2).mean()
    return total


torch.manual_seed(0)
cells = Cells()
optimiser = torch.optim.Adam(cells.parameters(), LEARNING_RATE)
start = torch.rand(1, CHANNELS, side, side) * 0.2 - 0.1
with torch.no_grad():
    exemplar = clouds(torch.rand(1, 3, side, side))


def loss():
    """The loss alone, forward and backward."""
    rgb = torch.rand(1, 3, side, side, requires_grad=True)
    style(rgb).backward()


def epoch():
    """A rollout, the loss, backward, one step of the optimiser."""
    optimiser.zero_grad()
    x = start
    for _ in range(steps):
        x = cells(x)
    (style(x[:, :3] + 0.5) + 10 * (x.abs() - 1).relu().mean()).backward()
    optimiser.step()


serve({"loss": loss, "epoch": epoch})

"""The style loss: against a plain implementation, by finite differences, and what must be exactly nothing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from petri.errors import BadRequest
from petri.losses import transport, vgg
from petri.losses.transport import FIRST, PICTURE, TransportLoss


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(seed, height=32, width=32, **how):
    return torch.rand(3, height, width, generator=chance(seed), **how)


def plainly(clouds, exemplars, generator, projections):
    """The loss in loops: a list of points `[places, channels]` a layer, at two sizes, and the exemplar's."""
    total, half = 0.0, len(clouds) // 2
    for number, (points, wanted) in enumerate(zip(clouds, exemplars, strict=True)):
        variance = np.mean([np.var(wanted[:, c], ddof=0) for c in range(wanted.shape[1])])
        ways = torch.randn(projections, points.shape[1], generator=generator).double().numpy()
        moved = []
        for way in ways:
            way = way / np.sqrt((way**2).sum())
            here, there = sorted(points @ way), sorted(wanted @ way)
            for rank, value in enumerate(here):
                nearest = (2 * rank + 1) * len(there) // (2 * len(here))
                moved.append((value - there[nearest]) ** 2)
        total += np.mean(moved) / variance / half * (2 / 3 if number < half else 1 / 3)
    return total


def points_of(rgb, layers, sizes):
    """Clouds by plain float32 convolutions with the shipped weights."""
    weights = {name: tensor.float() for name, tensor in load_file(vgg.WEIGHTS).items()}
    found = []
    for size in range(sizes):
        small = F.avg_pool2d(rgb[None], 2**size)
        found.append(small[0].flatten(1).T)
        x = 255 * small.clamp(0, 1) - torch.tensor(vgg.MEAN).view(3, 1, 1)
        for block, count in enumerate(vgg.BLOCKS[:3], 1):
            x = F.max_pool2d(x, 2) if block > 1 else x
            for number in range(1, count + 1):
                name = f"{block}_{number}"
                x = F.conv2d(x, weights[f"conv{name}.weight"], weights[f"conv{name}.bias"], padding=1).relu()
                if f"relu{name}" in layers:
                    found.append(x[0].flatten(1).T)
    return [points.double().numpy() for points in found]


def test_an_exemplar_lies_nowhere_from_itself_and_all_else_does():
    exemplar = picture(0)
    loss = TransportLoss(exemplar)
    both = loss(torch.stack([exemplar, picture(1)]), chance())
    assert both.shape == (2,) and both[0] == 0 < both[1]


def test_where_things_lie_does_not_count():
    exemplar = picture(0)
    shuffled = exemplar.flatten(1)[:, torch.randperm(1024, generator=chance())].view(1, 3, 32, 32)
    assert TransportLoss(exemplar, layers=(PICTURE,), sizes=1)(shuffled, chance()).item() < 1e-12
    assert TransportLoss(exemplar, sizes=1)(shuffled, chance()).item() > 1e-4


@pytest.mark.parametrize("shape", [(32, 32), (16, 48), (40, 24)])
def test_colours_alone_are_moved_as_plain_loops_say(shape):
    exemplar, other = picture(0), picture(1, *shape) ** 2
    loss = TransportLoss(exemplar, layers=(PICTURE,), sizes=2, projections=5)
    clouds = [points_of(one, (), 2) for one in (other, exemplar)]
    expected = plainly(*clouds, chance(3), 5)
    assert loss(other[None], chance(3)).item() == pytest.approx(expected, rel=1e-5)


def test_features_are_moved_as_plain_loops_say():
    exemplar, other = picture(0), picture(1) ** 2
    loss = TransportLoss(exemplar, sizes=2, projections=4)
    clouds = [points_of(one, FIRST[:4], 2) for one in (other, exemplar)]
    expected = plainly(*clouds, chance(3), 4)
    assert loss(other[None], chance(3)).item() == pytest.approx(expected, rel=0.03)  # products in bfloat16


def test_the_gradient_is_that_of_finite_differences():
    loss = TransportLoss(picture(0), layers=(PICTURE,), sizes=3, projections=8)
    rgb = (picture(1)[None] ** 2).requires_grad_()
    (slope,) = torch.autograd.grad(loss(rgb, chance()).sum(), rgb)
    way = slope / slope.norm()
    with torch.no_grad():
        there, back = (loss(rgb + step * way, chance()).item() for step in (0.05, -0.05))
    assert slope.norm().item() == pytest.approx((there - back) / 0.1, rel=0.01)


def test_a_step_down_the_gradient_through_features_is_nearer():
    loss = TransportLoss(picture(0), layers=FIRST[1:4], sizes=1)
    rgb = (0.3 + 0.4 * picture(1)[None]).requires_grad_()
    before = loss(rgb, chance())
    (slope,) = torch.autograd.grad(before.sum(), rgb)
    after = loss((rgb - 0.5 * slope / slope.norm()).detach(), chance())
    assert after.item() < before.item()
    assert not any(tensor.requires_grad for pair in vgg._weights.__wrapped__(
        torch.device("cpu"), torch.float32, 3).values() for tensor in pair)  # fmt: skip


def test_directions_are_those_of_the_generator():
    loss, other = TransportLoss(picture(0)), picture(1)[None]
    one, again, another = (loss(other, chance(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, another)


def test_the_order_is_that_of_the_values():
    values = torch.randn(3, 1000, generator=chance())
    values[0, :4] = torch.tensor([0.0, -1e-30, 1e30, -1e30])
    values[1, :500] = values[1, 0]  # many that are the same
    order = transport._order(values)
    assert torch.equal(values.gather(1, order), values.sort(dim=1).values)
    assert torch.equal(order.sort(dim=1).values, torch.arange(1000).expand(3, -1))


def test_blocks_that_are_not_here_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PETRI_DATA", str(tmp_path))
    with pytest.raises(BadRequest, match=r"5 blocks of VGG16 are asked for, petri ships 3.*loss.blocks=3"):
        vgg.check_blocks(5)
    vgg.check_blocks(3)

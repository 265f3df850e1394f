import math

import pytest
import torch

from petri.damage import CORNERS, cut_circle, cut_corner, cut_half, cut_scatter, random_damage
from petri.errors import BadRequest


def state(batch=2, height=12, width=8):
    return torch.rand(batch, 5, height, width) + 0.5  # nowhere zero


def gone(damaged):
    """Which cells are empty in all channels, `[batch, height, width]`; none may be so in a part of them."""
    empty = damaged == 0
    assert torch.equal(empty.all(dim=1), empty.any(dim=1))
    return empty.all(dim=1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


CUTS = {
    "circle": lambda s: cut_circle(s, x=0.4, y=0.6, area=0.2),
    "half": lambda s: cut_half(s, angle=30.0, x=0.4),
    "corner": lambda s: cut_corner(s, corner="top right"),
    "scatter": lambda s: cut_scatter(s, share=0.3, generator=generator()),
    "random": lambda s: random_damage(s, generator()),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_cells_are_emptied_or_left_as_they_are(cut):
    before = state()
    kept = before.clone()
    after = cut(before)
    assert torch.equal(before, kept), "the state it was given has changed"
    lost = gone(after)
    assert lost.any() and not lost.all()
    assert torch.equal(after, torch.where(lost[:, None], torch.zeros(()), before))


def test_cells_that_are_not_finite_are_emptied_too():
    broken = torch.full((1, 4, 8, 8), torch.nan)
    assert cut_corner(broken, corner="top left")[0, :, :4, :4].eq(0).all()


def test_a_circle_has_its_share_of_the_grid_and_its_centre():
    lost = gone(cut_circle(state(1, 200, 120), x=0.5, y=0.4, area=0.25))[0]
    assert lost.float().mean().item() == pytest.approx(0.25, abs=0.002)
    rows, columns = lost.nonzero().float().add(0.5).mean(0).tolist()
    assert (rows, columns) == pytest.approx((80, 60), abs=0.01)
    assert lost.any(1).sum() == lost.any(0).sum()  # round, though the grid is not square


@pytest.mark.parametrize(
    ("angle", "rows", "columns"),
    [(0, slice(12), slice(4, 8)), (90, slice(6, 12), slice(8)), (180, slice(12), slice(4)),
     (270, slice(6), slice(8))],
)  # fmt: skip
def test_a_half_lies_where_its_angle_points(angle, rows, columns):
    expected = torch.zeros(12, 8, dtype=torch.bool)
    expected[rows, columns] = True
    assert torch.equal(gone(cut_half(state(1), angle=angle))[0], expected)


def test_the_middle_of_an_odd_grid_is_on_neither_side():
    for angle in (0, 90, 180, 270):
        assert gone(cut_half(state(1, 7, 7), angle=angle)).sum() == 21


def test_a_slanted_half_leaves_the_other_half():
    one, other = (gone(cut_half(state(1), angle=angle, x=0.3, y=0.55))[0] for angle in (35.0, 215.0))
    assert (one ^ other).all()


def test_the_corners_together_are_the_grid():
    quarters = torch.stack([gone(cut_corner(state(1), corner=corner))[0] for corner in CORNERS])
    assert torch.equal(quarters.sum(0), torch.ones(12, 8, dtype=torch.int64))
    assert quarters[1, 0, -1] and quarters[2, -1, 0]  # top right, bottom left
    with pytest.raises(BadRequest, match="corner must be one of"):
        cut_corner(state(1), corner="left")


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.25, 24), (1.0, 96)])
def test_a_scatter_takes_exactly_its_share_of_each_sample(share, count):
    lost = gone(cut_scatter(state(3), share=share, generator=generator()))
    assert lost.sum(dim=(1, 2)).tolist() == [count] * 3
    if 0 < share < 1:
        assert not torch.equal(lost[0], lost[1])
        assert torch.equal(lost, gone(cut_scatter(state(3), share=share, generator=generator())))
        assert not torch.equal(lost, gone(cut_scatter(state(3), share=share, generator=generator(1))))


def test_one_value_a_sample_is_as_one_sample_at_a_time():
    before = state(3)
    xs, angles = torch.tensor([0.1, 0.5, 0.8]), torch.tensor([10.0, 100.0, 300.0])
    circles = cut_circle(before, x=xs, y=0.5, area=torch.tensor([0.1, 0.2, 0.3]))
    halves = cut_half(before, angle=angles, x=xs)
    for i, (x, area, angle) in enumerate(zip(xs.tolist(), (0.1, 0.2, 0.3), angles.tolist(), strict=True)):
        assert torch.equal(circles[i : i + 1], cut_circle(before[i : i + 1], x=x, y=0.5, area=area))
        assert torch.equal(halves[i : i + 1], cut_half(before[i : i + 1], angle=angle, x=x))


def test_random_damage_is_circles_of_the_article_and_half_planes():
    res, count = 64, 400
    lost = gone(random_damage(state(count, res, res), generator()))
    assert torch.equal(lost, gone(random_damage(state(count, res, res), generator())))
    assert not torch.equal(lost, gone(random_damage(state(count, res, res), generator(1))))
    border = torch.ones(res, res, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    half = (lost & border).any(dim=(1, 2))  # no circle reaches the edge
    assert 0.4 < half.float().mean() < 0.6
    areas = lost.float().mean(dim=(1, 2))
    radius = (4 * areas[~half] / math.pi).sqrt()
    assert 0.095 < radius.min() < 0.12 and 0.38 < radius.max() < 0.405
    rows = torch.arange(res) + 0.5
    middles = (lost[~half].any(2) * rows).sum(1) / lost[~half].any(2).sum(1) / res
    assert 0.24 < middles.min() < 0.27 and 0.73 < middles.max() < 0.76
    assert areas[half].min() > 0.1 and areas[half].max() < 0.9
    circles = gone(random_damage(state(count, res, res), generator(), half_planes=False))
    assert torch.equal(circles[~half], lost[~half]) and not (circles & border).any()

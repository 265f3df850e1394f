"""How a picture repeats itself: against plain loops, and of what repeats exactly."""

import pytest
import torch

from petri.losses.correlation import CorrelationLoss, correlation


def checkerboard(side, square):
    """Black and white squares, `[3, side, side]`."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((y // square + x // square) % 2).float().expand(3, side, side).clone()


def plainly(planes, torus):
    """The same by loops over shifts and places."""
    _, height, width = planes.shape
    planes = planes - planes.mean(dim=(1, 2), keepdim=True)
    found = torch.zeros(height, width)
    for i, down in enumerate(range(-(height // 2), height - height // 2)):
        for j, right in enumerate(range(-(width // 2), width - width // 2)):
            products = [
                (planes[:, y, x] * planes[:, (y + down) % height, (x + right) % width]).sum()
                for y in range(height)
                for x in range(width)
                if torus or (0 <= y + down < height and 0 <= x + right < width)
            ]
            found[i, j] = torch.stack(products).mean() if (down, right) != (0, 0) else 0
    return found / planes.square().sum(dim=0).mean()


@pytest.mark.parametrize("torus", [True, False])
@pytest.mark.parametrize("shape", [(6, 8), (7, 5)])
def test_a_correlation_is_that_of_plain_loops(torus, shape):
    planes = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    found = correlation(planes[None], torus=torus)[0]
    assert found.shape == shape and torch.allclose(found, plainly(planes, torus), atol=1e-5)


@pytest.mark.parametrize("square", [2, 4])
def test_a_checkerboard_is_like_itself_where_its_squares_come_again(square):
    side = 32
    found = correlation(checkerboard(side, square)[None])[0]
    shifts = torch.arange(side) - side // 2
    down, right = torch.meshgrid(shifts, shifts, indexing="ij")
    whole = (down % square == 0) & (right % square == 0)
    again = whole & ((down + right) // square % 2 == 0)
    again[side // 2, side // 2] = False
    assert torch.equal(found > 1 - 1e-5, again)  # a peak of 1 there and nowhere else
    assert torch.equal(found < -1 + 1e-5, whole & ((down + right) // square % 2 == 1))


def test_where_it_lies_does_not_count_but_how_far_apart():
    board = checkerboard(64, 8)
    loss = CorrelationLoss(board)
    moved, wider = board.roll((3, 5), dims=(1, 2)), checkerboard(64, 16)
    near, far = loss(torch.stack([moved, wider]))
    assert near < 0.1 < far and far > 5 * near
    assert loss(board.mul(0.5)[None].requires_grad_()).requires_grad


def test_one_colour_is_no_trouble():
    loss = CorrelationLoss(checkerboard(32, 4))
    flat = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    loss(flat).sum().backward()
    assert flat.grad.isfinite().all()

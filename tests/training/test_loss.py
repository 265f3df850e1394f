import math

import pytest
import torch

from petri.losses import pattern_loss, psnr, seen_error


def figure(red, green, blue, alpha):
    """A target of 4 × 4 cells, the left half of one premultiplied colour."""
    pixels = torch.zeros(4, 4, 4)
    pixels[:, :, :2] = torch.tensor([red, green, blue, alpha])[:, None, None]
    return pixels


def state_of(*pixels):
    """A batch of states of 16 channels that show these pixels."""
    state = torch.full((len(pixels), 16, *pixels[0].shape[1:]), 7.0)
    for sample, shown in zip(state, pixels, strict=True):
        sample[: len(shown)] = shown
    return state


def test_a_black_figure_that_is_not_there_is_seen_to_lack():
    black = figure(0, 0, 0, 1)
    nothing = torch.zeros(4, 4, 4)
    assert pattern_loss(state_of(nothing), black[:3]).item() == 0  # what the colours alone say
    assert seen_error(state_of(black, nothing), black).tolist() == [0, 0.5]  # half of the cells, on white


def test_a_white_figure_that_is_not_there_is_seen_to_lack():
    white = figure(1, 1, 1, 1)
    assert seen_error(state_of(torch.zeros(4, 4, 4), white), white).tolist() == [0.5, 0]


def test_the_worse_ground_is_that_of_each_sample():
    grey = figure(0.5, 0.5, 0.5, 1)
    # Half there: on black 0.25 is seen instead of 0.5, on white 0.75. Dark: on both, 0 instead of 0.5.
    shown = seen_error(state_of(figure(0.25, 0.25, 0.25, 0.5), figure(0, 0, 0, 1)), grey)
    assert shown.tolist() == [0.03125, 0.125]
    # A cell that gives light without being there: on black 1 is seen, on white no difference to nothing.
    assert seen_error(state_of(figure(1, 1, 1, 0)), figure(0, 0, 0, 0)).item() == 0.5


def test_what_a_screen_cannot_show_is_no_error():
    white = figure(1, 1, 1, 1)
    beyond = white.clone()
    beyond[:, :, :2] = 1.5
    beyond[:3, :, 2:] = -0.5  # darker than nothing: shows on white only
    assert seen_error(state_of(beyond), white).item() == pytest.approx(0.125)
    beyond[:, :, 2:] = 0
    assert seen_error(state_of(beyond), white).item() == 0
    assert pattern_loss(state_of(beyond), white).item() > 0.1


def test_a_plane_is_judged_by_its_colours_alone():
    target = torch.rand(3, 4, 4)
    state = state_of(torch.cat([target + 0.1, torch.zeros(1, 4, 4)]))
    expected = ((target + 0.1).clamp(0, 1) - target).square().mean()
    assert seen_error(state, target).tolist() == [pytest.approx(expected.item())]


def test_a_broken_state_is_not_taken_for_a_likeness():
    broken = figure(1, 1, 1, 1)
    broken[1, 2, 3] = math.nan
    assert seen_error(state_of(broken), figure(1, 1, 1, 1)).isnan().all()
    assert math.isnan(psnr(math.nan))


@pytest.mark.parametrize(("error", "decibels"), [(1, 0), (0.01, 20), (0.0005, 33.0103), (0, math.inf)])
def test_decibels_of_an_error(error, decibels):
    assert psnr(error) == pytest.approx(decibels)

"""How far a texture lies from its exemplar: the anchors, and colours."""

import math

import pytest
import torch

from petri.evaluation.style import HELD_OUT, Judge
from petri.evaluation.texture import colours_apart
from petri.losses.transport import FIRST


def woven(seed, res=48):
    """Blobs of a few cells, in two colours: a texture, of which every square is like every other."""
    noise = torch.randn(1, 1, res, res, generator=torch.Generator().manual_seed(seed))
    soft = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(noise, (2,) * 4, "circular"), 5, stride=1)
    blobs = (soft[0] > 0).float()
    return torch.cat([0.2 + 0.6 * blobs, 0.8 - 0.5 * blobs, 0.3 + 0 * blobs])


def test_more_of_the_same_lies_near_and_shuffled_pixels_far():
    judge = Judge(woven(0), [woven(1), woven(2)])
    assert judge.by == "other crops" and 0 < judge.floor < judge.ceiling / 3
    assert judge.distance(judge.exemplar[None]).item() == 0
    assert judge.way(judge.floor) == 0 and judge.way(judge.ceiling) == 100
    another, grey = (judge.distance(one[None]).item() for one in (woven(3), torch.full((3, 48, 48), 0.5)))
    assert abs(judge.way(another)) < 20 and judge.way(grey) > 100
    assert torch.equal(judge.shuffled.flatten(1).sort().values, judge.exemplar.flatten(1).sort().values)


def test_without_others_its_quarters_are_the_floor():
    judge = Judge(woven(0))
    assert judge.by == "its quarters" and 0 < judge.floor < judge.ceiling


def test_smaller_textures_are_held_against_smaller_pieces():
    plain, closer = Judge(woven(0), [woven(1), woven(2)]), Judge(woven(0), [woven(1), woven(2)], closer=True)
    piece = woven(3)[:, :24, 24:]
    assert closer.floor > plain.floor and closer.ceiling > closer.floor
    assert abs(closer.way(closer.distance(piece[None]).item())) < 25


def test_larger_textures_are_compared_too_and_each_of_several_alone():
    judge = Judge(woven(0), [woven(1)])
    assert judge.way(judge.distance(woven(4, 96)[None]).item()) < 20
    both = judge.distance(torch.stack([woven(5), woven(6)]))
    assert both.tolist() == [judge.distance(woven(seed)[None]).item() for seed in (5, 6)]


def test_a_picture_that_is_no_texture_has_no_way():
    noise = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    parts = torch.cat([noise[:, :24] * 0.2, noise[:, 24:]], dim=1)
    assert math.isnan(Judge(parts, [noise * 0.1]).way(0.1))


def test_no_layer_that_judges_has_been_trained_by():
    assert not set(HELD_OUT) & set(FIRST)


def test_colours_lie_apart_by_their_means_and_their_covariances():
    exemplar = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = exemplar.mean((1, 2), keepdim=True)
    assert colours_apart(exemplar[None], exemplar) == (0, 0)
    moved, spread = colours_apart(exemplar[None] + 0.1, exemplar)
    assert moved == pytest.approx(0.1 * 3**0.5, rel=1e-4) and spread == pytest.approx(0, abs=1e-5)
    moved, spread = colours_apart((mean + 2 * (exemplar - mean))[None], exemplar)
    assert moved == pytest.approx(0, abs=1e-6) and spread == pytest.approx(3, rel=1e-4)

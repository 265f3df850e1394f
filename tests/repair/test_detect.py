import torch
import torch.nn.functional as F

from petri.repair import detect
from petri.repair.damage import flip_bits
from petri.repair.kriging import kriging


def fill(weights, known):
    return kriging(weights, known, (14, 14))


def pictures():
    """40 units whose pictures of 14×14 are smooth."""
    noise = torch.randn(40, 1, 18, 18, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(noise, 5, stride=1).reshape(40, -1)


def test_whole_weights_are_hardly_suspected():
    assert detect.suspects(pictures(), fill).float().mean() < 0.002


def test_what_is_not_finite_or_out_of_all_bounds_is_suspected():
    weights = pictures()
    weights[3, 7], weights[4, 8], weights[5, 9] = torch.nan, torch.inf, 1e30
    found = detect.suspects(weights, fill)
    assert found[3, 7] and found[4, 8] and found[5, 9] and found.sum() < 20


def test_flipped_bits_that_can_be_felt_are_found():
    weights = pictures()
    flipped, where = flip_bits(weights, 80, 1)
    found = detect.judged(detect.suspects(flipped, fill), where, weights, flipped)
    assert found.precision > 0.6 and found.felt > 0.6
    assert found.recall < found.felt  # most bits of a mantissa change nothing that matters


def test_shares_by_hand():
    before = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    after = torch.tensor([[1.0, 1.1, 9.0, torch.nan]])
    changed = before != after
    suspected = torch.tensor([[True, False, True, True]])
    found = detect.judged(suspected, changed, before, after)
    assert (round(found.precision, 4), round(found.recall, 4), found.felt) == (0.6667, 0.6667, 1.0)

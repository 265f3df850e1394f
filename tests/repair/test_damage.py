import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.repair import damage


def test_exactly_so_many_weights_are_lost():
    known = damage.mask("random", (12, 16), 0.3, 0)
    assert int((~known).sum()) == round(0.3 * 192)
    assert torch.equal(known, damage.mask("random", (12, 16), 0.3, 0))
    assert not torch.equal(known, damage.mask("random", (12, 16), 0.3, 1))


def test_rows_and_columns_are_whole():
    rows, columns = (damage.mask(kind, (12, 16), 0.5, 0) for kind in ("rows", "columns"))
    assert rows.all(1).sum() == 6 and (~rows).all(1).sum() == 6
    assert columns.all(0).sum() == 8 and (~columns).all(0).sum() == 8


def test_blocks_are_runs_of_contiguous_weights():
    known = damage.blocks((8, 64), 0.5, torch.Generator().manual_seed(0), length=32).flatten()
    runs = known.view(-1, 32)
    assert ((runs.all(1)) | (~runs).all(1)).all() and int((~known).sum()) == 256


def test_the_adversary_takes_the_weights_that_matter_most():
    weights = torch.tensor([[1.0, 2.0, -3.0, 0.5]])
    gradient = torch.tensor([[1.0, -1.0, 0.1, 10.0]])  # products 1, 2, 0.3, 5
    assert damage.adversarial(weights, gradient, 0.5).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan"), True, "half"])
def test_a_rate_is_between_nothing_and_all(rate):
    with pytest.raises(BadRequest, match="between 0 and 1"):
        damage.mask("random", (3, 3), rate, 0)


def test_an_unknown_damage_is_refused():
    with pytest.raises(BadRequest, match="must be one of random, rows"):
        damage.mask("moths", (3, 3), 0.5, 0)


def test_one_bit_of_each_of_so_many_weights_flips():
    weights = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
    flipped, where = damage.flip_bits(weights, 9, 1)
    apart = weights.numpy().view(np.uint32) ^ flipped.numpy().view(np.uint32)
    assert [bin(word).count("1") for word in apart[where.numpy()]] == [1] * 9
    assert int(where.sum()) == 9 and not apart[~where.numpy()].any()

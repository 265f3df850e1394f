import pytest
import torch

from petri.errors import BadRequest
from petri.repair import damage, fills

WEIGHTS = torch.tensor([[1.0, 2.0, 99.0], [4.0, 99.0, 6.0]])
KNOWN = WEIGHTS != 99


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("zero", (0.0, 0.0)),
        ("mean", (13 / 4, 13 / 4)),
        ("row and column means", (1.5 + 6 - 13 / 4, 5 + 2 - 13 / 4)),
        ("neighbour", (4.0, 13 / 4)),  # of 2 and 6; of 1, 2, 4 and 6
    ],
)
def test_simple_estimates_by_hand(name, found):
    filled = fills.SIMPLE[name](WEIGHTS, KNOWN)
    assert filled[0, 2] == pytest.approx(found[0]) and filled[1, 1] == pytest.approx(found[1])
    assert torch.equal(filled[KNOWN], WEIGHTS[KNOWN])


def test_scaled_is_the_one_that_changes_what_is_known():
    assert torch.equal(fills.scaled(WEIGHTS, KNOWN), fills.zero(WEIGHTS, KNOWN) * 1.5)


@pytest.mark.parametrize("name", fills.SIMPLE)
def test_what_is_lost_is_never_looked_at(name):
    chance = torch.Generator().manual_seed(0)
    weights = torch.randn(9, 11, generator=chance)
    known = torch.rand(9, 11, generator=chance) < 0.6
    nan = torch.where(known, weights, torch.nan)
    assert torch.equal(fills.SIMPLE[name](weights, known), fills.SIMPLE[name](nan, known))


@pytest.mark.parametrize("tall", [False, True])
def test_soft_impute_finds_a_matrix_of_rank_one(tall):
    chance = torch.Generator().manual_seed(0)
    weights = torch.randn(30, 1, generator=chance) @ torch.randn(1, 40, generator=chance)
    weights = weights.T.contiguous() if tall else weights
    known = torch.rand(weights.shape, generator=chance) < 0.7
    apart = (fills.low_rank(weights, known) - weights)[~known].square().mean()
    assert apart < 0.05 * weights[~known].square().mean()


def test_what_cannot_be_filled_is_refused():
    for weights, known, said in (
        (torch.zeros(3), torch.ones(3, dtype=torch.bool), "must be a matrix"),
        (torch.zeros(2, 2, dtype=torch.int32), torch.ones(2, 2, dtype=torch.bool), "of int32"),
        (torch.zeros(2, 2), torch.ones(2, 3, dtype=torch.bool), r"mask must be bool \[2, 2\]"),
        (torch.zeros(2, 2), torch.ones(2, 2), "mask must be bool"),
        (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool), "no weight of the layer is known"),
    ):
        with pytest.raises(BadRequest, match=said):
            fills.check(weights, known)


@pytest.mark.parametrize("seed", range(6))
def test_soft_impute_takes_a_matrix_of_mostly_empty_rows(seed):
    weights = torch.randn(64, 784, generator=torch.Generator().manual_seed(seed)) * 0.05
    known = damage.mask("rows", weights.shape, 0.7, seed)
    found = fills.low_rank(fills.zero(weights, known), known)
    assert found.isfinite().all() and torch.equal(found[known], weights[known])

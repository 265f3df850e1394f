import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.repair import kriging


def plain(weights, known, mean, covariance):
    """The mean of what is missing given what is known, a unit at a time, by numpy's inverse."""
    found = weights.double().numpy().copy()
    matrix, middle = covariance.double().numpy(), mean.double().numpy()
    for row, there in zip(found, known.numpy(), strict=True):
        inverse = np.linalg.inv(matrix[np.ix_(there, there)])
        row[~there] = middle[~there] + matrix[np.ix_(~there, there)] @ inverse @ (row[there] - middle[there])
    return torch.from_numpy(found)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_is_the_conditional_mean(share):
    chance = torch.Generator().manual_seed(0)
    weights = torch.randn(6, 30, generator=chance)
    known = torch.rand(6, 30, generator=chance) < share
    known[0] = True  # nothing is missing
    known[1] = False
    known[1, 4] = True
    mean = torch.randn(30, generator=chance)
    covariance = kriging.Likeness(0.0, 1.3, 0.2, 2.0, "gaussian").covariance((5, 6))
    found = kriging.conditional(weights, known, mean, covariance)
    torch.testing.assert_close(found.double(), plain(weights, known, mean, covariance), rtol=1e-4, atol=1e-4)
    assert torch.equal(found[known], weights[known])


def test_a_unit_of_which_nothing_is_known_gets_the_mean():
    known = torch.ones(3, 16, dtype=torch.bool)
    known[1] = False
    weights = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    covariance = kriging.Likeness(0.0, 1.0, 0.1, 2.0, "exponential").covariance((4, 4))
    found = kriging.conditional(weights, known, torch.full((16,), 0.25), covariance)
    torch.testing.assert_close(found[1], torch.full((16,), 0.25))


def test_the_covariance_by_lag_is_that_of_all_pairs():
    chance = torch.Generator().manual_seed(1)
    pictures = torch.randn(3, 4, 5, generator=chance)
    found = kriging._by_lag(pictures)
    for down, across in ((0, 0), (1, 0), (2, 3), (3, -4)):
        wanted = sum(
            float(one[row, column] * one[row + down, column + across])
            for one in pictures
            for row in range(4 - down)
            for column in range(max(0, -across), 5 - max(0, across))
        )
        assert found[down, across] == pytest.approx(wanted, abs=1e-4)


def test_the_fit_finds_what_the_pictures_were_made_with():
    true = kriging.Likeness(0.5, 2.0, 0.25, 2.8, "gaussian")
    factor = torch.linalg.cholesky(true.covariance((14, 14)))
    chance = torch.Generator().manual_seed(2)
    weights = 0.5 + torch.randn(200, 196, generator=chance) @ factor.T
    known = torch.rand(200, 196, generator=chance) < 0.5
    found = kriging.fit(weights, known, (14, 14))
    assert (found.shape, found.reach) == ("gaussian", 2.8)
    assert found.nugget == pytest.approx(0.25, abs=0.05) and found.variance == pytest.approx(2.0, rel=0.1)
    error = (kriging.kriging(weights, known, (14, 14)) - weights)[~known].square().mean()
    assert error < 0.5 * weights[~known].var()


def test_weights_that_are_all_the_same_can_be_estimated():
    known = torch.rand(4, 16, generator=torch.Generator().manual_seed(0)) < 0.5
    found = kriging.kriging(torch.full((4, 16), 0.5), known, (4, 4))
    torch.testing.assert_close(found, torch.full((4, 16), 0.5))


def test_a_picture_that_does_not_fit_is_refused():
    with pytest.raises(BadRequest, match="5×5 pixels does not fit a row of 16"):
        kriging.kriging(torch.zeros(4, 16), torch.ones(4, 16, dtype=torch.bool), (5, 5))

"""What is stored of a network while it is whole: statistics and thumbnails; and how a repair is judged."""

import math

import pytest
import torch

from petri.errors import BadRequest
from petri.repair.calibration import Sight, recalibrated, statistics
from petri.repair.measure import Judge, gradient
from petri.repair.methods import with_stored_means
from petri.repair.networks import Making
from petri.repair.thumbnails import cosines, thumbnails


def test_statistics_are_those_of_the_pre_activations(toy):
    images = torch.rand(500, 16, generator=torch.Generator().manual_seed(1))
    before = toy.layer.before(images)
    found = statistics(toy, Sight.of(images))
    torch.testing.assert_close(found.mean, before.mean(0))
    torch.testing.assert_close(found.deviation, before.std(0, unbiased=False))


def test_recalibration_puts_mean_and_deviation_right(toy, toy_sight, toy_damaged):
    wanted = statistics(toy, toy_sight)
    made = recalibrated(toy_damaged.part, wanted, toy_sight)
    found = statistics(made, toy_sight)
    torch.testing.assert_close(found.mean, wanted.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.deviation, wanted.deviation, rtol=1e-4, atol=1e-5)


def test_a_whole_network_is_recalibrated_to_itself(toy, toy_sight):
    made = recalibrated(toy, statistics(toy, toy_sight), toy_sight)
    torch.testing.assert_close(made.matrix, toy.matrix)
    torch.testing.assert_close(made.bias, toy.bias)


def test_a_unit_without_any_weight_stays_finite(toy, toy_sight):
    dead = toy.with_matrix(toy.matrix * (torch.arange(12) > 0)[:, None])
    made = recalibrated(dead, statistics(toy, toy_sight), toy_sight)
    assert made.matrix.isfinite().all() and not made.matrix[0].any()


def test_kriging_with_stored_means_has_those_means(toy_damaged):
    first = with_stored_means(toy_damaged, toy_damaged.part)
    assert torch.equal(first[toy_damaged.known], toy_damaged.matrix[toy_damaged.known])
    found = first @ toy_damaged.sight.mean + toy_damaged.part.bias
    torch.testing.assert_close(found, toy_damaged.stored.mean, rtol=1e-4, atol=1e-4)


def test_cosines_are_orthonormal():
    torch.testing.assert_close(cosines(28) @ cosines(28).T, torch.eye(28), rtol=0, atol=1e-5)


def test_thumbnails_of_all_frequencies_are_the_weights_but_for_eight_bits():
    weights = torch.randn(5, 36, generator=torch.Generator().manual_seed(0))
    found = thumbnails(weights, (6, 6), 5 * 40)
    step = (cosines(6) @ weights.view(5, 6, 6) @ cosines(6).T).abs().amax((1, 2)) / 127
    assert ((found - weights).square().sum(1) <= 36 * (step / 2) ** 2 + 1e-6).all()


def test_thumbnails_of_one_frequency_are_the_mean():
    weights = torch.randn(5, 36, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(thumbnails(weights, (6, 6), 25), weights.mean(1, keepdim=True).expand(5, 36))
    with pytest.raises(BadRequest, match="5 units need at least 25 bytes, got 24"):
        thumbnails(weights, (6, 6), 24)


def test_a_judge_says_what_numpy_would(toy, toy_damaged):
    images = torch.rand(200, 16, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(200) % 10
    judge = Judge.of(toy, images, labels)
    right, apart = judge.of_part(toy_damaged.part)
    said = toy_damaged.part.outputs(images).double().softmax(1)
    wanted = toy.outputs(images).double().softmax(1)
    assert right == pytest.approx(100 * float((said.argmax(1) == labels).double().mean()))
    assert apart == pytest.approx(float((wanted * (wanted / said).log()).sum(1).mean()), rel=1e-4)
    assert judge.of_part(toy) == (judge.accuracy, pytest.approx(0, abs=1e-6))
    assert judge.explained(toy.matrix, toy_damaged.known) == 1.0
    lost = ~toy_damaged.known
    mean = torch.where(lost, toy.matrix[lost].mean(), toy.matrix)
    assert judge.explained(mean, toy_damaged.known) == pytest.approx(0.0, abs=1e-6)
    one = torch.ones_like(lost)
    assert math.isnan(judge.explained(toy.matrix, one))
    one[0, 0] = False
    assert math.isnan(judge.explained(torch.zeros_like(toy.matrix), one))


def test_the_adversarys_gradient_is_that_of_finite_differences(toy):
    images = torch.rand(50, 16, generator=torch.Generator().manual_seed(1))
    found, step = gradient(toy, images), 1e-2
    answers = toy.outputs(images).argmax(1)

    def loss(change):
        first = toy.matrix.clone()
        first[2, 5] += change
        said = toy.with_matrix(first).outputs(images).double()
        return float(torch.nn.functional.cross_entropy(said, answers))

    assert found[2, 5] == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=0.05, abs=1e-4)


def test_how_a_network_was_made_is_checked():
    assert Making(64, 10, 3).name == "mnist-64-10-3"
    for fields, said in (((0, 1, 1), "width"), ((8, -1, 1), "epochs"), ((8, 1, math.pi), "seed")):
        with pytest.raises(BadRequest, match=f"{said} must be a whole number"):
            Making(*fields)

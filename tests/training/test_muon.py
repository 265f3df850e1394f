"""The optimiser that makes the momentum of matrices orthogonal."""

import dataclasses

import pytest
import torch
from torch import nn

from petri import tasks
from petri.errors import BadRequest
from petri.training import optimiser
from petri.training.classes import make_classifier_recipe
from petri.training.muon import MOMENTUM
from petri.training.recipe import Optimisation
from petri.training.trainer import Trainer

RATE = 0.01


def drawn(shape):
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(9)))


def step(weights, changer, number):
    """A step by gradients that are drawn for its number."""
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
    changer.step()


def muon(*weights):
    groups = [optimiser.Group(weights)]
    changer = optimiser.make(groups, Optimisation(method="muon"))
    optimiser.set_rate(changer, groups, RATE)
    return changer


def test_a_step_of_a_matrix_is_nearly_orthogonal_and_of_the_size_of_adams():
    weight = drawn((12, 40))
    before, changer = weight.detach().clone(), muon(weight)
    weight.grad = drawn((12, 40)).detach() * torch.logspace(0, -1, 12)[:, None]
    values = torch.linalg.svdvals(weight.grad)
    assert values.max() / values.min() > 10
    changer.step()
    change = (before - weight.detach()) / RATE
    values = torch.linalg.svdvals(change) / (0.2 * 40**0.5)
    assert values.min() > 0.6 and values.max() < 1.3
    assert change.square().mean().sqrt() == pytest.approx(0.2, rel=0.2)


def test_a_convolution_is_changed_as_the_matrix_that_it_is_by_pytorchs_own():
    convolution, matrix = drawn((8, 5, 3, 3)), drawn((8, 45))
    assert torch.equal(convolution.flatten(1), matrix)
    theirs = torch.optim.Muon(
        [matrix], lr=RATE, momentum=MOMENTUM, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    mine = muon(convolution)
    for number in range(4):
        step([convolution], mine, number)
        step([matrix], theirs, number)
    assert torch.equal(convolution.flatten(1), matrix)


def test_biases_and_filters_of_one_channel_are_changed_by_adam():
    weights, others = ([drawn((20,)), drawn((12, 1, 3, 3))] for _ in range(2))
    theirs = torch.optim.Adam(others, lr=RATE)
    mine = muon(*weights)
    for number in range(4):
        step(weights, mine, number)
        step(others, theirs, number)
    for weight, other in zip(weights, others, strict=True):
        assert torch.equal(weight, other)


def test_groups_keep_their_own_rates():
    fast, slow = drawn((6, 7)), drawn((6, 7))
    groups = [optimiser.Group((fast,)), optimiser.Group((slow,), rate=0.5)]
    changer = optimiser.make(groups, Optimisation(method="muon"))
    optimiser.set_rate(changer, groups, RATE)
    before = fast.detach().clone()
    step([fast, slow], changer, 0)
    torch.testing.assert_close(before - fast, 2 * (before - slow), rtol=1e-4, atol=1e-6)


def test_a_classifiers_matrices_are_all_muons():
    recipe = make_classifier_recipe("mini", settings=["phases.batch=2", "pool.size=4"])
    assert recipe.optimiser.method == "muon"
    trainer = Trainer(recipe, tasks.make(recipe), torch.device("cpu"))
    mine = {name for name, weight in trainer.weights.items() if weight in trainer.adam.matrices}
    assert mine == {name for name in trainer.weights if "bias" not in name}
    trainer.train_epoch()
    moments = trainer.tensors()
    assert all(moments[f"adam.exp_avg.{name}"].any() for name in mine if "rule.weights.1" in name)
    assert not any(moments[f"adam.exp_avg_sq.{name}"].any() for name in mine)


def test_a_recipe_keeps_all_else_by_another_method():
    muon = make_classifier_recipe("mnist")
    adam = make_classifier_recipe("mnist", settings=["optimiser.method=adam"])
    assert adam.optimiser == dataclasses.replace(muon.optimiser, method="adam")


def test_another_method_is_refused():
    with pytest.raises(BadRequest, match=r"optimiser\.method"):
        Optimisation(method="sgd")

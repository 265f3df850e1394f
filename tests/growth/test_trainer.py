import dataclasses

import pytest
import torch

from petri.growth import optimiser
from petri.growth.loss import overflow_loss, pattern_loss
from petri.growth.pool import Pool
from petri.growth.recipe import Recipe
from petri.growth.trainer import Trainer
from petri.nca import Spec
from petri.targets import load

CPU = torch.device("cpu")
RECIPE = Recipe(
    target="circle", res=16, spec=Spec(hidden=16, layers=2), epochs=30, batch=2, steps=(4, 8), hold=3, pool=6
)


def trainer(**fields):
    recipe = dataclasses.replace(RECIPE, **fields)
    return Trainer(recipe, torch.from_numpy(load("circle", 16).pixels[:3].copy()), CPU)


def test_losses_by_hand():
    state = torch.zeros(2, 4, 1, 2)
    state[1, 0, 0, 0] = 1.0
    state[1, 3, 0, 1] = -0.95
    target = torch.zeros(3, 1, 2)
    target[0] = 0.5
    assert pattern_loss(state, target).tolist() == pytest.approx([1 / 12, 1 / 12])
    assert overflow_loss(state).tolist() == pytest.approx([0.0, (0.1 + 0.05) / 8])


def test_the_pool_draws_without_replacement_and_resets_the_worst_entry():
    pool = Pool(torch.full((1, 4, 2, 2), 7.0), 10)
    pool.states = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 4, 2, 2).clone()
    pool.losses = torch.arange(10.0) % 7
    indices, states = pool.draw(10, torch.Generator().manual_seed(0))
    assert sorted(indices.tolist()) == list(range(10))
    assert pool.losses[indices[0]] == 6 and (states[0] == 7).all()
    assert torch.equal(states[1:, 0, 0, 0], indices[1:].float())
    pool.put_back(indices[:1], torch.full((1, 4, 2, 2), 9.0), torch.tensor([0.5]))
    assert (pool.states[6] == 9).all() and pool.losses[6] == 0.5
    assert (pool.states[5] == 5).all()


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_nothing():
    rates = [optimiser.learning_rate(epoch, 100, 2e-3) for epoch in range(100)]
    assert rates.index(max(rates)) == 10 and max(rates) == 2e-3
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 2e-6
    assert optimiser.learning_rate(0, 1, 2e-3) > 0


def test_gradients_are_divided_by_their_norm():
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, 3e5, 4e5])
    optimiser.normalise_gradients([parameter])
    assert parameter.grad.tolist() == pytest.approx([0.0, 0.6, 0.8])


def test_training_lowers_the_loss():
    learner = trainer(epochs=100)
    losses = [float(learner.train_epoch().loss) for _ in range(100)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_an_epoch_touches_only_the_drawn_entries_and_the_worst_is_grown_from_the_seed():
    learner = trainer()
    learner.pool.states += torch.arange(6.0).view(6, 1, 1, 1) / 10
    before = learner.pool.states.clone()
    learner.train_epoch()
    changed = (learner.pool.states != before).flatten(1).any(1)
    assert int(changed.sum()) <= RECIPE.batch


def test_going_on_from_saved_tensors_gives_the_same_bits():
    whole, first, second = trainer(), trainer(), trainer(seed=5)
    for _ in range(6):
        whole.train_epoch()
    for _ in range(3):
        first.train_epoch()
    second.restore({name: tensor.clone() for name, tensor in first.tensors().items()}, 3)
    for _ in range(3):
        second.train_epoch()
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


def test_truncation_leaves_the_rollout_alone_and_cuts_the_gradient():
    whole, cut = trainer(steps=(8, 8)), trainer(steps=(8, 8), truncate=2)
    for learner in (whole, cut):
        for weight in learner.weights.values():
            torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(1))
    one, other = whole.train_epoch(), cut.train_epoch()
    assert torch.equal(one.grown, other.grown) and one.loss == other.loss
    assert not torch.equal(whole.weights["rule.weights.0"], cut.weights["rule.weights.0"])

import copy
import dataclasses

import pytest
import torch

from petri.growth import optimiser
from petri.growth.loss import overflow_loss, pattern_loss
from petri.growth.pool import Pool
from petri.growth.recipe import Recipe
from petri.growth.trainer import Trainer
from petri.nca import Automaton, Spec
from petri.targets import load

CPU = torch.device("cpu")
RECIPE = Recipe(
    target="circle",
    name="circle",
    res=16,
    spec=Spec(hidden=16, layers=2),
    epochs=30,
    batch=2,
    steps=(4, 8),
    hold=3,
    pool=6,
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


def test_an_epoch_touches_only_the_drawn_entries_and_grows_the_worst_from_the_seed():
    learner = trainer()
    for weight in learner.weights.values():
        torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(1))
    learner.pool.states += torch.arange(6.0).view(6, 1, 1, 1) / 10
    learner.pool.losses = torch.arange(6.0)
    draws = torch.Generator()
    draws.set_state(learner.draws.get_state())
    drawn = torch.randperm(6, generator=draws)[:2]
    before, automaton = learner.pool.states.clone(), copy.deepcopy(learner.automaton)
    chance = torch.Generator()
    chance.set_state(learner.chance.get_state())
    steps = int(torch.randint(4, 9, (), generator=chance))
    fire_seed = int(torch.randint(2**32, (), generator=chance))

    epoch = learner.train_epoch()
    changed = (learner.pool.states != before).flatten(1).any(1)
    assert sorted(changed.nonzero().flatten().tolist()) == sorted(drawn.tolist())
    with torch.no_grad():
        start = torch.cat([automaton.seed_state(16), before[drawn.min()][None]])
        grown = automaton.rollout(start, steps, seed=fire_seed, precision="auto")
        held = automaton.rollout(grown, 3, seed=fire_seed, start=steps, precision="auto")
    assert torch.equal(epoch.grown, grown[0])
    assert torch.equal(learner.pool.states[drawn.max()], held[0])
    assert torch.equal(learner.pool.states[drawn.min()], held[1])


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


def test_truncation_leaves_the_rollout_alone_and_the_gradient_of_the_last_steps():
    whole, cut = trainer(steps=(8, 8)), trainer(steps=(8, 8), truncate=2)
    for learner in (whole, cut):
        for weight in learner.weights.values():
            torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(1))
    automaton = copy.deepcopy(cut.automaton)
    one, other = whole.train_epoch(), cut.train_epoch()
    assert torch.equal(one.grown, other.grown) and one.loss == other.loss

    # The same by hand: detach, then two steps with a loss at their end, for both parts of the rollout.
    chance = torch.Generator().manual_seed(RECIPE.seed)
    Automaton(RECIPE.spec, generator=chance)
    torch.randint(8, 9, (), generator=chance)
    seed = int(torch.randint(2**32, (), generator=chance))

    def last_two(state, first, last):
        state = automaton.rollout(state, last - 2 - first, seed=seed, start=first, precision="auto").detach()
        return automaton.rollout(state, 2, seed=seed, start=last - 2, precision="auto")

    grown = last_two(automaton.seed_state(16, batch=2), 0, 8)
    held = last_two(grown, 8, 11)
    losses = pattern_loss(grown, cut.target) + 0.5 * pattern_loss(held, cut.target)
    (losses + 0.1 * overflow_loss(held)).mean().backward()
    for name, weight in automaton.named_parameters():
        expected = weight.grad / (weight.grad.norm() + 1e-8)
        assert torch.allclose(cut.weights[name].grad, expected, atol=1e-5), name
        assert not torch.allclose(whole.weights[name].grad, expected, atol=1e-3), name


def test_a_generator_state_of_another_device_does_not_stop_a_resume():
    first, second = trainer(), trainer()
    tensors = {name: tensor.clone() for name, tensor in first.tensors().items()}
    tensors["draws"] = torch.zeros(16, dtype=torch.uint8)  # as long as CUDA's
    second.restore(tensors, 3)
    assert second.epoch == 3
    second.train_epoch()

import copy
import dataclasses

import pytest
import torch

from petri import tasks
from petri.errors import RunFailed
from petri.losses import multi_scale_loss, overflow_loss, pattern_loss
from petri.losses.perceptual import PerceptualLoss
from petri.nca import Automaton, Spec
from petri.tasks.grow import LossTerms
from petri.training import optimiser
from petri.training.pool import Pool
from petri.training.recipe import Optimisation, Phase, PoolUse, Recipe
from petri.training.trainer import Return, Trainer

CPU = torch.device("cpu")
PHASE = Phase(res=16, epochs=30, batch=2, steps=(4, 8))
RECIPE = Recipe(
    target="circle",
    name="circle",
    spec=Spec.of(hidden=16, layers=2),
    phases=(PHASE,),
    loss=LossTerms(scales=(1,)),
    pool=PoolUse(size=6),
    optimiser=Optimisation(warm_up=0.0),
    hold=3,
)


def trainer(**fields):
    """A trainer of the recipe with other fields; those of a phase go into it."""
    phase = {name: fields.pop(name) for name in ("epochs", "steps", "batch", "truncate") if name in fields}
    recipe = dataclasses.replace(RECIPE, **{"phases": (dataclasses.replace(PHASE, **phase),), **fields})
    return Trainer(recipe, tasks.make(recipe), CPU)


def randomised(learner):
    for weight in learner.weights.values():
        torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(1))
    return learner


def test_losses_by_hand():
    state = torch.zeros(2, 4, 1, 2)
    state[1, 0, 0, 0] = 1.0
    state[1, 3, 0, 1] = -0.95
    target = torch.zeros(3, 1, 2)
    target[0] = 0.5
    assert pattern_loss(state, target).tolist() == pytest.approx([1 / 12, 1 / 12])
    assert overflow_loss(state).tolist() == pytest.approx([0.0, (0.1 + 0.05) / 8])


def test_the_multi_scale_loss_by_hand():
    state, target = torch.zeros(1, 4, 2, 3), torch.zeros(3, 2, 3)
    target[0] = torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    fine = (1 + 0.25) / 18
    coarse = (0.25**2 + 0.25**2) / 6  # a square of four cells, and one of the two at the edge
    assert multi_scale_loss(state, target, (1,)).tolist() == pytest.approx([fine])
    assert multi_scale_loss(state, target, (1, 2)).tolist() == pytest.approx([(fine + coarse) / 2])


def test_the_perceptual_loss_is_none_for_the_target_and_grows_with_blur():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 32, 32, generator=generator)
    loss = PerceptualLoss(target)
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1)
    more = torch.nn.functional.avg_pool2d(blurred, 3, 1, 1)
    states = torch.stack([target, blurred, more, torch.zeros(3, 32, 32)])
    values = loss(torch.cat([states, torch.rand(4, 2, 32, 32, generator=generator)], dim=1)).tolist()
    assert values[0] == 0 and 0.02 < values[1] < values[2] < 2 and values[3] > 0.1


def test_vgg16s_features_are_those_of_its_definition():
    """Block by block by hand, in float64: convolutions with ReLU, and a maximum of 2 × 2 between blocks."""
    from safetensors.torch import load_file

    from petri.losses import vgg

    weights = {name: tensor.double() for name, tensor in load_file(vgg.WEIGHTS).items()}
    rgb = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    value = 255 * rgb.double() - torch.tensor([123.68, 116.779, 103.939]).double().view(3, 1, 1)
    for block, names in enumerate((("1_1", "1_2"), ("2_1", "2_2"), ("3_1", "3_2", "3_3"))):
        if block:
            value = torch.nn.functional.max_pool2d(value, 2)
        for name in names:
            kernel, bias = weights[f"conv{name}.weight"], weights[f"conv{name}.bias"]
            value = torch.nn.functional.conv2d(value, kernel, bias, padding=1).relu()
        (found,) = vgg.features(rgb, [f"relu{names[-1]}"])
        found = found.double()
        assert found.shape == value.shape
        assert (found - value).norm() / value.norm() < 0.02  # the products are bfloat16


def test_the_pool_draws_without_replacement_and_resets_the_worst_entry():
    pool = Pool(
        {"state": torch.arange(10.0).view(10, 1, 1, 1).expand(10, 4, 2, 2), "label": torch.arange(10)}
    )
    pool.losses = torch.arange(10.0) % 7
    fresh = {"state": torch.full((1, 4, 2, 2), 7.0), "label": torch.tensor([99])}
    indices, rows = pool.draw(10, torch.Generator().manual_seed(0), fresh=fresh)
    states = rows["state"]
    assert rows["label"].tolist() == [99, *indices[1:].tolist()]
    assert sorted(indices.tolist()) == list(range(10))
    assert pool.losses[indices[0]] == 6 and (states[0] == 7).all()
    assert torch.equal(states[1:, 0, 0, 0], indices[1:].float())
    back = {"state": torch.full((1, 4, 2, 2), 9.0), "label": torch.tensor([42])}
    pool.put_back(indices[:1], back, torch.tensor([0.5]))
    assert pool.rows["label"].tolist() == [0, 1, 2, 3, 4, 5, 42, 7, 8, 9]
    assert (pool.states[6] == 9).all() and pool.losses[6] == 0.5
    assert (pool.states[5] == 5).all()


def test_of_some_entries_the_pool_gives_the_worst_or_the_best():
    pool = Pool({"state": torch.arange(8.0).view(8, 1, 1, 1)})
    pool.losses = torch.tensor([3.0, 7.0, 1.0, 5.0, 0.0, 6.0, 2.0, 4.0])
    for best, wanted in ((False, [7.0, 6.0]), (True, [1.0, 0.0])):
        indices, rows = pool.draw(2, torch.Generator().manual_seed(0), rivals=8, best=best)
        assert pool.losses[indices].tolist() == wanted
        assert rows["state"].flatten().tolist() == indices.tolist()


def test_only_the_best_of_some_entries_is_damaged():
    learner = randomised(trainer(pool=PoolUse(size=4, damage=1, damage_of=4), batch=1, steps=(1, 1)))
    learner.train_epoch()  # the seed
    learner.pool.losses = torch.tensor([0.3, 0.1, 0.4, 0.2])
    cut = []
    learner._damage = lambda states: cut.append(states.clone())
    states = learner.pool.states.clone()
    states += torch.arange(4.0).view(4, 1, 1, 1) / 8  # to be told apart
    learner.pool.rows["state"] = states.clone()
    learner.train_epoch()
    assert torch.equal(cut[0], states[1:2])


def test_batches_of_one_are_the_seed_and_a_damaged_state_of_the_pool_in_turn():
    learner = randomised(trainer(pool=PoolUse(size=4, damage=1), batch=1, steps=(9, 9)))
    seen = []
    learner._roll = lambda state, *rest: (
        seen.append((state.clone(), rest[0])) or Trainer._roll(learner, state, *rest)
    )
    for _ in range(6):
        learner.pool.states[:] = 0.5
        learner.train_epoch()
    begun = seen[::2]  # the others hold
    for state, steps in begun[::2]:
        assert torch.equal(state, learner.automaton.seed_state(16)) and steps == 9
    for state, steps in begun[1::2]:
        assert steps == 9 and (state == 0.5).any()
        assert 0 < (state == 0).all(dim=1).float().mean() < 1


def test_of_batches_of_one_every_fourth_seed_stays_in_the_pool():
    learner = randomised(trainer(pool=PoolUse(size=5), batch=1))
    changed = []
    for _ in range(18):
        before = learner.pool.states.clone()
        learner.train_epoch()
        changed.append((learner.pool.states != before).flatten(1).any(1).sum().item())
    assert changed == [1, 1, 0, 1, 0, 1, 0, 1] * 2 + [1, 1]


def test_a_priority_draws_by_the_softmax_of_the_losses_without_replacement():
    pool = Pool({"state": torch.zeros(4, 4, 2, 2)}, priority=1.0)
    pool.losses = torch.tensor([0.0, 1.0, 2.0, 5.0])  # their mean is 2
    generator = torch.Generator().manual_seed(0)
    draws = [pool.draw(2, generator)[0].tolist() for _ in range(4000)]
    assert all(len(set(pair)) == 2 for pair in draws)
    first = torch.softmax(pool.losses / 2, 0)
    # Of two without replacement: drawn first, or second after another one was first.
    wanted = [
        float(first[i] + sum(first[j] * first[i] / (1 - first[j]) for j in range(4) if j != i))
        for i in range(4)
    ]
    found = [sum(i in pair for pair in draws) / 4000 for i in range(4)]
    assert found == pytest.approx(wanted, abs=0.03)


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_nothing():
    how = Optimisation()
    rates = [optimiser.learning_rate(epoch, 100, how) for epoch in range(100)]
    assert rates.index(max(rates)) == 10 and max(rates) == 2e-3
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 2e-6
    assert optimiser.learning_rate(0, 1, how) > 0


def test_every_phase_has_its_own_rise_and_fall_and_only_the_first_short_rollouts():
    phases = [Phase(res=16, epochs=epochs, batch=2, steps=(8, 8)) for epochs in (10, 20)]
    learner = trainer(phases=phases, optimiser=Optimisation(warm_up=0.2))
    epochs = [learner.train_epoch() for _ in range(30)]
    rates = [epoch.learning_rate for epoch in epochs]
    assert rates[:10] == [optimiser.learning_rate(epoch, 10, learner.recipe.optimiser) for epoch in range(10)]
    assert rates[10:] == [optimiser.learning_rate(epoch, 20, learner.recipe.optimiser) for epoch in range(20)]
    assert [epoch.steps for epoch in epochs] == [2, 5, *[8] * 28]  # 8 by a quarter, then by five eighths


def test_the_learning_rate_of_the_canonical_experiment_drops_at_2000():
    how = Optimisation(schedule="drop", warm_up=0.0)
    rates = [optimiser.learning_rate(epoch, 8000, how) for epoch in (0, 1999, 2000, 7999)]
    assert rates == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4])


def test_gradients_are_divided_by_their_norm():
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, 3e5, 4e5])
    optimiser.normalise_gradients([parameter])
    assert parameter.grad.tolist() == pytest.approx([0.0, 0.6, 0.8])


def test_training_lowers_the_loss():
    learner = trainer(epochs=100)
    losses = [float(learner.train_epoch().loss) for _ in range(100)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_an_epoch_touches_only_the_drawn_entries_and_grows_the_worst_from_the_seed():
    learner = trainer()
    randomised(learner)
    learner.pool.rows["state"] += torch.arange(6.0).view(6, 1, 1, 1) / 10
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


@pytest.mark.parametrize("method", ["adam", "muon"])
@pytest.mark.parametrize("done", [0, 3, 4, 5])
def test_going_on_from_saved_tensors_gives_the_same_bits(done, method):
    """Across the end of a phase, with the average, damage and a priority."""
    phases = (
        dataclasses.replace(PHASE, epochs=4),
        dataclasses.replace(PHASE, epochs=4, res=24, batch=3, truncate=2),
    )
    fields = {
        "phases": phases,
        "pool": PoolUse(size=6, priority=1.0, damage=1),
        "optimiser": Optimisation(method=method, average=0.9, warm_up=0.5),
        "loss": LossTerms(perceptual=0.1),
    }
    whole, first, second = trainer(**fields), trainer(**fields), trainer(**fields, seed=5)
    for _ in range(7):
        whole.train_epoch()
    for _ in range(done):
        first.train_epoch()
    for target in second.task.pictures:
        target.zero_()  # the checkpoint has it
    second.restore({name: tensor.clone() for name, tensor in first.tensors().items()}, done)
    for _ in range(7 - done):
        second.train_epoch()
    assert second.pool.states.shape == (6, 16, 24, 24)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


def test_a_new_phase_keeps_the_weights_and_the_optimiser_and_begins_from_the_seed():
    phases = (dataclasses.replace(PHASE, epochs=2), dataclasses.replace(PHASE, epochs=2, res=24))
    learner = trainer(phases=phases)
    for _ in range(2):
        learner.train_epoch()
    before = {name: tensor.clone() for name, tensor in learner._learned().items()}
    learner._enter(1)
    assert all(torch.equal(before[name], tensor) for name, tensor in learner._learned().items())
    assert torch.equal(learner.pool.states, learner.automaton.seed_state(24, batch=6))
    assert learner.train_epoch().grown.shape == (16, 24, 24)


def test_the_best_of_a_batch_are_damaged_before_they_grow_on():
    learner = randomised(trainer(pool=PoolUse(size=4, damage=2), batch=4, steps=(1, 1)))
    learner.pool.rows["state"] += 0.5
    learner.pool.losses = torch.tensor([3.0, 1.0, 2.0, 4.0])
    seen = []
    learner._roll = lambda state, *rest: seen.append(state.clone()) or Trainer._roll(learner, state, *rest)
    learner.train_epoch()
    empty = [(state == 0).all(dim=0).float().mean().item() for state in seen[0]]
    assert torch.equal(seen[0][0], learner.automaton.seed_state(16)[0])  # the worst is the seed
    assert empty[1] == 0 and min(empty[2:]) > 0


def test_rollouts_lengthen_over_the_warm_up():
    learner = trainer(steps=(100, 100), optimiser=Optimisation(warm_up=0.5), epochs=20)
    steps = []
    for learner.epoch in range(20):
        steps.append(learner._draw_steps())
    assert steps[0] == 25 and steps[10:] == [100] * 10 and steps == sorted(steps)


def test_the_average_is_that_of_the_weights():
    learner = trainer(optimiser=Optimisation(average=0.5, warm_up=0.0))
    average = {name: weight.detach().clone() for name, weight in learner.weights.items()}
    for epoch in range(1, 13):
        learner.train_epoch()
        decay = min(0.5, epoch / (epoch + 9))
        for name, weight in learner.weights.items():
            average[name] = decay * average[name] + (1 - decay) * weight.detach()
    result = dict(learner.result().named_parameters())
    for name, weight in average.items():
        assert torch.allclose(result[name], weight, atol=1e-6), name
        assert not torch.equal(result[name], learner.weights[name])


def test_a_loss_that_is_not_finite_takes_the_run_back_with_half_the_rate():
    learner = trainer(epochs=200)
    for _ in range(60):
        learner.train_epoch()
    good = {name: tensor.clone() for name, tensor in learner.guard.good.items()}
    learner.weights["rule.weights.0"].data[0, 0] = float("nan")
    outcome = learner.train_epoch()
    assert outcome == Return(50, "the loss was no longer finite") and learner.epoch == 50
    assert all(torch.equal(good[name], tensor) for name, tensor in learner._learned().items())
    before = optimiser.learning_rate(50, 200, RECIPE.optimiser)
    after = learner.train_epoch()
    assert after.number == 51 and after.learning_rate == before / 2 and after.loss.isfinite()
    assert all(tensor.isfinite().all() for name, tensor in learner.tensors().items() if name[:4] != "draw")


def test_weights_are_kept_as_good_only_after_a_rollout_has_shown_that_they_are():
    learner = trainer(epochs=200)
    for _ in range(50):
        learner.train_epoch()
    assert learner.guard.epoch == 0  # those of epoch 50 have not been tried
    learner.weights["rule.weights.0"].data[0, 0] = float("nan")
    assert learner.train_epoch() == Return(0, "the loss was no longer finite")
    for _ in range(51):
        learner.train_epoch()
    assert learner.guard.epoch == 50


def test_a_gradient_that_is_not_finite_takes_the_run_back():
    learner = trainer()
    learner.train_epoch()
    before = {name: tensor.clone() for name, tensor in learner.guard.good.items()}
    learner.weights["rule.biases.0"].register_hook(lambda gradient: gradient * float("inf"))
    assert learner.train_epoch() == Return(0, "a gradient was no longer finite")
    assert all(torch.equal(before[name], tensor) for name, tensor in learner._learned().items())


def test_a_state_that_explodes_takes_the_run_back_and_the_pool_begins_anew():
    learner = trainer(spec=Spec.of(hidden=16, layers=2, clamp=None))
    learner.train_epoch()
    learner.pool.states[:] = 1e6
    learner.pool.states[1] = 9e3  # not yet beyond the bound, but on its way
    learner.pool.losses[:] = 1.0
    outcome = learner.train_epoch()
    assert outcome == Return(0, "state values passed 10,000")
    assert torch.equal(learner.pool.states, learner.automaton.seed_state(16).repeat(6, 1, 1, 1))
    assert learner.train_epoch().number == 1


def test_a_run_that_cannot_be_saved_is_given_up():
    learner = trainer()
    for name in ("weights.rule.weights.0", "good.weights.rule.weights.0"):
        learner.tensors()[name][0, 0] = float("nan")
    for _ in range(RECIPE.guard.returns):
        assert isinstance(learner.train_epoch(), Return)
    with pytest.raises(
        RunFailed, match=r"no longer finite in epoch 1, again after 3 returns to an earlier state"
    ):
        learner.train_epoch()


def test_truncation_leaves_the_rollout_alone_and_the_gradient_of_the_last_steps():
    whole, cut = trainer(steps=(8, 8)), trainer(steps=(8, 8), truncate=2)
    for learner in (whole, cut):
        randomised(learner)
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
    losses = pattern_loss(grown, cut.task.target) + 0.5 * pattern_loss(held, cut.task.target)
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


def test_a_hold_of_no_steps_passes_the_gradient_on():
    learner = randomised(trainer(truncate=2))
    grown = learner._roll(learner.automaton.seed_state(16, batch=2), 6, 0, 1, 0)
    held = learner._roll(grown, 0, 6, 1, 0)
    assert torch.equal(held, grown)
    weight = learner.weights["rule.weights.0"]
    gradients = [torch.autograd.grad(state.sum(), weight, retain_graph=True)[0] for state in (grown, held)]
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0


def test_an_epoch_waits_for_the_device_as_often_however_long_it_is_and_however_many_its_weights(monkeypatch):
    def reads(**fields):
        learner = randomised(trainer(**fields))
        learner.engine, found = "torch", []
        with monkeypatch.context() as patched:
            for name in ("item", "tolist", "cpu", "__bool__", "__int__", "__float__"):
                method = getattr(torch.Tensor, name)

                def counted(self, *given, method=method):
                    found.append(self)
                    return method(self, *given)

                patched.setattr(torch.Tensor, name, counted)
            learner.train_epoch()
        return len(found) - len(learner.weights)  # Adam's steps, which lie on the CPU

    short = reads(steps=(4, 4), spec=Spec.of(hidden=16, layers=2, living=True))
    long = reads(steps=(9, 9), spec=Spec.of(hidden=16, layers=3, living=True, perception="learned"))
    assert 0 < short == long

import time

import pytest
import torch

from petri import devices
from petri.dni import ways
from petri.dni.grader import LARGEST_NORM, Graders
from petri.dni.trainer import NetworkTrainer


def weights(trainer):
    return [parameter.detach().clone() for parameter in trainer.network.parameters()]


def equal(these, those):
    return all(torch.equal(a, b) for a, b in zip(these, those, strict=True))


@pytest.mark.parametrize("way", ["clean", "chained"])
def test_at_beta_0_graders_only_watch(digits, recipe, way):
    shadow = NetworkTrainer(recipe(way=way, beta_max=0.0), digits, seed=5, graded=True)
    baseline = NetworkTrainer(recipe(), digits, seed=5, graded=False)
    grader = [parameter.detach().clone() for parameter in shadow.graders.parameters()]
    for _ in range(2):
        with_graders, without = shadow.train_epoch(), baseline.train_epoch()
        assert (with_graders.loss, with_graders.accuracy) == (without.loss, without.accuracy)
    assert equal(weights(shadow), weights(baseline))
    assert not equal(grader, shadow.graders.parameters())  # they did learn


def test_beta_changes_the_training_and_seeds_repeat_it(digits, recipe):
    runs = []
    for share, seed in ((0.8, 0), (0.8, 0), (0.4, 0), (0.8, 1)):
        trainer = NetworkTrainer(recipe(beta_max=share, warm_up=1.0), digits, seed=seed, graded=True)
        for _ in range(2):
            trainer.train_epoch()
        runs.append(weights(trainer))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2]) and not equal(runs[0], runs[3])


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_decoupled_networks_learn(digits, recipe, kind, conditioned):
    trainer = NetworkTrainer(
        recipe(
            way="decoupled", beta_max=1.0, warm_up=0.0, grader=kind, conditioned=conditioned,
            epochs=20, batch=16, widths=(64, 32), learning_rate=1e-2, grader_learning_rate=1e-2,
        ),
        digits, seed=0, graded=True,
    )  # fmt: skip
    below = trainer.network.layers[0].weight.detach().clone()
    epochs = [trainer.train_epoch() for _ in range(20)]
    assert epochs[-1].accuracy > 90 and epochs[-1].loss < epochs[0].loss / 2
    assert not torch.equal(below, trainer.network.layers[0].weight)


def test_silent_graders_leave_decoupled_layers_as_they_are(digits, recipe):
    trainer = NetworkTrainer(
        recipe(way="decoupled", beta_max=1.0, warm_up=0.0, grader="silent"), digits, seed=0, graded=True
    )
    before = weights(trainer)
    trainer.train_epoch()
    after = weights(trainer)
    assert equal(before[:-2], after[:-2]) and not torch.equal(before[-2], after[-2])


def test_graders_learn_every_so_many_batches(digits, recipe):
    trainer = NetworkTrainer(recipe(grader_every=3), digits, seed=0, graded=True)
    changed = []
    for _ in range(7):
        before = [parameter.detach().clone() for parameter in trainer.graders.parameters()]
        trainer.train_step(digits.train.images[:32], digits.train.labels[:32])
        changed.append(not equal(before, trainer.graders.parameters()))
    assert changed == [True, False, False, True, False, False, True]


def make(**changes):
    fields = {
        "kind": "mlp", "classes": 0, "zero_init": True, "bounded": True, "unit": "mean",
        "learning_rate": 1e-2, "generator": torch.Generator().manual_seed(0),
    }  # fmt: skip
    return Graders((6, 4), **{**fields, **changes})


def test_a_grader_is_an_mlp_of_twice_the_width_that_starts_at_zero():
    graders = make()
    assert [tuple(layer.weight.shape) for layer in graders.each[0].layers] == [(12, 6), (6, 12)]
    activation = torch.randn(5, 6)
    assert not graders.predict(
        0, activation, torch.zeros(5, dtype=torch.int64), learning=False
    ).gradient.any()
    started = make(zero_init=False).predict(0, activation, torch.zeros(5, dtype=torch.int64), learning=False)
    assert started.gradient.any()
    assert [tuple(layer.weight.shape) for layer in make(kind="linear", classes=10).each[1].layers] == [
        (4, 14)
    ]


def test_only_a_conditioned_grader_sees_the_label():
    activation = torch.randn(1, 6).expand(2, 6)
    labels = torch.tensor([1, 2])
    for classes in (0, 10):
        pair = make(classes=classes, zero_init=False).predict(0, activation, labels, learning=False).gradient
        # The two rows of a product may be rounded in different ways.
        assert torch.allclose(pair[0], pair[1], atol=1e-6) == (classes == 0)


def test_predictions_and_the_graders_steps_are_bounded():
    labels = torch.zeros(5, dtype=torch.int64)
    activation = 1000 * torch.randn(5, 6)
    norms = {}
    for bounded in (True, False):
        graders = make(zero_init=False, bounded=bounded)
        predictions = [
            graders.predict(0, activation, labels, learning=True),
            graders.predict(1, activation[:, :4], labels, learning=True),
        ]
        assert (predictions[0].gradient.abs().max() <= 1) == bounded
        graders.learn(predictions, [torch.ones(5, 6), torch.ones(5, 4)])
        norms[bounded] = [
            torch.cat([parameter.grad.flatten() for parameter in grader.parameters()]).norm().item()
            for grader in graders.each
        ]
    assert norms[True] == pytest.approx([LARGEST_NORM] * 2, rel=1e-4) and min(norms[False]) > 10


@pytest.mark.parametrize("unit", ["sample", "mean"])
def test_graders_learn_the_gradients_that_they_are_shown(unit):
    generator = torch.Generator().manual_seed(1)
    labels = torch.zeros(64, dtype=torch.int64)
    activations = [torch.randn(64, width, generator=generator) for width in (6, 4)]
    targets = [torch.tanh(one @ torch.randn(one.shape[1], one.shape[1], generator=generator)) / 64
               for one in activations]  # fmt: skip
    graders = make(unit=unit)
    for _ in range(300):
        predictions = [graders.predict(n, one, labels, learning=True) for n, one in enumerate(activations)]
        graders.learn(predictions, targets)
    for prediction, target in zip(predictions, targets, strict=True):
        assert (prediction.gradient - target).square().mean() < 0.1 * target.square().mean()


def test_graders_do_not_begin_with_the_networks_random_numbers(digits, recipe):
    for seed in (0, 1, 77):
        trainer = NetworkTrainer(recipe(), digits, seed=seed, graded=True)
        first = trainer.network.layers[0], trainer.graders.each[0].layers[0]
        drawn = [layer.weight.detach().flatten()[:500] * layer.in_features**0.5 for layer in first]  # in ±1
        assert torch.isclose(*drawn, atol=1e-4).sum() < 5


def test_what_a_look_tells(digits, recipe):
    for way in ("clean", "chained"):
        trainer = NetworkTrainer(
            recipe(way=way, zero_init=False, warm_up=0.0, unit="mean"), digits, seed=0, graded=True
        )
        images, labels = digits.train.images[:32], digits.train.labels[:32]
        trainer._look(images, labels)
        (look,) = trainer.looks
        back = getattr(ways, way)(trainer.network, trainer.graders, images, labels, beta=0.8, learning=False)
        true = ways.true_gradients(trainer.network, images, labels)
        for index, prediction in enumerate(back.predictions):
            predicted, given = 0.8 * prediction.gradient.norm(), 0.2 * back.targets[index].norm()
            assert look.shares[index] == pytest.approx(float(predicted / (predicted + given)), rel=1e-5)
            length = float(prediction.gradient.norm() / true[index].norm())
            assert look.graders[index].length == pytest.approx(length, rel=1e-5)
        # What comes down the chain is not what backpropagation gives.
        assert (back.targets[0].norm() != true[0].norm()) == (way == "chained")


def test_looks_do_not_count_as_training_time(digits, recipe, monkeypatch):
    """The device is waited for before the look's clock is read, not within it."""
    trainer = NetworkTrainer(recipe(), digits, seed=0, graded=True)
    events = []
    monkeypatch.setattr(trainer, "_look", lambda *batch: events.append("look"))
    monkeypatch.setattr(devices, "synchronise", lambda device: events.append("wait"))
    monkeypatch.setattr(time, "perf_counter", lambda: events.append("clock") or float(len(events)))
    trainer.train_epoch()
    looks = [index for index, event in enumerate(events) if event == "look"]
    assert len(looks) == 2 and all(events[index - 2 : index] == ["wait", "clock"] for index in looks)


def test_looks_are_taken_at_first_often_and_at_the_last_step(digits, recipe):
    trainer = NetworkTrainer(recipe(), digits, seed=0, graded=True)
    for _ in range(2):
        trainer.train_epoch()
    assert [look.step for look in trainer.looks] == [1, 2, 4, 6]

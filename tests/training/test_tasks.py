"""Tasks of one's own: rows with labels, grids that are no squares, and losses that learn."""

import dataclasses
from typing import ClassVar

import pytest
import torch
from torch import nn

import petri
from petri.errors import BadRequest
from petri.training.recipe import OWN, GuardUse, Phase, PoolUse, Recipe
from petri.training.trainer import Return, Trainer

CPU = torch.device("cpu")
SPEC = petri.Spec.of(channels=5, fixed=2, perception="sobel", hidden=16, layers=2, start={"kind": "noise"})


class Labelled(petri.Task):
    """Show the label that a row has, whatever the fixed planes say."""

    weights: ClassVar = {"off": 1.0, "watched": 0.0}

    def begin(self, count, chance, device):
        rows = super().begin(count, chance, device)
        rows["state"][:, self.spec.channels :] = torch.rand(count, 2, *self.grid, generator=chance)
        return rows | {"label": torch.randint(10, (count,), generator=chance)}

    def losses(self, looks, rows):
        off = (looks[-1][:, 0] - rows["label"][:, None, None] / 10).square().mean(dim=(1, 2))
        return {"off": off, "watched": looks[-1].abs().mean(dim=(1, 2, 3))}


class Judged(Labelled):
    """A tiny critic learns to tell what has grown from noise, and is one of the losses."""

    weights: ClassVar = {"off": 1.0, "critic": 0.1}

    def __init__(self, *args):
        super().__init__(*args)
        self.critic = nn.Linear(5, 1)
        with torch.no_grad():
            self.critic.weight.fill_(0.1)
            self.critic.bias.zero_()
        self.adam = torch.optim.Adam(self.critic.parameters(), lr=1e-2)
        for parameter in self.critic.parameters():
            zero = torch.zeros_like(parameter)
            self.adam.state[parameter] = {
                "step": torch.zeros(()),
                "exp_avg": zero,
                "exp_avg_sq": zero.clone(),
            }

    def score(self, state):
        return self.critic(state[:, :5].mean(dim=(2, 3)))[:, 0]

    def losses(self, looks, rows):
        return super().losses(looks, rows) | {"critic": nn.functional.softplus(-self.score(looks[-1]))}

    def learn(self, looks, rows):
        self.adam.zero_grad()
        real, grown = self.score(torch.rand_like(looks[-1]) * 0 + 0.5), self.score(looks[-1])
        (nn.functional.softplus(-real) + nn.functional.softplus(grown)).mean().backward()
        self.adam.step()

    def learned(self):
        named = dict(self.critic.named_parameters())
        moments = {
            f"{key}.{name}": self.adam.state[parameter][key]
            for name, parameter in named.items()
            for key in ("step", "exp_avg", "exp_avg_sq")
        }
        return named | moments


def trainer(kind, **fields):
    recipe = Recipe(
        target="own",
        name="own",
        task=OWN,
        spec=SPEC,
        phases=(Phase(res=(10, 14), epochs=40, batch=3, steps=(2, 4)),),
        pool=PoolUse(size=6, damage=1),
        hold=0,
        **fields,
    )
    return Trainer(recipe, kind(SPEC, (10, 14)), CPU)


def test_rows_keep_their_labels_and_their_fixed_planes():
    learner = trainer(Labelled)
    assert learner.pool.states.shape == (6, 7, 10, 14) and learner.pool.rows["label"].dtype == torch.int64
    before = {name: values.clone() for name, values in learner.pool.rows.items()}
    for _ in range(3):
        learner.train_epoch()
    stayed = learner.pool.rows["label"] == before["label"]
    planes = learner.pool.states[:, 5:] == before["state"][:, 5:]
    assert torch.equal(
        planes.flatten(1).all(1), stayed
    )  # damage and rollouts leave them; fresh rows bring theirs
    changed = (learner.pool.states[:, :5] != before["state"][:, :5]).flatten(1).any(1)
    assert changed.sum() >= 3 and 0 < (~stayed).sum() < 6


def test_what_is_only_watched_has_no_gradient_but_a_column():
    learner = trainer(Labelled)
    epoch = learner.train_epoch()
    assert set(epoch.losses) == {"off", "watched"} and epoch.loss == epoch.losses["off"]


@pytest.mark.parametrize("done", [0, 1, 5])
def test_a_critic_goes_on_bit_for_bit(done):
    whole, first, second = (trainer(Judged, guard=GuardUse(good_every=2)) for _ in range(3))
    for _ in range(8):
        whole.train_epoch()
    for _ in range(done):
        first.train_epoch()
    second.restore({name: tensor.detach().clone() for name, tensor in first.tensors().items()}, done)
    for _ in range(8 - done):
        second.train_epoch()
    names = whole.tensors()
    assert {"task.weight", "task.exp_avg.weight", "good.task.bias"} <= set(names)
    for name, tensor in names.items():
        assert torch.equal(tensor, second.tensors()[name]), name
    assert not torch.equal(whole.task.critic.weight, Judged(SPEC, (10, 14)).critic.weight)


def test_a_return_takes_the_critic_back_too():
    learner = trainer(Judged, guard=GuardUse(good_every=2))
    for _ in range(4):
        learner.train_epoch()
    good = {name: tensor.clone() for name, tensor in learner.guard.good.items()}
    learner.weights["rule.weights.0"].data[0, 0] = float("nan")
    assert learner.train_epoch() == Return(2, "the loss was no longer finite")
    assert torch.equal(learner.task.critic.weight, good["task.weight"])


def test_a_task_of_ones_own_has_no_recipe_file():
    recipe = trainer(Labelled).recipe
    with pytest.raises(BadRequest, match="task must be one of grow, got 'own'"):
        Recipe.from_toml(recipe.to_toml())


def test_the_same_seed_trains_the_same_bits():
    def train(seed):
        return petri.train(Labelled(SPEC, (10, 14)), epochs=4, steps=(2, 3), batch=2, pool=4, seed=seed)

    one, same, other = (train(seed).rule.weights[0] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_pictures_must_fit_the_spec():
    with pytest.raises(BadRequest, match=r"must be \[3, height, width\], got \[4, 8, 8\]"):
        petri.Growing(SPEC, torch.zeros(4, 8, 8))
    figure = dataclasses.replace(SPEC, living=True)
    assert petri.Growing(figure, torch.zeros(4, 8, 9)).grid == (8, 9)

"""Tasks of one's own: rows with labels, grids that are no squares, and losses that learn."""

import dataclasses
import re
from typing import ClassVar

import pytest
import torch
from torch import nn

import petri
from petri.errors import BadRequest
from petri.training import loop
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

    weights: ClassVar = {"off": 1.0, "watched": 0.0, "critic": 0.1}

    def __init__(self, *args):
        super().__init__(*args)
        self.critic = petri.Learner(nn.Linear(5, 1), lr=1e-2)
        with torch.no_grad():
            self.critic.module.weight.fill_(0.1)
            self.critic.module.bias.zero_()

    def score(self, state):
        return self.critic(state[:, :5].mean(dim=(2, 3)))[:, 0]

    def losses(self, looks, rows):
        return super().losses(looks, rows) | {"critic": nn.functional.softplus(-self.score(looks[-1]))}

    def learn(self, looks, rows):
        real, grown = self.score(torch.full_like(looks[-1], 0.5)), self.score(looks[-1])
        self.critic.step((nn.functional.softplus(-real) + nn.functional.softplus(grown)).mean())

    def learned(self):
        return self.critic.tensors()


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
    assert not torch.equal(whole.task.critic.module.weight, Judged(SPEC, (10, 14)).critic.module.weight)


def test_a_return_takes_the_critic_back_too():
    learner = trainer(Judged, guard=GuardUse(good_every=2))
    for _ in range(4):
        learner.train_epoch()
    good = {name: tensor.clone() for name, tensor in learner.guard.good.items()}
    learner.weights["rule.weights.0"].data[0, 0] = float("nan")
    assert learner.train_epoch() == Return(2, "the loss was no longer finite")
    assert torch.equal(learner.task.critic.module.weight, good["task.weight"])


def test_a_task_of_ones_own_has_no_recipe_file():
    recipe = trainer(Labelled).recipe
    with pytest.raises(BadRequest, match=r"task must be one of grow, .* got 'own'"):
        Recipe.from_toml(recipe.to_toml())


def test_the_same_seed_trains_the_same_bits():
    def train(seed):
        return petri.train(Labelled(SPEC, (10, 14)), epochs=4, steps=(2, 3), batch=2, pool=4, seed=seed)

    one, same, other = (train(seed).automaton.rule.weights[0] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_pictures_must_fit_the_spec():
    with pytest.raises(BadRequest, match=r"must be \[3, height, width\], got \[4, 8, 8\]"):
        petri.Growing(SPEC, torch.zeros(4, 8, 8))
    figure = dataclasses.replace(SPEC, living=True, fixed=0)
    assert petri.Growing(figure, torch.zeros(4, 8, 9)).grid == (8, 9)
    with pytest.raises(BadRequest, match=r"floating point numbers in 0\.\.1"):
        petri.Growing(figure, torch.full((4, 8, 9), 255.0))
    with pytest.raises(BadRequest, match="gives no fixed planes, the Spec has 2"):
        petri.Growing(SPEC, torch.zeros(3, 8, 8))


SLIPS = [
    ({"losses": lambda self, looks, rows: {"of": 0}}, "Slip.losses gives of, but Slip.weights has error"),
    (
        {"losses": lambda self, looks, rows: {"error": looks[-1].mean()}},
        "one value a sample: 'error' of one is []",
    ),
    ({"weights": {"error": 0.0}}, "Slip.weights must have one that is not 0"),
    ({"begin": lambda self, *_: {"label": torch.zeros(2)}}, "Slip.begin must give rows with a 'state'"),
    ({"begin": lambda self, n, *_: {"state": torch.zeros(n, 7, 3, 3)}}, "states of (7, 8, 8), got (7, 3, 3)"),
]


@pytest.mark.parametrize(("parts", "said"), SLIPS, ids=[said for _, said in SLIPS])
def test_a_slip_of_a_task_is_named(parts, said):
    fine = {"losses": lambda self, looks, rows: {"error": looks[-1].square().mean(dim=(1, 2, 3))}}
    task = type("Slip", (petri.Task,), fine | parts)(SPEC, 8)
    with pytest.raises(BadRequest, match=re.escape(said)):
        petri.train(task, epochs=1, steps=(1, 1), batch=1, pool=1)


def test_what_is_trained_is_a_model_that_can_be_saved(tmp_path):
    model = petri.train(Labelled(SPEC, (10, 14)), epochs=1, steps=(2, 3), batch=1, pool=1)
    assert (model.grid, model.res, model.steps) == ((10, 14), 14, 3)
    petri.save(tmp_path / "mine.safetensors", model)
    again = petri.load(tmp_path / "mine.safetensors")
    assert again.spec == SPEC and again.grid == (10, 14)
    assert again.seed_state(fixed=torch.zeros(2, 10, 14)).shape == (1, 7, 10, 14)
    with pytest.raises(BadRequest, match="the model to start from is"):
        other = petri.Automaton(dataclasses.replace(SPEC, channels=6))
        petri.train(Labelled(SPEC, 8), epochs=1, batch=1, pool=1, automaton=other)


def test_a_task_in_the_dict_has_recipes_and_a_run(tmp_path, monkeypatch):
    monkeypatch.setitem(petri.TASKS, "labelled", Labelled)
    recipe = Recipe(
        target="labels",
        name="labels",
        task="labelled",
        spec=SPEC,
        phases=(Phase(res=(10, 14), epochs=3, batch=2, steps=(2, 3)),),
        pool=PoolUse(size=4),
        hold=0,
    )
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    run, learner = loop.start(recipe, tmp_path, "it", CPU)
    result = loop.train(run, learner, Silent())
    assert result.finished and result.outcome.stands
    assert (
        (tmp_path / "it" / "metrics.csv")
        .read_text()
        .splitlines()[0]
        .startswith("epoch,loss,off,watched,learning")
    )
    assert petri.load(tmp_path / "it").grid == (10, 14)


class Silent:
    """Nobody watches."""

    def progress(self, progress):
        pass

    def note(self, text):
        pass

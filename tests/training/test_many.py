"""One rule of several targets: its rows, its recipe, its runs."""

import dataclasses

import pytest
import torch
from PIL import Image

import petri
from petri import modelfile, targets, tasks
from petri.damage import random_damage
from petri.errors import BadRequest
from petri.losses import pattern_loss
from petri.losses.perceptual import PerceptualLoss
from petri.nca import Spec, seed_state, under
from petri.targets import several
from petri.tasks.many import GrowingMany
from petri.training import loop
from petri.training.presets import MUTATION, make_recipe, quick_figure
from petri.training.recipe import Recipe
from petri.training.trainer import Trainer

CPU = torch.device("cpu")
LIZARD, FLY, FISH = "emoji:🦎", "emoji:🦋", "emoji:🐠"


def recipe_of(*names, res=16, settings=(), **options):
    drawn = several.load(names, res)
    settings = ("patience=0", "spec.rule.hidden=16", *settings)
    return make_recipe(drawn, drawn.name, res=res, settings=settings, **options)


def trainer_of(*names, **options):
    recipe = recipe_of(*names, **options)
    return Trainer(recipe, tasks.make(recipe), CPU)


class Silent:
    def progress(self, progress):
        pass

    def note(self, text):
        pass


def test_a_condition_is_one_plane_of_ones():
    spec = Spec.of(channels=5, fixed=3, hidden=16)
    state = seed_state(spec, 4, 6, batch=2, condition=1)
    assert state.shape == (2, 8, 4, 6)
    assert torch.equal(state[:, 5:], torch.tensor([0.0, 1, 0])[None, :, None, None].expand(2, 3, 4, 6))
    changed = under(torch.rand(2, 8, 4, 6), spec, torch.tensor([2, 0]))
    assert changed[:, 5:].sum(dim=(2, 3)).tolist() == [[0, 0, 24], [24, 0, 0]]
    for wrong in (-1, 3, torch.tensor([0, 3])):
        with pytest.raises(BadRequest, match="one of the Spec's 3 fixed planes"):
            under(state, spec, wrong)
    with pytest.raises(BadRequest, match="one of the Spec's 0 fixed planes"):
        seed_state(Spec.of(hidden=16), 4, 6, condition=0)


def test_every_target_has_as_many_rows_and_each_row_its_planes():
    task = tasks.make(recipe_of(LIZARD, FLY, FISH))
    rows = task.begin(9, torch.Generator().manual_seed(3), CPU)
    assert rows["condition"].bincount().tolist() == [3, 3, 3]
    assert torch.equal(rows["state"][:, 16:].mean(dim=(2, 3)), torch.eye(3)[rows["condition"]])
    alone = [int(task.begin(1, torch.Generator().manual_seed(seed), CPU)["condition"]) for seed in range(60)]
    assert set(alone) == {0, 1, 2}
    assert torch.equal(task.aim(rows), task.target[rows["condition"]])


def test_mutation_asks_for_another_target_and_leaves_the_rest_of_the_state():
    task = tasks.make(recipe_of(LIZARD, FLY, FISH))
    rows = task.begin(300, torch.Generator().manual_seed(3), CPU)
    rows["state"][:, :16] = torch.rand(300, 16, 16, 16)
    asked = task.mutate(rows, torch.Generator().manual_seed(4))
    assert (asked["condition"] != rows["condition"]).all()
    assert torch.equal(asked["state"][:, :16], rows["state"][:, :16])
    assert torch.equal(asked["state"][:, 16:].mean(dim=(2, 3)), torch.eye(3)[asked["condition"]])
    pairs = torch.stack([rows["condition"], asked["condition"]]).T.unique(dim=0, return_counts=True)
    assert len(pairs[0]) == 6 and pairs[1].min() > 30  # each into each other one, about as often


def test_each_row_is_held_against_its_own_target():
    recipe = recipe_of(LIZARD, FLY, settings=["loss.perceptual=0.1"])
    task = tasks.make(recipe)
    rows = task.begin(2, torch.Generator().manual_seed(0), CPU)
    looks = [torch.rand(2, 18, 16, 16) for _ in range(2)]
    found = task.losses(looks, rows)
    for row, condition in enumerate(rows["condition"]):
        target = torch.from_numpy(targets.load((LIZARD, FLY)[condition], 16).pixels)
        one = looks[0][row : row + 1]
        assert found["pattern"][row] == pattern_loss(one, target)[0]
        assert found["stability"][row] == pattern_loss(looks[1][row : row + 1], target)[0]
        assert found["perceptual"][row] == pytest.approx(PerceptualLoss(target)(one[:, :4])[0].item(), 1e-4)


def test_the_share_that_mutates_is_not_hurt_and_gets_all_steps(monkeypatch):
    changed, hurt = [], []
    trainer = trainer_of(
        LIZARD, FLY, settings=["pool.mutation=0.4", "pool.damage=3", "phases.batch=8", "pool.damage_every=1"]
    )
    # A batch of the pool's, every second; 3 of 8 would be hurt.
    before = trainer.task.mutate

    def mutate(rows, chance):
        changed.append((trainer.epoch, len(rows["state"])))
        return before(rows, chance)

    def damage(states, *args, **how):
        hurt.append((trainer.epoch, len(states)))
        return random_damage(states, *args, **how)

    monkeypatch.setattr(trainer.task, "mutate", mutate)
    monkeypatch.setattr("petri.tasks.task.random_damage", damage)
    steps = []
    draw = trainer._draw_steps
    monkeypatch.setattr(
        trainer, "_draw_steps", lambda **how: steps.append(how["hurt"]) or min(4, draw(**how))
    )
    for _ in range(12):
        trainer.train_epoch()
    assert all(epoch % 2 for epoch, _ in changed + hurt)  # never a batch of seeds
    assert 10 < sum(count for _, count in changed) < 28  # of 48, 19 in the mean
    for epoch, count in changed:
        assert dict(hurt).get(epoch, 0) == min(3, 8 - count)
    assert steps == [False, True] * 6


def test_what_was_mutated_goes_back_into_the_pool_as_what_it_is_asked_for():
    trainer = trainer_of(LIZARD, FLY, settings=["pool.mutation=1.0", "pool.size=1", "pool.rivals=0"])
    seen = []
    for _ in range(8):
        trainer.train_epoch()
        rows = trainer.pool.rows
        assert torch.equal(rows["state"][0, 16:, 3, 5], torch.eye(2)[rows["condition"][0]])
        seen.append(int(rows["condition"]))
    assert all(seen[at] != seen[at - 1] for at in (3, 5, 7))  # batches of the pool: each is another one


def test_the_recipe_gives_each_target_what_one_gets(tmp_path):
    one = quick_figure(targets.load(LIZARD, 32))
    recipe = recipe_of(LIZARD, FLY, FISH, res=32)
    assert recipe.epochs == 3 * one["phases"][0]["epochs"]
    assert (recipe.pool.size, recipe.pool.rivals) == (3 * one["pool"]["size"], 3 * one["pool"]["rivals"])
    assert (recipe.task, recipe.pool.mutation, recipe.spec.fixed) == ("many", MUTATION, 3)
    assert recipe.targets == (LIZARD, FLY, FISH) and recipe.name == "🦎 🦋 🐠" == recipe.target
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    planes = recipe_of("spiral", "circle", res=64)
    assert [phase.epochs for phase in planes.phases] == [
        2 * phase.epochs for phase in make_recipe(targets.load("spiral", 64), "spiral", res=64).phases
    ]


def test_a_recipe_of_several_can_be_taken_for_others_and_for_one():
    file = recipe_of(LIZARD, FLY, settings=["pool.damage=1"]).to_fields()
    others = recipe_of(FISH, LIZARD, FLY, file=file)
    assert (others.spec.fixed, others.targets, others.pool.damage) == (3, (FISH, LIZARD, FLY), 1)
    one = make_recipe(targets.load(FISH, 16), FISH, res=16, file=file)
    assert (one.task, one.targets, one.spec.fixed, one.pool.mutation) == ("grow", (), 0, 0.0)
    back = recipe_of(LIZARD, FLY, file=one.to_fields())
    assert (back.task, back.spec.fixed, back.pool.mutation) == ("many", 2, 0.25)


def test_each_of_more_or_fewer_targets_has_as_much_as_each_had():
    def of(recipe):
        return [phase.epochs for phase in recipe.phases], recipe.pool.size, recipe.pool.rivals

    file = recipe_of(LIZARD, FLY, settings=["pool.size=10", "pool.rivals=6"], epochs=40).to_fields()
    assert of(recipe_of(FISH, LIZARD, FLY, file=file)) == ([60], 15, 9)
    assert of(make_recipe(targets.load(FISH, 16), FISH, res=16, file=file)) == ([20], 5, 3)
    assert of(recipe_of(FISH, LIZARD, file=file)) == ([40], 10, 6)
    part = {"pool": {"size": 10}, "phases": file["phases"]}  # names no target, so it is meant as it stands
    assert of(recipe_of(FISH, LIZARD, FLY, file=part))[:2] == ([40], 10)


def test_all_begin_in_a_cell_that_all_have():
    drawn = several.load([LIZARD, FLY, "emoji:🐙"], 32)
    x, y = (int(32 * place) for place in drawn.seed)
    assert all(target.pixels[3, y, x] > 0.5 for target in drawn.drawn)


def test_labels_are_short_and_differ():
    names = (LIZARD, "text:Hi there", "spiral", "logo", "art/logo.png", "b/waves.glsl@2.5", "text:logo")
    labels = ("🦎", "Hi there", "spiral", "logo", "logo-2", "waves@2.5", "logo-3")
    assert several.labels(names) == labels


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([LIZARD], "one rule can grow 2 to 32 targets, got 1"),
        ([LIZARD] * 33, "one rule can grow 2 to 32 targets, got 33"),
        ([LIZARD, FLY, LIZARD], "emoji:🦎 is asked for twice: give each target once"),
        (["emoji:❄", "emoji:❄\ufe0f"], r"asked for twice \(as emoji:❄\ufe0f too\)"),
        ([LIZARD, "spiral"], "emoji:🦎 is a figure on an empty ground and spiral fills its plane"),
        ([LIZARD, "spirl"], "did you mean"),
    ],
)
def test_targets_that_cannot_be_together_are_refused(names, said):
    with pytest.raises(BadRequest, match=said):
        several.load(names, 16)


def test_recipes_that_contradict_themselves_are_refused():
    recipe = recipe_of(LIZARD, FLY)
    one = make_recipe(targets.load(LIZARD, 16), LIZARD, res=16)
    for made, fields, said in (
        (recipe, {"targets": (LIZARD,)}, "2 to 32 targets, got 1"),
        (recipe, {"targets": (LIZARD, LIZARD)}, "asked for twice"),
        (recipe, {"targets": (LIZARD, FLY, FISH)}, "spec.fixed must be 3, got 2"),
        (recipe, {"targets": "🦎🦋"}, "targets must be a list"),
        (one, {"targets": (LIZARD, FLY)}, "the task grow has one target, got 2"),
        (
            one,
            {"pool": dataclasses.replace(one.pool, mutation=0.5)},
            "pool.mutation is for a rule of several",
        ),
    ):
        with pytest.raises(BadRequest, match=said):
            dataclasses.replace(made, **fields)
    spec = Spec.of(fixed=2, hidden=16)
    for pictures, said in (
        (torch.zeros(3, 3, 8, 8), r"must be \[2, seen, height, width\], one a condition and all of one size"),
        (torch.zeros(3, 8, 8), "must be"),
        (torch.zeros(2, 4, 8, 8), "must be"),
    ):
        with pytest.raises(BadRequest, match=said):
            GrowingMany(spec, pictures, ("a", "b"))
    with pytest.raises(BadRequest, match="has as many fixed planes, the Spec 2"):
        GrowingMany(spec, torch.zeros(3, 3, 8, 8), ("a", "b", "c"))


@pytest.mark.parametrize("done", [0, 1, 5])
def test_it_goes_on_bit_for_bit(tmp_path, done):
    settings = ["pool.mutation=0.5", "pool.damage=1", "pool.damage_every=1"]
    whole, first = (trainer_of(LIZARD, FLY, settings=settings) for _ in range(2))
    for _ in range(9):
        whole.train_epoch()
    for _ in range(done):
        first.train_epoch()
    recipe = first.recipe
    second = Trainer(recipe, tasks.make(recipe, blank=True), CPU)
    second.restore({name: tensor.detach().clone() for name, tensor in first.tensors().items()}, done)
    for _ in range(9 - done):
        second.train_epoch()
    names = whole.tensors()
    assert {"pool.rows.condition", "target.16"} <= set(names)
    for name, tensor in names.items():
        assert torch.equal(tensor, second.tensors()[name]), name


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two figures, stopped in the middle and gone on with."""
    settings = ["pool.damage=1", "phases.steps=[12, 16]", "phases.again=[4, 8]"]
    recipe = recipe_of(LIZARD, FLY, epochs=40, settings=settings)
    parent = tmp_path_factory.mktemp("runs")
    run, trainer = loop.start(recipe, parent, "two", CPU)
    stopped = loop.train(run, trainer, Silent(), stop=lambda: trainer.epoch >= 20)
    assert not stopped.finished
    run, trainer, seconds = loop.resume(parent / "two", CPU)
    assert trainer.epoch == 20
    loop.train(run, trainer, Silent(), seconds=seconds)
    return parent / "two"


def test_a_run_leaves_pictures_of_all_and_a_model_that_knows_its_conditions(run_folder):
    model = petri.load(run_folder)
    assert model.conditions == ("🦎", "🦋") and model.task == "many" and model.target == "🦎 🦋"
    assert model.targets == (LIZARD, FLY)
    assert [one["condition"] for one in model.training["each"]] == ["🦎", "🦋"]
    assert {look["seeds"] for one in model.training["each"] for look in one["looks"]} == {16}
    assert set(model.training["files"]) >= {"grown.png", "growth.webp", "changes.webp", "target.png"}
    assert Image.open(run_folder / "target.png").size == (32, 16)
    grown, growth = Image.open(run_folder / "grown.png"), Image.open(run_folder / "growth.webp")
    assert grown.size == growth.size and grown.width == 2 * grown.height
    changes = Image.open(run_folder / "changes.webp")
    assert changes.width == changes.height and changes.n_frames > 2 * growth.n_frames
    metrics = (run_folder / "metrics.csv").read_text().splitlines()
    assert len(metrics) == 41
    assert Recipe.from_toml((run_folder / "recipe.toml").read_text()).targets == (LIZARD, FLY)


def test_a_model_of_several_starts_from_any_of_them(run_folder, tmp_path):
    model = petri.load(run_folder)
    assert torch.equal(model.seed_state(), model.automaton.seed_state(16, condition=0))
    for asked in ("🦋", "emoji:🦋", 1):
        assert torch.equal(model.seed_state(condition=asked), model.automaton.seed_state(16, condition=1))
    planes = torch.full((2, 16, 16), 0.5)
    assert torch.equal(model.seed_state(fixed=planes)[0, 16:], planes)
    assert torch.equal(model.grown(), model.grown("🦎")) and not torch.equal(model.grown(), model.grown("🦋"))
    for asked in ("🐠", 2, -1):
        with pytest.raises(BadRequest, match=r"there is no condition .*; there are 🦎, 🦋"):
            model.seed_state(condition=asked)
    with pytest.raises(BadRequest, match="is one target and knows no conditions"):
        petri.load("circle").condition("🦋")
    petri.save(tmp_path / "a.safetensors", model)
    assert petri.load(tmp_path / "a.safetensors").conditions == model.conditions


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (("a",), "a condition for each of the Spec's 2 fixed planes, got 1"),
        (("a", "a"), "conditions must differ"),
        (("a", "\x1b"), "control characters"),
        (("a", 3), "each of the conditions must be a text"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(run_folder, conditions, said):
    model = petri.load(run_folder)
    with pytest.raises(BadRequest, match=said):
        modelfile.Model(automaton=model.automaton, target="a", conditions=conditions)


def test_a_program_trains_several_of_its_own():
    spec = Spec.of(channels=6, fixed=2, perception="sobel", hidden=16, layers=2)
    pictures = torch.stack([torch.zeros(3, 8, 10), torch.ones(3, 8, 10)])
    task = GrowingMany(spec, pictures, ("black", "white"), hold=2, steps=(6,))
    model = petri.train(task, epochs=60, steps=(4, 6), batch=4, pool=8, mutation=0.25)
    assert model.conditions == ("black", "white")
    means = [model.rollout(model.seed_state(condition=one), 6)[0, :3].mean() for one in model.conditions]
    assert means[1] > means[0] + 0.2

"""A figure lives or dies: a living mask lets a whole grid go out, and nothing trains what is gone."""

import dataclasses

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from petri import modelfile, tasks
from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.decoder import Lppn
from petri.nca.life import has_life
from petri.targets import load
from petri.training import loop, patience
from petri.training.presets import make_recipe
from petri.training.recipe import Phase, PoolUse, Recipe
from petri.training.runs import Run, has_finished
from petri.training.trainer import Trainer

CPU = torch.device("cpu")


class Silent:
    def __init__(self):
        self.notes, self.died = [], 0

    def note(self, text):
        self.notes.append(text)

    def progress(self, progress):
        self.died = progress.died


@pytest.fixture(scope="module")
def disc(tmp_path_factory):
    """A red disc with a white eye."""
    image = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(image)
    pen.ellipse((4, 4, 60, 60), fill=(220, 40, 60, 255))
    pen.ellipse((24, 14, 40, 30), fill=(255, 255, 255, 255))
    path = tmp_path_factory.mktemp("figure") / "disc.png"
    image.save(path)
    return path


def recipe_of(path, *, epochs, settings=(), **architecture):
    target = load(str(path), 16)
    return make_recipe(
        target,
        str(path),
        res=16,
        epochs=epochs,
        architecture={"hidden": 32, **architecture},
        settings=settings,
    )


def deadly(recipe):
    """An automaton of which every cell loses alpha at once."""
    automaton = Automaton(recipe.spec)
    with torch.no_grad():
        automaton.rule.biases[-1][3] = -5.0
    return automaton


def test_a_figure_comes_to_life_lasts_and_looks_like_itself(disc, tmp_path):
    # States grow old sooner in a small pool with few newcomers: so few epochs teach it to last.
    settings = ["pool.size=16", "pool.newcomer=12"]
    run, trainer = loop.start(recipe_of(disc, epochs=1500, settings=settings), tmp_path, None, CPU)
    result = loop.train(run, trainer, Silent())
    assert result.finished and result.outcome.stands
    assert list(result.outcome.looks) == [96, 1000]
    assert all(look.standing == look.seeds == 16 for look in result.outcome.looks.values())
    assert result.outcome.looks[96].worst > 18 and result.outcome.looks[1000].median > 12
    training = modelfile.read(run.path("model.safetensors")).training
    assert training["finished"] and [look["standing"] for look in training["looks"]] == [16, 16]


def test_a_figure_that_dies_is_reported_as_dead_and_its_results_are_kept(disc, tmp_path):
    recipe = recipe_of(disc, epochs=3, settings=["optimiser.learning_rate=1e-9"])
    dead = deadly(recipe)
    recipe = dataclasses.replace(recipe, weights=modelfile.digest(dead))
    model = modelfile.Model(automaton=dead, target="disc.png")
    watcher = Silent()
    run, trainer = loop.start(recipe, tmp_path, None, CPU, model=model)
    result = loop.train(run, trainer, watcher)
    assert result.finished and not result.outcome.stands
    assert [look.standing for look in result.outcome.looks.values()] == [0, 0]
    assert all(run.path(name).is_file() for name in result.files)
    assert watcher.died == 3
    assert run.column("died") == [1.0, 1.0, 1.0]


def test_what_died_is_replaced_by_the_seed_in_the_pool(disc):
    recipe = recipe_of(disc, epochs=8)
    trainer = Trainer(recipe, tasks.make(recipe), CPU, weights=deadly(recipe))
    trainer.pool.states[:] = 0.5
    epochs = [trainer.train_epoch() for _ in range(2)]  # one from the seed, one from the pool
    assert [float(epoch.died) for epoch in epochs] == [1.0, 1.0]
    changed = [state for state in trainer.pool.states if not (state == 0.5).all()]
    assert 1 <= len(changed) <= 2
    assert all(torch.equal(state, trainer.automaton.seed_state(*trainer.phase.grid)[0]) for state in changed)


def test_a_run_whose_rollouts_die_goes_on_with_half_the_rate_a_few_times_and_says_so(disc):
    settings = ["optimiser.learning_rate=1e-9", "optimiser.warm_up=0"]
    recipe = recipe_of(disc, epochs=4000, settings=settings)
    trainer = Trainer(recipe, tasks.make(recipe), CPU, weights=deadly(recipe))
    epochs = [trainer.train_epoch() for _ in range(160)]
    assert [epoch.number for epoch in epochs if epoch.note] == [36, 72, 108]
    assert {epoch.note for epoch in epochs if epoch.note} == {
        "nearly a third of what grew of late has died: on with half the learning rate"
    }
    assert trainer.guard.slower == 0.125 and epochs[150].learning_rate == pytest.approx(0.125e-9, rel=0.01)


def test_a_plane_cannot_die():
    recipe = make_recipe(load("circle", 16), "circle", res=16, epochs=7, settings=["pool.size=4"])
    trainer = Trainer(recipe, tasks.make(recipe), CPU)
    assert float(trainer.train_epoch().died) == 0.0


def test_seeds_and_the_pool_have_turns_of_their_own_length():
    phase = Phase(res=16, epochs=9, batch=2, steps=(40, 50), again=(5, 9), turns=3)
    assert [phase.seeds(epoch) for epoch in range(6)] == [2, 0, 0, 2, 0, 0]
    assert [phase.steps_of(epoch) for epoch in range(3)] == [(40, 50), (5, 9), (5, 9)]
    assert phase.steps_a_epoch == (45 + 7 + 7) / 3
    single = Phase(res=16, epochs=9, batch=1, steps=(40, 50))
    assert [single.seeds(epoch) for epoch in range(4)] == [1, 0, 1, 0]  # as in version 0.1
    mixed = Phase(res=16, epochs=9, batch=4, steps=(40, 50))
    assert [mixed.seeds(epoch) for epoch in range(3)] == [1, 1, 1]
    poolless = Phase(res=16, epochs=9, batch=2, steps=(40, 50), turns=1)
    assert [(poolless.seeds(epoch), poolless.hurt(epoch, 1)) for epoch in range(3)] == [(2, 0)] * 3
    assert poolless.steps_a_epoch == 45


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"turns": 1, "again": (3, 4)}, "again is for states of the pool that have turns of their own"),
        ({"batch": 2, "again": (3, 4)}, "again is for states of the pool that have turns of their own"),
        ({"again": (4, 3), "turns": 2}, "the most of again"),
    ],
)
def test_turns_that_make_no_sense_are_refused(fields, said):
    with pytest.raises(BadRequest, match=said):
        Phase(**{"res": 16, "epochs": 9, "batch": 1, "steps": (4, 8), **fields})


def test_a_finished_run_goes_on_for_more_epochs_with_its_pool(disc, tmp_path):
    run, trainer = loop.start(recipe_of(disc, epochs=20, settings=["patience=0"]), tmp_path, "run", CPU)
    loop.train(run, trainer, Silent())
    pool = trainer.pool.states.clone()
    with pytest.raises(BadRequest, match=r"is finished: 20 of 20 epochs; --epochs trains it further"):
        loop.resume(run.folder, CPU)
    run, trainer, _ = loop.resume(run.folder, CPU, more=10)
    assert trainer.epoch == 20 and trainer.recipe.epochs == 30
    assert torch.equal(trainer.pool.states, pool)
    trainer.train_epoch()
    assert trainer.number == 1 and (trainer.pool.states == pool).flatten(1).all(1).sum() >= len(pool) - 1
    result = loop.train(run, trainer, Silent())
    assert result.finished and result.epochs == 30
    assert Run.open(run.folder, lock=False).recipe.epochs == 30


def test_a_run_that_goes_on_and_is_stopped_there_ends_with_the_same_bits(disc, tmp_path):
    """Twenty epochs and ten more, once at a stretch and once with a stop between."""
    for name in ("whole", "stopped"):
        run, trainer = loop.start(recipe_of(disc, epochs=20, settings=["patience=0"]), tmp_path, name, CPU)
        loop.train(run, trainer, Silent())
    run, trainer, _ = loop.resume(tmp_path / "whole", CPU, more=10)
    loop.train(run, trainer, Silent())
    run, trainer, _ = loop.resume(tmp_path / "stopped", CPU, more=10)
    loop.train(run, trainer, Silent(), stop=lambda: trainer.epoch == 24)
    run, trainer, _ = loop.resume(tmp_path / "stopped", CPU)
    loop.train(run, trainer, Silent())
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_starts_from_a_model(disc, tmp_path):
    recipe = recipe_of(disc, epochs=2)
    model = modelfile.Model(automaton=Automaton(recipe.spec), target="another")
    recipe = loop.starting_from(recipe, model)
    assert recipe.weights == modelfile.digest(model.automaton) != ""
    trainer = loop.make_trainer(recipe, CPU, model=model)
    for name, weight in model.automaton.named_parameters():
        assert torch.equal(weight, trainer.weights[name])
    with pytest.raises(
        BadRequest, match=f"starts from a model whose weights are {recipe.weights}: give it by"
    ):
        loop.make_trainer(recipe, CPU)
    other = modelfile.Model(automaton=Automaton(recipe.spec), target="another")
    with pytest.raises(BadRequest, match="the one given is"):
        loop.make_trainer(recipe, CPU, model=other)
    narrow = recipe_of(disc, epochs=2, hidden=16)
    with pytest.raises(BadRequest, match="the model to start from has hidden = 32, the recipe 16"):
        loop.starting_from(narrow, model)
    painted = dataclasses.replace(recipe, spec=dataclasses.replace(recipe.spec, decoder=Lppn()))
    with pytest.raises(BadRequest, match="has no decoder, and a picture with --pixels needs one"):
        loop.starting_from(painted, model)


def test_a_run_stops_early_when_it_has_become_no_better_and_says_so(disc, tmp_path):
    settings = ["patience=0.3", "optimiser.learning_rate=1e-9"]
    watcher = Silent()
    run, trainer = loop.start(recipe_of(disc, epochs=100, settings=settings), tmp_path, "run", CPU)
    result = loop.train(run, trainer, watcher)
    assert result.finished and 30 < result.epochs < 80
    assert watcher.notes == [
        "stopped early: for 30 % of its epochs it has not become better (--resume with --epochs goes on)"
    ]
    training = modelfile.read(run.path("model.safetensors")).training
    assert has_finished(training, run.recipe)
    with pytest.raises(BadRequest, match="is finished"):
        loop.resume(run.folder, CPU)
    again, trainer, _ = loop.resume(run.folder, CPU, more=7)
    assert trainer.recipe.epochs == result.epochs + 7
    again.close()


def test_patience_counts_the_last_size_alone():
    phase = Phase(res=16, epochs=50, batch=1, steps=(4, 8))
    recipe = Recipe(
        target="circle",
        name="circle",
        spec=make_recipe(load("circle", 16), "circle", res=16).spec,
        phases=(phase, dataclasses.replace(phase, res=20)),
        patience=0.3,
    )
    worse = [(epoch, 0.6) for epoch in (62, 65, 68, 71)]
    assert not patience.exhausted(recipe, [(5, 0.1), (60, 0.5), *worse, (75, 0.6)])
    assert patience.exhausted(recipe, [(60, 0.5), *worse, (76, 0.6)])
    assert not patience.exhausted(recipe, [(60, 0.5), *worse, (76, 0.4)])
    assert not patience.exhausted(recipe, [(60, 0.5), *worse[1:], (76, 0.6)])
    never = dataclasses.replace(recipe, patience=0.0)
    assert not patience.exhausted(never, [(60, 0.5), *worse, (100, 0.6)])


def test_a_run_that_is_stopped_on_a_small_grid_is_measured_and_drawn_there(tmp_path):
    phases = [{"res": res, "epochs": 4, "batch": 1, "steps": [4, 8]} for res in (16, 24)]
    file = {"phases": phases, "spec": {"hidden": 16}, "pool": {"size": 4}, "hold": 3}
    recipe = make_recipe(load("circle", 24), "circle", res=24, file=file)
    run, trainer = loop.start(recipe, tmp_path, None, CPU)
    result = loop.train(run, trainer, Silent(), stop=lambda: trainer.epoch == 2)
    assert not result.finished and result.res == 16
    model = modelfile.read(run.path("model.safetensors"))
    assert model.res == 16 and model.training["recipe"]["phases"][-1]["epochs"] == 2
    assert Image.open(run.path("grown.png")).size == (256, 256)
    run, trainer, _ = loop.resume(run.folder, CPU)
    result = loop.train(run, trainer, Silent())
    assert result.finished and result.res == 24
    assert modelfile.read(run.path("model.safetensors")).res == 24


def test_a_rollout_that_dies_is_cut_short_where_it_still_lived(disc):
    recipe = recipe_of(disc, epochs=200, settings=["optimiser.learning_rate=1e-9", "optimiser.warm_up=0"])
    slow = deadly(recipe)
    with torch.no_grad():
        slow.rule.biases[-1][3] = -0.05  # the seed's alpha of 1 lasts for 18 steps that fire
    trainer = Trainer(recipe, tasks.make(recipe), CPU, weights=slow)
    taken, whole = [], trainer._roll

    def roll(state, steps, start, seed, first):
        taken.append((steps, seed))
        return whole(state, steps, start, seed, first)

    trainer._roll = roll
    epoch = trainer.train_epoch()
    assert float(epoch.died) == 1.0
    (planned, seed), (short, again) = [entry for entry in taken if entry[0]]
    assert planned == epoch.steps and again == seed and 18 <= short < planned
    with torch.no_grad():
        state = slow.seed_state(*recipe.phases[0].grid)
        ends = [slow.rollout(state, steps, seed=seed, precision="auto") for steps in (short, short + 1)]
    assert [bool(has_life(end)) for end in ends] == [True, False]
    gradient = trainer.weights["rule.biases.1"].grad
    assert gradient[3] < 0  # more alpha


def test_damage_spares_every_second_batch_of_the_pool_where_it_is_asked_to():
    turns = Phase(res=16, epochs=9, batch=1, steps=(4, 8), again=(2, 3), turns=2)
    assert [turns.hurt(epoch, 2) for epoch in range(8)] == [0, 1, 0, 0, 0, 1, 0, 0]
    assert [turns.hurt(epoch, 1) for epoch in range(4)] == [0, 1, 0, 1]
    mixed = Phase(res=16, epochs=9, batch=4, steps=(4, 8))
    assert [mixed.hurt(epoch, 1) for epoch in range(3)] == [3, 3, 3]
    assert [mixed.hurt(epoch, 2) for epoch in range(3)] == [3, 0, 3]


def test_circles_widen_over_a_share_of_the_phase(monkeypatch):
    use = PoolUse(damage=1, damage_radii=(0.1, 0.6), damage_widens=0.5)
    assert [use.radii_after(share) for share in (0.0, 0.25, 0.5, 1.0)] == [
        (0.1, pytest.approx(most)) for most in (0.1, 0.35, 0.6, 0.6)
    ]
    assert PoolUse(damage=1).radii_after(0.0) == (0.1, 0.4)  # from the beginning
    cut = []

    def recording(state, generator, *, radii, half_planes):
        cut.append(radii)
        return state

    monkeypatch.setattr("petri.tasks.task.random_damage", recording)
    phase = Phase(res=16, epochs=4, batch=2, steps=(1, 1))
    recipe = Recipe(target="circle", name="circle", spec=Spec(), phases=(phase,), pool=use)
    learner = Trainer(recipe, tasks.Growing.of(recipe), CPU)
    for _ in range(4):
        learner.train_epoch()
    assert cut == [use.radii_after(share) for share in (0.0, 0.25, 0.5, 0.75)]

"""Weaving textures: recipes, a training that can be cut short, and what a texture cannot be."""

import numpy as np
import pytest
import torch
from PIL import Image

import petri
from petri import tasks
from petri.errors import BadRequest
from petri.losses import overflow_loss
from petri.nca import show
from petri.tasks import Weaving, WeavingMany
from petri.tasks.texture import TextureTerms
from petri.training.recipe import Phase, Recipe
from petri.training.textures import make_texture_recipe
from petri.training.trainer import Trainer

CPU = torch.device("cpu")
SPEC = petri.Spec.of(
    perception="learned", hidden=16, layers=2, padding="wrap", start={"kind": "noise"}, colour_offset=0.5,
    clamp=None,
)  # fmt: skip
TINY = ("phases.steps=[4, 6]", "phases.turns=3", "pool.size=4", "spec.rule.hidden=16", "pool.damage_every=2")


def stripes(res=32):
    """Diagonal stripes of two colours."""
    y, x = torch.meshgrid(torch.arange(res), torch.arange(res), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin((x + y) * 2 * torch.pi / 8)
    return torch.stack([wave, 1 - wave, 0.5 * wave])


@pytest.fixture
def recipe(tmp_path):
    pixels = (stripes(48).permute(1, 2, 0) * 255).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "stripes.png")
    path = str(tmp_path / "stripes.png")
    return make_texture_recipe("stripes.png", [path], res=16, epochs=6, settings=TINY, cut={"scale": 1})


def test_a_recipe_is_the_same_after_it_was_written(recipe):
    assert recipe.task == "texture" and recipe.spec.space.padding == "wrap" and not recipe.spec.living
    assert recipe.loss == TextureTerms(scale=1.0, sizes=2) and recipe.hold == 0
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_the_preset_of_2021_has_its_settings(tmp_path):
    made = make_texture_recipe("a.png", ["a.png"], preset="distill", res=128)
    spec = made.spec
    assert (spec.channels, spec.rule.hidden, spec.features, spec.fire_rate) == (12, 96, 48, 0.5)
    assert spec.parameters == 5856 + 12  # that rule's second layer had no bias
    assert spec.clamp is None and spec.colour_offset == 0.5 and not spec.start_is_drawn
    assert [phase.epochs for phase in made.phases] == [1000, 1000, 3000]
    assert [phase.rate for phase in made.phases] == [1, 0.3, 0.09]
    assert {(phase.batch, phase.steps) for phase in made.phases} == {(4, (32, 96))}
    assert [made.phases[0].seeds(epoch) for epoch in range(9)] == [1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert made.pool.size == 256 and made.optimiser.learning_rate == 1e-3
    assert (made.loss.blocks, made.loss.sizes, made.loss.projections) == (5, 1, 32)


def test_a_run_goes_on_bit_for_bit(recipe):
    whole, first, second = (Trainer(recipe, tasks.make(recipe), CPU) for _ in range(3))
    for _ in range(6):
        whole.train_epoch()
    for _ in range(3):
        first.train_epoch()
    saved = {name: tensor.clone() for name, tensor in first.tensors().items()}
    second.restore(saved, 3)
    for _ in range(3):
        second.train_epoch()
    ends = whole.tensors(), second.tensors()
    assert ends[0].keys() == ends[1].keys() and {"exemplar", "directions"} <= ends[0].keys()
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name


def test_a_run_goes_on_without_its_picture(recipe, tmp_path):
    trainer = Trainer(recipe, tasks.make(recipe), CPU)
    saved = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    (tmp_path / "stripes.png").unlink()
    with pytest.raises(BadRequest, match="no such file"):
        tasks.make(recipe)
    again = Trainer(recipe, tasks.make(recipe, blank=True), CPU)
    again.restore(saved, 0)
    assert torch.equal(again.task.exemplar, trainer.task.exemplar)
    assert again.train_epoch().losses["style"] == trainer.train_epoch().losses["style"]


def test_the_losses_are_style_and_overflow():
    task = Weaving(SPEC, stripes(), TextureTerms(overflow=2.0))
    state = torch.full((2, 16, 32, 32), 1.5)
    state[0, :3] = stripes() - 0.5
    state[0, 3:] = 0
    found = task.losses([state], {})
    assert found["style"][0] < 1e-12 and found["style"][1] > 0.1
    assert torch.equal(found["overflow"], overflow_loss(state, bound=1.0))
    assert found["overflow"].tolist() == [0, 0.5] and task.weights == {"style": 1, "overflow": 2}


def test_directions_are_new_in_each_epoch_and_others_by_another_seed():
    state = torch.zeros(1, 16, 32, 32)
    one, other = Weaving(SPEC, stripes()), Weaving(SPEC, stripes(), seed=1)
    found = [one.losses([state], {})["style"].item() for _ in range(2)]
    assert len({*found, other.losses([state], {})["style"].item()}) == 3
    one.drawn.zero_()
    assert one.losses([state], {})["style"].item() == found[0]


def test_what_comes_from_noise_becomes_like_the_exemplar():
    losses = []
    petri.train(
        Weaving(SPEC, stripes()),
        epochs=24,
        steps=(8, 12),
        batch=1,
        pool=4,
        tell=lambda epoch: losses.append(epoch.losses["style"].item()),
    )
    assert sum(losses[-2:-10:-2]) / 4 < 0.5 * losses[0]  # of every second epoch the batch is fresh


def test_a_torus_has_no_seam(random_automaton):
    automaton = random_automaton(petri.Spec.of(**{**SPEC.to_fields(), "fire_rate": 1.0}), change=0.1)
    state = automaton.seed_state(20, 24)
    rolled = state.roll((7, -5), dims=(2, 3))
    with torch.no_grad():
        ends = [automaton.rollout(one, 12, engine="torch") for one in (state, rolled)]
    assert torch.allclose(ends[0].roll((7, -5), dims=(2, 3)), ends[1], atol=1e-5)
    assert show(ends[0], automaton.spec).std() > 0.01


@pytest.mark.parametrize(
    ("spec", "exemplar", "terms", "words"),
    [
        ({"living": True}, stripes(), {}, "no living mask and no fixed planes, got living = true"),
        ({"fixed": 1}, stripes(), {}, "fixed = 1"),
        ({}, stripes()[:2], {}, r"RGB \[3, height, width\]"),
        ({}, stripes(16), {"sizes": 6}, "need a grid of 256 cells a side, got 16×16"),
    ],
)
def test_what_no_texture_can_be_is_refused(spec, exemplar, terms, words):
    with pytest.raises(BadRequest, match=words):
        Weaving(petri.Spec.of(**{**SPEC.to_fields(), **spec}), exemplar, TextureTerms(**terms))


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", -1), ("crop", (0, 2)), ("crop", 1), ("blocks", 6), ("sizes", 0), ("projections", 0)],
)
def test_terms_out_of_range_are_named(field, value):
    with pytest.raises(BadRequest, match=f"loss.{field}"):
        TextureTerms(**{field: value})


def test_each_row_of_several_textures_is_held_against_its_own():
    spec = petri.Spec.of(**{**SPEC.to_fields(), "fixed": 2})
    both = torch.stack([stripes(), stripes().flip(2)])
    task = WeavingMany(spec, both, ("down", "up"))
    rows = task.begin(4, torch.Generator().manual_seed(0), CPU)
    assert sorted(rows["condition"].tolist()) == [0, 0, 1, 1]
    which = rows["condition"][:, None, None]
    assert torch.equal(rows["state"][:, 16], (which == 0).float().expand(4, 32, 32))
    state = rows["state"].clone()
    state[:, :3] = both[rows["condition"]] - 0.5
    state[0, :3] = both[1 - rows["condition"][0]] - 0.5
    apart = task.losses([state], rows)["style"]
    assert apart[0] > 0.01 and (apart[1:] < 1e-12).all()
    with pytest.raises(BadRequest, match="2 fixed planes, got living = false, fixed = 0"):
        WeavingMany(SPEC, both, ("down", "up"))
    with pytest.raises(BadRequest, match=r"\[2, 3, height, width\]"):
        WeavingMany(spec, both[:1], ("down", "up"))


def test_fresh_rows_are_of_batches_with_turns():
    phase = Phase(res=16, epochs=9, batch=4, steps=(4, 8), turns=4, fresh=1)
    assert [phase.seeds(epoch) for epoch in range(5)] == [1, 0, 0, 0, 1]
    assert phase.hurt(0, 1) == 3
    for how in ({"fresh": 5, "turns": 4}, {"fresh": 1}):
        with pytest.raises(BadRequest, match="fresh"):
            Phase(res=16, epochs=9, batch=4, steps=(4, 8), **how)


def test_the_pool_is_wounded_but_never_what_is_fresh(recipe):
    trainer = Trainer(recipe, tasks.make(recipe), CPU)
    wounds = []
    damage = trainer._damage
    trainer._damage = lambda states: (wounds.append(trainer.epoch), damage(states))
    for _ in range(6):
        trainer.train_epoch()
    assert wounds and not {0, 3} & set(wounds)
    assert np.isfinite(trainer.pool.states.numpy()).all()

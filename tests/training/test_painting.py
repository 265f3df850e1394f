"""Growing a picture that a decoder paints."""

import io
import math

import pytest
import torch
from PIL import Image, ImageDraw

import petri
from petri import modelfile, targets, tasks
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.evaluation.painted import enlarged, shrunk
from petri.losses import seen_error
from petri.nca import Automaton, Spec
from petri.shaders import manifest
from petri.tasks import Growing, Painting
from petri.tasks.paint import PaintTerms
from petri.training import loop, optimiser
from petri.training.presets import make_recipe
from petri.training.recipe import Optimisation, Recipe
from petri.training.trainer import Trainer

CPU = torch.device("cpu")
SMALL = ("phases.steps=[4,6]", "phases.again=[2,3]", "pool.size=8", "pool.rivals=4", "loss.lines=16")


@pytest.fixture
def logo(tmp_path):
    """A disc with a bar through it, of 200 pixels."""
    picture = Image.new("RGBA", (200, 200))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((4, 4, 195, 195), fill=(220, 60, 30, 255))
    pen.rectangle((20, 92, 180, 107), fill=(255, 255, 255, 255))
    path = tmp_path / "disc.png"
    picture.save(path)
    return str(path)


@pytest.fixture
def recipe(logo):
    def make(*settings, pixels=64, epochs=6):
        return make_recipe(
            targets.load(logo, 16), logo, res=16, settings=[*SMALL, *settings], epochs=epochs, pixels=pixels
        )

    return make


class Silent:
    """An observer."""

    def note(self, text):
        pass

    def progress(self, progress):
        self.last = progress


def trained(trainer, epochs):
    for _ in range(epochs):
        trainer.train_epoch()
    return trainer


def test_the_recipe_paints_and_counts_the_decoders_weights(recipe):
    made = recipe()
    assert (made.task, made.loss.pixels, made.res) == ("paint", 64, 16)
    without = Spec.from_fields(made.spec.to_fields() | {"decoder": None})
    assert made.spec.parameters - without.parameters == 20 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 4 + 4
    assert Recipe.from_toml(made.to_toml()) == made


def test_a_recipe_file_paints_again_and_at_another_size_if_asked_to(recipe, logo):
    made = recipe()
    again = {"res": 16, "file": made.to_fields()}
    assert make_recipe(targets.load(logo, 16), logo, **again) == made
    other = make_recipe(targets.load("emoji:🦎", 16), "emoji:🦎", **again, pixels=128)
    assert (other.task, other.loss.pixels, other.loss.lines) == ("paint", 128, 16)
    assert other.spec.decoder == made.spec.decoder and other.name == "emoji:🦎"


def test_the_page_is_given_painted_values_and_a_painted_thumbnail(recipe):
    made = recipe(pixels=512)
    automaton = Automaton(made.spec, generator=torch.Generator().manual_seed(1))
    model = modelfile.Model(automaton=automaton, target="logo", training={"recipe": made.to_fields()})
    entry = manifest.entry(model, name="logo", file="logo.safetensors")
    assert (entry["obstacle"], entry["film"]) == (None, None)
    assert entry["golden"]["painted"]["pixels"]
    assert Image.open(io.BytesIO(manifest.content(entry["thumbnail"]))).size == (96, 96)


def test_a_row_of_each_strip_is_looked_at_by_chance_that_can_be_had_again(recipe):
    task = tasks.make(recipe("loss.lines=16"))
    first, second = task.draw_lines(), task.draw_lines()
    for lines in (*first, *second):
        assert (lines // 4).tolist() == list(range(16))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], second[0])
    task.tensors()["lines"].fill_(1)  # as a checkpoint does
    assert all(torch.equal(one, other) for one, other in zip(task.draw_lines(), second, strict=True))


def test_what_is_painted_like_the_target_is_no_loss(recipe):
    """Of all its lines, by formulas of their own."""
    made = recipe("loss.lines=64", "loss.absolute=0.5")
    task, automaton = tasks.make(made), Automaton(made.spec, generator=torch.Generator().manual_seed(1))
    task.meet(automaton)
    state = torch.rand(2, 16, 16, 16, generator=torch.Generator().manual_seed(2))
    found = task.losses([state], {"state": state})
    off = automaton.view(state, 64) - task.target
    wanted = (off**2 + 0.5 * off.abs()).mean(dim=(1, 2, 3))
    torch.testing.assert_close(found["pattern"], wanted)
    # The cells' colours between them, by another implementation; beyond the grid is nothing.
    padded = torch.nn.functional.pad(state[:, :4], (1, 1, 1, 1))
    large = torch.nn.functional.interpolate(padded, scale_factor=4, mode="bilinear")[..., 4:-4, 4:-4]
    off = 2 * large - task.target
    torch.testing.assert_close(found["cells"], (off**2 + 0.5 * off.abs()).mean(dim=(1, 2, 3)))


def test_a_decoders_gradients_are_clipped_and_the_others_normalised(recipe):
    spec = recipe().spec
    automaton = Automaton(spec)
    step, decoder = optimiser.groups(automaton, Optimisation(decoder_rate=0.25, decoder_clip=0.5))
    assert {id(weight) for group in (step, decoder) for weight in group.weights} == {
        id(weight) for weight in automaton.parameters()
    }
    for weight in automaton.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.tame_gradients([step, decoder])
    for weight in step.weights:
        assert weight.grad.norm() == pytest.approx(1, rel=1e-4)
    assert math.hypot(*(weight.grad.norm().item() for weight in decoder.weights)) == pytest.approx(
        0.5, rel=1e-4
    )
    for weight in decoder.weights:
        weight.grad = torch.full_like(weight, 1e-4)
    optimiser.tame_gradients([decoder])  # what is small stays so
    assert all((weight.grad == 1e-4).all() for weight in decoder.weights)
    adam = optimiser.make([step, decoder], Optimisation())
    optimiser.set_rate(adam, [step, decoder], 0.1)
    assert [group["lr"] for group in adam.param_groups] == [0.1, 0.025]


def test_a_recipe_may_clip_the_gradients_of_a_step_together():
    automaton = Automaton(Spec.of())
    groups = optimiser.groups(automaton, Optimisation(clip=0.5))
    for value, norm in ((1.0, 0.5), (1e-5, 1e-5 * math.sqrt(sum(map(torch.numel, automaton.parameters()))))):
        for weight in automaton.parameters():
            weight.grad = torch.full_like(weight, value)
        optimiser.tame_gradients(groups)
        found = [weight.grad for weight in automaton.parameters()]
        assert torch.cat([one.flatten() for one in found]).norm() == pytest.approx(norm, rel=1e-4)
        assert all((one == found[0].flatten()[0]).all() for one in found)  # their proportions stay


def test_without_a_decoder_there_is_one_group_in_the_order_of_before():
    automaton = Automaton(Spec.of())
    (group,) = optimiser.groups(automaton, Optimisation())
    assert [id(weight) for weight in group.weights] == [id(weight) for weight in automaton.parameters()]


def test_a_resumed_run_goes_on_to_the_same_bits(recipe):
    made = recipe("pool.damage=1", epochs=8)
    whole = trained(Trainer(made, tasks.make(made), CPU, engine="torch"), 8)
    half = trained(Trainer(made, tasks.make(made), CPU, engine="torch"), 5)
    saved = {name: tensor.clone() for name, tensor in half.tensors().items()}
    resumed = Trainer(made, tasks.make(made, blank=True), CPU, engine="torch")
    resumed.restore(saved, 5)
    for name, tensor in trained(resumed, 3).tensors().items():
        assert torch.equal(tensor, whole.tensors()[name]), name


def test_a_tiny_training_paints_better_than_nothing_and_its_model_is_read_again(
    recipe, tmp_path, monkeypatch
):
    monkeypatch.setattr("petri.tasks.grown.FRESH", 8)
    monkeypatch.setattr("petri.tasks.grown.LASTING", 20)
    made = recipe("optimiser.learning_rate=4e-3", epochs=150)
    run, trainer = loop.start(made, tmp_path / "runs", "disc", CPU)
    observer = Silent()
    result = loop.train(run, trainer, observer)
    assert observer.last.picture.shape == (64, 64, 3)
    assert Image.open(result.folder / "grown.png").size == (64, 64)
    assert Image.open(result.folder / "target.png").size == (64, 64)
    model = modelfile.read(result.folder / "model.safetensors")
    assert (model.task, model.res, model.pixels, model.pixels_of(32)) == ("paint", 16, 64, 128)
    state = model.rollout(model.seed_state(), 6, seed=1)
    seen = model.automaton.view(state, model.pixels)
    assert seen.shape == (1, 4, 64, 64)
    before = trainer.result().view(state, 64)
    torch.testing.assert_close(seen, before, rtol=0, atol=0)
    target = trainer.task.target
    assert seen_error(seen, target).item() < 0.8 * seen_error(torch.zeros_like(seen), target).item()
    assert model.training["enlarged"] == pytest.approx(result.outcome.enlarged, abs=0.01)


def test_evaluate_compares_with_the_target_drawn_at_each_size(recipe, logo, monkeypatch):
    made = recipe()
    trainer = trained(Trainer(made, tasks.make(made), CPU), 2)
    model = modelfile.Model(
        automaton=trainer.result(), target=made.name, training={"recipe": made.to_fields()}
    )
    monkeypatch.setattr("petri.evaluation.painted.PIXELS", (32, 128))
    for drift in ("DRIFT", "FIGURES_DRIFT"):
        monkeypatch.setattr(f"petri.evaluation.evaluation.{drift}", (8,))
    found = evaluate(model, logo, seeds=2, heal_steps=3)
    assert (found.res, found.pixels) == (16, 64)
    assert [one.pixels for one in found.painted] == [32, 64, 128]
    assert found.growth[-1].picture.shape == (64, 64, 3)
    # Another grid's figure is as large as ever, in the middle of more room, of as many pixels a cell.
    assert {(look.res, look.picture.shape[0]) for look in found.sizes} >= {(24, 96), (32, 128)}
    target = torch.from_numpy(targets.load(logo, 64).pixels)
    assert found.painted[1].enlarged == enlarged(shrunk(target, (16, 16)), target)
    assert [one["pixels"] for one in found.to_fields()["painted"]] == [32, 64, 128]


def test_enlarged_cells_are_worth_what_a_bilinear_enlargement_is():
    small = torch.zeros(3, 2, 2)
    small[:, :, 1] = 1.0
    target = torch.zeros(3, 4, 4)
    target[:, :, 2:] = 1.0
    # Columns of 0, 1/4, 3/4 and 1.
    assert enlarged(small, target) == pytest.approx(-10 * math.log10(2 * 0.25**2 / 4))


def test_what_cannot_be_painted_is_refused(recipe, logo):
    with pytest.raises(BadRequest, match="72×72 pixels do not fit 16×16 cells"):
        recipe(pixels=72)
    with pytest.raises(BadRequest, match=r"in 16\.\.4096, got 8"):
        recipe(pixels=8)
    with pytest.raises(BadRequest, match=r"loss.pixels must be a whole number in 16..4096, got 100000"):
        recipe(pixels=100_000)
    with pytest.raises(BadRequest, match="circle fills its plane"):
        make_recipe(targets.load("circle", 16), "circle", res=16, pixels=64)
    with pytest.raises(BadRequest, match="preset quick"):
        make_recipe(targets.load(logo, 16), logo, res=16, pixels=64, preset="distill")
    with pytest.raises(BadRequest, match="one size of grid"):
        fields = recipe().to_fields()
        Recipe.from_fields(fields | {"phases": [*fields["phases"], fields["phases"][0] | {"res": 32}]})
    with pytest.raises(BadRequest, match="takes a decoder"):
        Recipe.from_fields(fields | {"spec": fields["spec"] | {"decoder": None}})
    spec = recipe().spec
    with pytest.raises(BadRequest, match='trained by the task "paint"'):
        Growing(spec, torch.zeros(4, 16, 16))
    with pytest.raises(BadRequest, match="96×64 pixels do not fit 16×16"):
        Painting(spec, torch.zeros(4, 96, 64), 16)
    with pytest.raises(BadRequest, match="without fixed planes"):
        Painting(Spec.from_fields(spec.to_fields() | {"fixed": 1}), torch.zeros(4, 64, 64), 16)
    with pytest.raises(BadRequest, match=r"loss\.lines"):
        PaintTerms(lines=2)


def test_a_plane_of_ones_own_is_painted_without_alpha():
    spec = Spec.of(channels=8, hidden=16, layers=2, decoder={"kind": "lppn", "width": 8, "outputs": 3})
    picture = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(1))
    task = Painting(spec, picture, (8, 16))
    model = petri.train(task, epochs=2, steps=(2, 3), pool=4, seed=3)
    seen = model.automaton.view(model.seed_state(), 64)
    assert seen.shape == (1, 3, 32, 64) and task.grid == (8, 16) and task.pixels == 64
    assert model.rollout(model.seed_state(), 2).shape == (1, 8, 8, 16)

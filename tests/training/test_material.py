"""Weaving textures that a decoder paints."""

from itertools import pairwise

import pytest
import torch
from PIL import Image

import petri
from petri import tasks
from petri.errors import BadRequest
from petri.losses.crops import CropLoss, Size, crops_of, places_for, sizes_of, views_of
from petri.maps import MAPS
from petri.nca.decoder import Lppn
from petri.targets import exemplar
from petri.tasks import WeavingMaterial
from petri.tasks.material import MaterialTerms, mixed
from petri.training.recipe import Recipe
from petri.training.runs import columns
from petri.training.textures import make_texture_recipe
from petri.training.trainer import Trainer

CPU = torch.device("cpu")
SPEC = petri.Spec.of(
    perception="learned", hidden=16, layers=2, padding="wrap", start={"kind": "noise"}, clamp=None,
    decoder={"kind": "lppn", "width": 8, "outputs": 3},
)  # fmt: skip
TERMS = MaterialTerms(pixels=64, window=16, windows=2, sizes=2)
TINY = (
    "phases.steps=[4, 6]", "phases.turns=3", "pool.size=4", "spec.rule.hidden=16", "pool.damage_every=2",
    "loss.window=16", "loss.windows=2", "spec.decoder.width=8",
)  # fmt: skip


def stripes(res=64):
    """Diagonal stripes of two colours."""
    y, x = torch.meshgrid(torch.arange(res), torch.arange(res), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin((x + y) * 2 * torch.pi / 8)
    return torch.stack([wave, 1 - wave, 0.5 * wave])


@pytest.fixture
def recipe(tmp_path):
    pixels = (stripes(96).permute(1, 2, 0) * 255).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "stripes.png")

    def make(*settings, epochs=6, **how):
        how = {"pixels": 64, "cut": {"scale": 4}} | how
        path = str(tmp_path / "stripes.png")
        return make_texture_recipe(
            "stripes.png", [path], res=16, epochs=epochs, settings=[*TINY, *settings], **how
        )

    return make


def test_a_recipe_is_the_same_after_it_was_written_and_paints_again(recipe):
    made = recipe()
    assert (made.task, made.loss.pixels, made.res, made.spec.decoder.outputs) == ("material", 64, 16, 3)
    assert made.spec.space.padding == "wrap" and made.loss.scale == 4 and made.loss.correlation == 0
    assert Recipe.from_toml(made.to_toml()) == made
    assert recipe(file=made.to_fields(), pixels=None, cut={}) == made
    other = recipe(file=made.to_fields(), pixels=128, cut={})
    assert (other.task, other.loss.pixels, other.loss.scale) == ("material", 128, 4)


def test_crops_are_as_many_pixels_at_each_size_or_the_whole_of_it():
    assert sizes_of(384, sizes=3, window=48, windows=4) == [
        Size(1, 1, 48, 4),
        Size(1, 2, 48, 4),
        Size(2, 2, 96, 1),  # no more than the crops would be
    ]
    assert [size.places for size in sizes_of(1024, sizes=4, window=32, windows=4)] == [4096] * 4
    assert [size.step * size.samples for size in sizes_of(1024, sizes=4, window=32, windows=4)] == [
        1,
        2,
        4,
        8,
    ]


def test_there_is_a_crop_in_each_strip():
    found = places_for(5, (50, 100), torch.Generator().manual_seed(0))
    assert [top // 10 for top, _ in found] == [0, 1, 2, 3, 4]
    assert sorted(left // 20 for _, left in found) == [0, 1, 2, 3, 4]


def test_a_crop_is_that_part_of_the_painted_torus(random_automaton):
    automaton = random_automaton(SPEC)
    state = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = automaton.view(state, 64)
        for size in (Size(1, 1, 20, 3), Size(1, 2, 12, 3), Size(2, 2, 10, 3)):
            places = places_for(size.count, (64, 64), torch.Generator().manual_seed(5))
            rasters = crops_of(64, size, torch.Generator().manual_seed(5), CPU)
            for (top, left), raster in zip(places, rasters, strict=True):
                span = size.step * size.samples * size.side
                part = whole.roll((-top, -left), dims=(2, 3))[:, :, :span, :span]
                part = size.shrink(part[:, :, :: size.step, :: size.step])
                painted = size.shrink(automaton.paint(state, raster))
                assert painted.shape[-2:] == (size.side, size.side)
                assert torch.allclose(painted, part, atol=1e-5)
        assert any(top + 40 > 64 for top, _ in places)  # one went over the edge


def test_the_exemplar_itself_is_nearer_than_its_pixels_in_random_order():
    sizes = sizes_of(64, sizes=2, window=16, windows=2)
    picture = stripes()
    shuffled = picture.flatten(1)[:, torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))]
    loss = CropLoss(picture, sizes)

    def apart(other):
        crops = []
        for size in sizes:
            span = size.step * size.samples * size.side
            rolled = [
                other.roll((-top, -left), dims=(1, 2))[:, : span : size.step, : span : size.step]
                for top, left in places_for(size.count, (64, 64), torch.Generator().manual_seed(1))
            ]
            crops.append(torch.stack([size.shrink(one) for one in rolled])[None])
        return loss(crops, torch.Generator().manual_seed(2)).item()

    assert apart(picture) < 0.1 * apart(shuffled.view_as(picture))
    whole = sizes_of(64, sizes=2, window=64, windows=1)
    crops = [size.shrink(picture)[None, None] for size in whole]
    assert CropLoss(picture, whole)(crops, torch.Generator()).item() < 1e-9


def test_the_losses_are_style_and_overflow_and_repetitions_if_asked_for(recipe, random_automaton):
    state = torch.zeros(2, 16, 16, 16)
    state[1] = 1.5
    for terms, names in ((TERMS, {"style", "overflow"}), (None, {"style", "overflow", "correlation"})):
        terms = terms or MaterialTerms(**{**vars(TERMS), "correlation": 10.0})
        task = WeavingMaterial(SPEC, stripes(), 16, terms)
        task.meet(random_automaton(SPEC))
        found = task.losses([state], {})
        assert found.keys() == names == task.weights.keys()
        assert all(values.shape == (2,) and (values >= 0).all() for values in found.values())
        assert found["overflow"].tolist() == [0, 0.5]
    assert "correlation" not in columns(recipe()) and "correlation" in columns(recipe("loss.correlation=10"))


@pytest.mark.parametrize("settings", [(), ("loss.correlation=5",)])
def test_a_run_goes_on_bit_for_bit_without_its_picture(recipe, tmp_path, settings):
    made = recipe(*settings)
    whole, first = (Trainer(made, tasks.make(made), CPU) for _ in range(2))
    for _ in range(5):
        whole.train_epoch()
    for _ in range(3):
        first.train_epoch()
    saved = {name: tensor.clone() for name, tensor in first.tensors().items()}
    (tmp_path / "stripes.png").unlink()
    second = Trainer(made, tasks.make(made, blank=True), CPU)
    second.restore(saved, 3)
    for _ in range(2):
        second.train_epoch()
    ends = whole.tensors(), second.tensors()
    assert ends[0].keys() == ends[1].keys() and any("decoder" in name for name in ends[0])
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name


def test_what_comes_from_noise_becomes_like_the_exemplar():
    losses = []
    petri.train(
        WeavingMaterial(SPEC, stripes(), 16, TERMS),
        epochs=40,
        steps=(4, 6),
        batch=1,
        pool=4,
        learning_rate=1e-2,
        tell=lambda epoch: losses.append(epoch.losses["style"].item()),
    )
    parts = [sum(losses[at : at + 10]) for at in (0, 10, 20, 30)]
    assert all(before > after for before, after in pairwise(parts)) and parts[-1] < 0.75 * parts[0]


@pytest.mark.parametrize(
    ("spec", "exemplar", "grid", "words"),
    [
        ({"decoder": None}, stripes(), 16, "takes a decoder"),
        ({"living": True, "decoder": {"outputs": 4}}, torch.rand(4, 64, 64), 16, "no living mask"),
        ({}, stripes()[:2], 16, r"\[3, pixels, pixels\]"),
        ({}, stripes()[:, :32], 16, "square, got 32×64"),
        ({}, stripes(), 15, "64×64 pixels do not fit 15×15 cells"),
        ({}, stripes(), 128, "do not fit"),
    ],
)
def test_what_no_painted_texture_can_be_is_refused(spec, exemplar, grid, words):
    with pytest.raises(BadRequest, match=words):
        WeavingMaterial(petri.Spec.of(**{**SPEC.to_fields(), **spec}), exemplar, grid, TERMS)


@pytest.mark.parametrize(
    ("field", "value"), [("pixels", 8), ("pixels", 5000), ("window", 4), ("windows", 0), ("correlation", -1)]
)
def test_terms_out_of_range_are_named(field, value):
    with pytest.raises(BadRequest, match=f"loss.{field}"):
        MaterialTerms(**{field: value})


def surface(name="bricks", pixels=64):
    """Maps of a material of petri, as channels."""
    return torch.from_numpy(exemplar.load(f"material:{name}", 16, pixels=pixels).pixels)


def test_maps_are_pictures_of_three_channels_each_and_mixed():
    places = Lppn(maps=tuple(MAPS), outputs=9).places()
    assert views_of(places) == {
        "albedo": (0, 1, 2),
        "normal": (6, 7, 8),
        "height, roughness, occlusion": (3, 4, 5),
    }
    some = Lppn(maps=("height", "normal"), outputs=4).places()
    assert views_of(some) == {"normal": (1, 2, 3), "height": (0, 0, 0)}
    assert views_of({}) == {"colours": (0, 1, 2)}
    some = mixed(9, 6, 3)
    assert len(some) == 6 and all(len({*view}) == 3 and max(view) < 9 for view in some)
    assert mixed(9, 6, 3) == some != mixed(9, 6, 4)


def test_maps_that_do_not_lie_on_each_other_are_farther_than_those_that_do():
    """Each map alone is as it should be; one of them is moved."""
    picture = surface()
    sizes = sizes_of(64, sizes=1, window=64, windows=1)
    places = Lppn(maps=tuple(MAPS), outputs=9).places()
    views = list(views_of(places).values())
    loss = CropLoss(picture, sizes, views=views + mixed(9, 6, 0), shown=len(views))
    apart = picture.clone()
    apart[6:9] = picture[6:9].roll((13, 21), dims=(1, 2))

    def mean(other):
        chance = torch.Generator().manual_seed(0)
        return sum(loss([other[None, None]], chance).item() for _ in range(4)) / 4

    assert mean(picture) < 1e-9 and mean(apart) > 0.004


def test_a_material_is_woven_by_one_decoder(recipe):
    made = make_texture_recipe(
        "material:bricks", ["material:bricks"], res=16, pixels=64, maps=tuple(MAPS), epochs=3, settings=TINY
    )
    assert (made.spec.decoder.outputs, made.spec.decoder.maps) == (9, tuple(MAPS))
    assert Recipe.from_toml(made.to_toml()) == made
    trainer = Trainer(made, tasks.make(made), CPU)
    for _ in range(3):
        assert trainer.train_epoch().losses["style"] > 0
    assert torch.equal(trainer.task.exemplar, surface())
    assert trainer.task.goal().shape == (64, 64, 3)
    plain = recipe()
    with pytest.raises(BadRequest, match="has the maps none, the recipe albedo, height"):
        decoder = {"outputs": 9, "maps": list(MAPS)}
        tasks.make(
            Recipe.from_fields(plain.to_fields() | {"spec": made.spec.to_fields() | {"decoder": decoder}})
        )

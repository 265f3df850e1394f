"""Materials: those that petri makes, those in folders, and what they look like under a light."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

import petri
from petri import lit, mapfiles, targets
from petri.errors import BadRequest
from petri.maps import MAPS
from petri.nca.decoder import Lppn
from petri.targets import MATERIALS, exemplar
from petri.targets.materials import MADE, maps, noise, normals, occlusion


def test_all_that_are_listed_are_made():
    assert list(MADE) == list(MATERIALS)


@pytest.mark.parametrize("name", MATERIALS)
def test_a_material_of_petri_is_seamless_and_has_all_maps(name):
    made = maps(name, 64)
    assert made.keys() == MAPS.keys()
    for map_name, values in made.items():
        assert values.shape == (MAPS[map_name], 64, 64) and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1 and values.std() > 0.005
        for axis in (1, 2):  # the last row against the first is as within: no larger than the largest there
            jumps = np.abs(values - np.roll(values, 1, axis)).mean(axis=(0, 3 - axis))
            assert jumps[0] <= jumps[1:].max() * 1.05
    lengths = np.linalg.norm(2 * made["normal"] - 1, axis=0)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    assert (made["normal"][2] > 0.5).all()
    other = maps(name, 64, seed=1)
    assert np.abs(other["albedo"] - made["albedo"]).max() > 0.05
    np.testing.assert_array_equal(made["height"], maps(name, 64)["height"])


def test_normals_are_those_of_the_slope_on_a_torus():
    side, depth = 64, 0.05
    at = np.arange(side) / side
    waves = 2 * np.pi
    height = 0.5 + 0.25 * np.sin(waves * at)[None, :] + 0.25 * np.cos(waves * at)[:, None]
    found = 2 * normals(height, depth) - 1
    rate = depth * 0.25 * waves * math.sin(waves / side) / (waves / side)  # of central differences
    right, down = rate * np.cos(waves * at)[None, :], -rate * np.sin(waves * at)[:, None]
    wanted = np.stack([-right + 0 * down, down + 0 * right, np.ones((side, side))])
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=0), atol=1e-12)


def test_hollows_are_occluded_and_peaks_are_not():
    height = np.ones((64, 64))
    height[30:34] = 0
    found = occlusion(height)
    assert found[32, 5] < 0.5 and found[0, 5] > 0.99 and np.allclose(found, found[:, :1])
    np.testing.assert_allclose(occlusion(np.roll(height, 9, 0)), np.roll(found, 9, 0), atol=1e-12)
    np.testing.assert_allclose(occlusion(np.full((8, 8), 0.3)), 1, atol=1e-12)


def test_noise_comes_again_after_a_turn():
    x, y = np.meshgrid(np.linspace(0, 0.99, 12), np.linspace(0, 0.99, 9))
    here = noise(x, y, 5, 3, stretch=2)
    np.testing.assert_allclose(noise(x + 1, y - 2, 5, 3, stretch=2), here, atol=1e-9)
    assert here.std() > 0.1 and here.min() >= 0 and here.max() <= 1


def flat(**values):
    return {name: torch.full((MAPS[name], 4, 4), value) for name, value in values.items()}


def test_a_flat_surface_is_lit_as_the_formula_says():
    found = lit.lit(flat(albedo=0.5, roughness=0.6, occlusion=0.7), light=(0, 0, 2))[:, 1, 2]
    albedo = 0.5**lit.GAMMA
    alpha = 0.6**4
    shadow = 1.6**2 / 8
    hidden = 1 / (4 * (1 - shadow + shadow) ** 2)
    spread = alpha / (math.pi * alpha**2)
    back = (1 - lit.FACING) * albedo / math.pi + spread * hidden * lit.FACING
    wanted = (lit.BRIGHT * back + lit.AROUND * 0.7 * albedo) ** (1 / lit.GAMMA)
    assert found.tolist() == pytest.approx([wanted] * 3, rel=1e-5)


def test_what_faces_the_light_is_brighter_and_heights_do_for_normals():
    ramp = flat(albedo=0.5)
    tilted = torch.tensor([0.5, 0.0, 0.5 * 3**0.5]).view(3, 1, 1).expand(3, 4, 4)
    lights = {"right": (1.0, 0.0, 1.0), "left": (-1.0, 0.0, 1.0)}
    shown = {name: lit.lit(ramp | {"normal": 0.5 + tilted / 2}, light=at) for name, at in lights.items()}
    assert (shown["right"] > shown["left"] + 0.1).all()
    height = 0.5 + 0.5 * torch.sin(torch.arange(64) * 2 * torch.pi / 64).expand(1, 64, 64)
    given = torch.from_numpy(normals(height[0].numpy(), lit.DEPTH)).float()
    same = lit.facing({"height": height}), lit.facing({"normal": given})
    assert torch.allclose(*same, atol=1e-5)
    assert (lit.facing(flat(albedo=0.5))[:, 0, 0] == torch.tensor([0.0, 0, 1])).all()


def save(folder, **sizes):
    """Images of maps, of noise; of one channel as 16 bits."""
    folder.mkdir(exist_ok=True)
    chance = np.random.default_rng(0)
    for name, (width, height) in sizes.items():
        if MAPS.get(name) == 1:
            values = chance.integers(0, 2**16, (height, width)).astype(np.uint16)
        else:
            values = chance.integers(0, 256, (height, width, 3)).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    return str(folder)


def test_a_folder_is_read_map_by_map_in_their_order(tmp_path):
    asked = save(tmp_path / "mine", normal=(40, 32), height=(40, 32), notes=(5, 5))
    found = exemplar.load(asked, 16, pixels=32)
    assert (found.name, found.maps, found.pixels.shape) == ("mine", ("height", "normal"), (4, 32, 32))
    middle = np.asarray(Image.open(tmp_path / "mine" / "height.png"), float)[:, 4:36] / 65535
    np.testing.assert_allclose(found.pixels[0], middle, atol=1e-4)  # its 16 bits are kept
    assert any("without albedo, roughness, occlusion" in note for note in found.notes)
    part = exemplar.load(asked, 16, pixels=16, scale=1, crop=(0, 0))
    assert len(list(part.others())) == 8 and next(part.others()).shape == (4, 16, 16)


def test_a_folder_that_is_no_material_is_refused(tmp_path):
    for name, sizes, words in (
        ("odd", {"albedo": (32, 32), "height": (32, 30)}, "albedo.png 32 × 32, height.png 32 × 30 pixels"),
        ("none", {"notes": (5, 5)}, "none has none of the maps of a material, such as albedo.png"),
    ):
        with pytest.raises(BadRequest, match=words):
            exemplar.load(save(tmp_path / name, **sizes), 16)
    asked = save(tmp_path / "twice", albedo=(32, 32))
    Image.new("RGB", (32, 32)).save(tmp_path / "twice" / "Albedo.jpg")
    with pytest.raises(BadRequest, match="two images of the albedo"):
        exemplar.load(asked, 16)


def test_materials_have_names_and_are_not_grown(tmp_path):
    assert targets.is_material("material:scales") and targets.travels("material:scales")
    assert targets.is_material(str(tmp_path)) and not targets.is_material("spiral")
    found = exemplar.load("material:planks", 16, pixels=32)
    assert found.maps == tuple(MAPS) and found.pixels.shape == (9, 32, 32)
    np.testing.assert_array_equal(found.pixels[3:4], maps("planks", 32)["height"])
    with pytest.raises(BadRequest, match="no material 'brick', did you mean"):
        exemplar.load("material:brick", 16)
    for name, said in (
        ("material:bricks", "a material is woven, not grown"),
        (str(tmp_path), "is a folder, not an image; the maps of a material are for petri texture"),
        ("", "unknown target"),
    ):
        with pytest.raises(BadRequest, match=said):
            targets.load(name, 16)


def test_the_maps_of_a_decoder_are_checked_and_have_their_places():
    lppn = Lppn(maps=("height", "normal"), outputs=4)
    assert lppn.places() == {"height": (0,), "normal": (1, 2, 3)}
    assert lppn.seen(alpha=False) == (1, 2, 3)
    assert Lppn(maps=tuple(MAPS), outputs=9).seen(alpha=False) == (0, 1, 2)
    assert Lppn(maps=("roughness",), outputs=1).seen(alpha=False) == (0, 0, 0)
    for how, words in (
        ({"maps": ("normal", "height"), "outputs": 4}, "must be in the order"),
        ({"maps": ("height",), "outputs": 3}, "the maps height are 1 outputs, got 3"),
        ({"maps": ("colour",), "outputs": 3}, "each of maps"),
    ):
        with pytest.raises(BadRequest, match=words):
            Lppn(**how)
    with pytest.raises(BadRequest, match="leave out the living mask"):
        petri.Spec.of(living=True, decoder={"maps": ["albedo"], "outputs": 3})
    plain = petri.Spec.of(decoder={"width": 8})
    assert "maps" not in plain.to_fields()["decoder"]  # as earlier versions wrote it
    spec = petri.Spec.of(decoder={"width": 8, "maps": ["albedo", "height"], "outputs": 4})
    assert petri.Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("names", [tuple(MAPS), ("albedo", "height"), ("roughness",)])
def test_maps_are_written_as_they_are_painted(random_automaton, tmp_path, names):
    outputs = sum(MAPS[name] for name in names)
    spec = petri.Spec.of(
        channels=8,
        hidden=16,
        layers=2,
        padding="wrap",
        decoder={"width": 8, "maps": list(names), "outputs": outputs},
    )
    automaton = random_automaton(spec)
    state = torch.randn(8, 6, 6, generator=torch.Generator().manual_seed(0))
    files = mapfiles.save(tmp_path / "maps", automaton, state, 30)
    assert files == (*(f"{name}.png" for name in names), "lit.png")
    painted = torch.cat(list(automaton.bands(state, 30, whole=True)), dim=1).clamp(0, 1)
    for name, places in spec.decoder.places().items():
        stored = np.asarray(Image.open(tmp_path / "maps" / f"{name}.png")).astype(float)
        most = 65535 if name == "height" else 255
        wanted = painted[list(places)].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(stored.reshape(wanted.shape) / most, wanted, atol=0.51 / most)
    with torch.no_grad():
        whole = torch.cat(list(automaton.bands(state, 30, whole=True)), dim=1)
        wanted = lit.lit({name: whole[list(places)] for name, places in spec.decoder.places().items()})
    shown = np.asarray(Image.open(tmp_path / "maps" / "lit.png")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(shown, wanted.numpy(), atol=0.01)
    seen = automaton.view(state, 30)
    assert seen.shape == (3, 30, 30) and torch.equal(seen, whole[list(spec.decoder.seen(alpha=False))])


def test_a_state_that_has_exploded_is_written_as_nothing(random_automaton, tmp_path, recwarn):
    spec = petri.Spec.of(
        channels=8,
        hidden=16,
        layers=2,
        padding="wrap",
        decoder={"width": 8, "maps": ["height", "roughness"], "outputs": 2},
    )
    mapfiles.save(tmp_path / "maps", random_automaton(spec), torch.full((8, 6, 6), torch.nan), 12)
    assert not recwarn.list
    for name in spec.decoder.maps:
        assert not np.asarray(Image.open(tmp_path / "maps" / f"{name}.png")).any()

"""petri texture with a decoder, and what the other verbs make of its model."""

import contextlib
import io
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from petri import images, modelfile
from petri.__main__ import main
from petri.evaluation import texture
from petri.maps import MAPS

TINY = [
    "--res", 16, "--pixels", 64, "--set", "phases.steps=[4, 6]", "--set", "pool.size=4", "--hidden", 16,
    "--set", "loss.window=16", "--set", "spec.decoder.width=8",
]  # fmt: skip
FILES = (
    "model.safetensors", "tile.png", "sizes.png", "weaving.webp", "exemplar.png", "loss.png", "metrics.csv",
    "recipe.toml",
)  # fmt: skip


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """The path of a picture of 120 × 120 pixels: noise, softened, in three colours."""
    noise = torch.rand(1, 3, 124, 124, generator=torch.Generator().manual_seed(0))
    soft = torch.nn.functional.avg_pool2d(noise, 5, stride=1)[0]
    pixels = ((soft - soft.min()) / (soft.max() - soft.min()) * 255).byte().permute(1, 2, 0).numpy()
    path = tmp_path_factory.mktemp("photo") / "moss.png"
    Image.fromarray(pixels).save(path)
    return path


def run(folder, *asked):
    """Run the command line in a folder; what it said."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["petri", *map(str, asked)])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1  # it is no texture yet
    return said.getvalue()


@pytest.fixture(scope="module")
def made(photo, tmp_path_factory):
    """The folder of a tiny run, and what it said."""
    folder = tmp_path_factory.mktemp("woven")
    said = run(folder, "texture", photo, *TINY, "--scale", 4, "--epochs", 3)
    return folder / "runs" / "moss-16", said


def test_a_run_leaves_pictures_as_they_are_painted(made):
    folder, said = made
    assert {path.name for path in folder.iterdir()} - {".lock"} == {*FILES, "checkpoint.safetensors"}
    assert "16×16 cells · 64×64 pixels" in said and "64² of the 120 × 120 pixels of moss.png, 4 along" in said
    model = modelfile.read(folder / "model.safetensors")
    assert (model.task, model.grid, model.pixels) == ("material", (16, 16), 64)
    assert model.training["style"].keys() == {"steps", "distance", "floor", "ceiling", "way"}
    sizes = {name: Image.open(folder / name).size for name in ("tile.png", "exemplar.png", "sizes.png")}
    assert sizes["tile.png"] == sizes["exemplar.png"] == (64, 64)
    assert sizes["sizes.png"] == (64 + 128 + 256 + 2 * 16, 256)


def test_a_tile_is_painted_at_any_size_and_has_no_seam(made, petri, tmp_path):
    folder, _ = made
    model = modelfile.read(folder / "model.safetensors")
    petri("play", folder, "--steps", 6, "--pixels", 100, "--tile", tmp_path / "a.png")
    state = model.rollout(model.seed_state(), 6)[0]
    tile = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(tile, images.picture(model.automaton, state, "#ffffff", 100))
    for axis in (0, 1):
        steps = np.abs(tile - np.roll(tile.astype(float), 1, axis=axis)).mean(axis=(1 - axis, 2))
        assert (
            steps[0] <= steps[1:].max() + 1 and steps[1:].mean() > 0
        )  # the first against the last, and within
    petri("play", folder, "--steps", 6, "--tile", tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").size == (64, 64)


def test_it_is_measured_at_the_size_of_its_training(made, petri, monkeypatch, tmp_path):
    folder, _ = made
    monkeypatch.setattr(texture, "STEPS", (4, 8, 12))
    monkeypatch.setattr(texture, "FACTORS", (2,))
    short = ["--damage-at", 8, "--heal-steps", 4, "--json", "--sheet", tmp_path / "sheet.png"]
    found = json.loads(petri("evaluate", folder, *short).rsplit("}", 1)[0] + "}")["models"][0]
    assert (found["task"], found["res"], found["pixels"]) == ("texture", 16, 64)
    assert 0 < found["floor"] < found["ceiling"] and [look["factor"] for look in found["sizes"]] == [2]
    assert {one["kind"] for one in found["regeneration"]} == {"half", "circle"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PHOTO", "--pixels", 100], "100×100 pixels do not fit 16×16 cells"),
        (["PHOTO", "--pixels", 100_000], "pixels must be a whole number in 16..4096, got 100000"),
        (
            ["PHOTO", "--pixels", 64, "--preset", "distill"],
            "--pixels is for one texture and the preset quick",
        ),
        (["PHOTO", "PHOTO", "--pixels", 64], "--pixels is for one texture"),
        (["PHOTO", "--pixels", 64, "--set", "spec.decoder=none"], "takes a decoder"),
        (["PHOTO", "--pixels", 16, "--set", "loss.sizes=5"], "leaves 1 pixels along a side of 16"),
        (["material:brick"], "petri makes no material 'brick', did you mean \"bricks\"?; there are bricks"),
        (["material:bricks", "--scale", 2], "a scale and a crop are of a picture in a file"),
        (["material:bricks", "PHOTO"], "a material is woven alone, got 2 textures"),
        (["EMPTY"], "has none of the maps of a material, such as albedo.png"),
    ],
)
def test_what_cannot_be_is_one_line(petri, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    there = {"PHOTO": photo, "EMPTY": photo.parent}
    arguments = [there.get(argument, argument) for argument in arguments]
    said = petri("texture", *arguments, "--res", 16, "--epochs", 1, code=2)
    assert words in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def bricks(tmp_path_factory):
    """The folder of a tiny run of a material, and what it said."""
    folder = tmp_path_factory.mktemp("woven")
    said = run(folder, "texture", "material:bricks", *TINY, "--epochs", 3, "--set", "loss.correlation=1")
    return folder / "runs" / "material-bricks-16", said


def test_a_run_of_a_material_leaves_its_maps(bricks):
    folder, said = bricks
    names = {*(f"{name}.png" for name in MAPS), "lit.png"}
    assert {path.name for path in (folder / "maps").iterdir()} == names
    assert all(f"maps/{name}" in said for name in names) and "decoder of 3 × 8" in said
    assert "correlation" in (folder / "metrics.csv").read_text().splitlines()[0]
    model = modelfile.read(folder / "model.safetensors")
    assert (model.target, model.spec.decoder.maps) == ("material:bricks", tuple(MAPS))
    shown = [np.asarray(Image.open(folder / name)) for name in ("tile.png", "maps/lit.png")]
    np.testing.assert_array_equal(*shown)


def test_a_tile_of_a_material_is_a_folder(bricks, petri, tmp_path):
    folder, _ = bricks
    said = petri("play", folder, "--steps", 6, "--pixels", 50, "--tile", tmp_path / "wall")
    assert "albedo.png, height.png" in said and Image.open(tmp_path / "wall" / "lit.png").size == (50, 50)
    petri("play", folder, "--steps", 6, "--pixels", 50, "--out", tmp_path / "lit.png")
    shown = [np.asarray(Image.open(tmp_path / name)) for name in ("wall/lit.png", "lit.png")]
    np.testing.assert_array_equal(*shown)
    (tmp_path / "file").touch()
    for tile, words in (
        ("a.png", "is a material, a tile of which is a folder of maps: leave out the .png"),
        ("a.jpg", "; of a material it is a folder"),
        ("file", "it is no folder"),
        ("no/folder", "there is no folder"),
    ):
        said = petri("play", folder, "--tile", tmp_path / tile, code=2)
        assert words in said and said.count("\n") == 1


def test_a_tile_of_what_is_no_material_is_no_folder(made, petri, tmp_path):
    said = petri("play", made[0], "--tile", tmp_path / "wall", code=2)
    assert "a tile is a .png, got" in said and said.count("\n") == 1


def test_maps_in_a_folder_are_woven_and_measured(bricks, petri, monkeypatch, tmp_path):
    """Of what a run has left: any folder with maps in it will do."""
    monkeypatch.setattr(texture, "STEPS", (4, 8, 12))
    monkeypatch.setattr(texture, "FACTORS", (2,))
    (bricks[0] / "maps" / "albedo.png").rename(tmp_path / "albedo.png")
    said = run(tmp_path, "texture", bricks[0] / "maps", *TINY, "--epochs", 1, "--name", "again")
    (tmp_path / "albedo.png").rename(bricks[0] / "maps" / "albedo.png")
    assert "maps: height, roughness, occlusion, normal; without albedo" in said
    model = modelfile.read(tmp_path / "runs" / "again" / "model.safetensors")
    assert model.spec.decoder.outputs == 6 and model.target == "maps"
    short = ["--damage-at", 8, "--heal-steps", 4, "--sheet", tmp_path / "sheet.png"]
    said = petri("evaluate", bricks[0], *short)
    assert "painted at 64²" in said and "maps, after 8 steps" in said
    assert "height, roughness, occlusion" in said
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
    said = petri("evaluate", bricks[0], "--target", "brick", code=2)
    assert "brick has the maps none, material:bricks paints albedo, height" in said

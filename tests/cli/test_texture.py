"""petri texture, and petri evaluate of what it leaves."""

import contextlib
import io
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from petri import modelfile
from petri.__main__ import main
from petri.evaluation import texture

TINY = ["--res", 16, "--set", "phases.steps=[4, 6]", "--set", "pool.size=4", "--hidden", 16]
FILES = (
    "model.safetensors", "tile.png", "sizes.png", "weaving.webp", "exemplar.png", "loss.png", "metrics.csv",
    "recipe.toml",
)  # fmt: skip


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """The path of a picture of 40 × 40 pixels: noise, softened, in three colours."""
    noise = torch.rand(1, 3, 44, 44, generator=torch.Generator().manual_seed(0))
    soft = torch.nn.functional.avg_pool2d(noise, 5, stride=1)[0]
    pixels = ((soft - soft.min()) / (soft.max() - soft.min()) * 255).byte().permute(1, 2, 0).numpy()
    path = tmp_path_factory.mktemp("photo") / "moss.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def made(photo, tmp_path_factory):
    """The folder of a tiny run, and what it said."""
    folder, said = tmp_path_factory.mktemp("woven"), io.StringIO()
    asked = ["petri", "texture", photo, *TINY, "--scale", 1, "--epochs", 3]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(word) for word in asked])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1  # it is no texture yet
    return folder / "runs" / "moss-16", said.getvalue()


@pytest.fixture
def woven(made, tmp_path, monkeypatch):
    """A copy of it in a folder of its own, which is the current one, and what it said."""
    shutil.copytree(made[0].parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "moss-16", made[1]


def test_a_run_leaves_its_files_and_names_them(woven):
    folder, said = woven
    assert {path.name for path in folder.iterdir()} - {".lock"} == {*FILES, "checkpoint.safetensors"}
    assert all(name in said for name in FILES)
    assert "16² of the 40 × 40 pixels of moss.png, 1 along a cell" in said
    assert "petri texture --resume runs/moss-16" in said and "has not become a texture" in said
    model = modelfile.read(folder / "model.safetensors")
    assert (model.task, model.target, model.grid) == ("texture", "moss.png", (16, 16))
    assert model.spec.space.padding == "wrap" and not model.spec.living
    assert model.training["style"].keys() == {"steps", "distance", "floor", "ceiling", "way"}
    assert Image.open(folder / "tile.png").size == (16, 16)
    assert Image.open(folder / "sizes.png").size == (16 + 32 + 64 + 2 * 16, 64)
    assert np.array_equal(np.asarray(Image.open(folder / "exemplar.png")).shape, (16, 16, 3))
    assert Image.open(folder / "weaving.webp").n_frames > 1


def test_the_tile_has_no_seam(woven):
    folder, _ = woven
    tile = np.asarray(Image.open(folder / "tile.png")).astype(float)
    for axis in (0, 1):
        steps = np.abs(tile - np.roll(tile, 1, axis=axis)).mean(axis=(1 - axis, 2))
        seam, inside = steps[0], steps[1:]  # the first row against the last one, and within
        assert abs(seam - inside.mean()) <= 4 * inside.std() and inside.mean() > 0


def test_a_run_goes_on(woven, petri):
    folder, _ = woven
    said = petri("texture", "--resume", folder, "--epochs", 2, code=1)
    assert (
        "resumed at epoch 3" in said and modelfile.read(folder / "model.safetensors").training["epochs"] == 5
    )
    assert "leave out IMAGE" in petri("texture", "x.png", "--resume", folder, code=2)


def test_a_recipe_file_is_the_same_run_again(woven, petri, photo):
    folder, _ = woven
    petri("texture", photo, "--recipe", folder / "recipe.toml", "--name", "again", code=1)
    one, other = (
        modelfile.read(folder.with_name(name) / "model.safetensors") for name in (folder.name, "again")
    )
    for name, weight in modelfile.weights(one.automaton).items():
        assert torch.equal(weight, modelfile.weights(other.automaton)[name])


def test_the_plan_writes_nothing(petri, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("texture", photo, *TINY, "--dry-run")
    assert "16×16" in said and "nothing was written" in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what it is to be like: petri texture IMAGE"),
        (["nothing.png"], 'no such file: "nothing.png"'),
        (["spiral", "--scale", 2], "a scale and a crop are of a picture in a file"),
        (["PHOTO", "--crop", "2,0"], "--crop must be two fractions in 0..1, such as 0.5,0.5, got '2,0'"),
        (["PHOTO", "--crop", "middle"], "--crop must be two fractions"),
        (["PHOTO", "--scale", -1], "scale must be in [0, 10000], got -1.0"),
        (["PHOTO", "--preset", "report"], "preset must be one of quick, distill, got 'report'"),
        (["PHOTO", "--set", "spec.living=true"], "no living mask and no fixed planes"),
        (["PHOTO", "--set", "loss.stile=1"], "unknown field 'loss.stile'"),
        (["PHOTO", "--set", "loss.blocks=5"], "5 blocks of VGG16 are asked for"),
    ],
)
def test_what_cannot_be_is_one_line(petri, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PETRI_DATA", str(tmp_path))
    arguments = [photo if argument == "PHOTO" else argument for argument in arguments]
    said = petri("texture", *arguments, "--res", 32, "--epochs", 1, code=2)
    assert words in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


def test_it_is_measured_between_its_anchors(woven, petri, monkeypatch, tmp_path):
    folder, _ = woven
    monkeypatch.setattr(texture, "STEPS", (4, 8, 12))
    short = ["--damage-at", 8, "--heal-steps", 4, "--sheet", tmp_path / "sheet.png"]
    found = json.loads(
        petri("evaluate", folder, "--json", *short).partition("\n\n")[0].rsplit("}", 1)[0] + "}"
    )
    (model,) = found["models"]
    assert model["task"] == "texture" and model["floor_by"] == "other crops" and model["seeds"] == 2
    assert 0 < model["floor"] < model["ceiling"]
    assert [look["steps"] for look in model["drift"]] == [4, 8, 12]
    assert [(look["factor"], look["steps"]) for look in model["sizes"]] == [(2, 8), (4, 8)]
    for look in model["drift"]:
        share = (look["distance"] - model["floor"]) / (model["ceiling"] - model["floor"])
        assert look["way"] == pytest.approx(100 * share, rel=1e-3)
    assert [one["kind"] for one in model["regeneration"]] == ["half", "circle"]
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
    said = petri("evaluate", folder, *short)
    for words in ("more of the same picture", "shuffled pixels", "16×16", "64×64", "half", "healed"):
        assert words in said


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """The path of another picture, of stripes."""
    wave = (127 + 100 * np.sin(np.arange(40) * 0.8)).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "stripes.png"
    Image.fromarray(np.tile(wave[None, :, None], (40, 1, 3))).save(path)
    return path


def test_one_rule_weaves_several_textures(petri, photo, stripes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("texture", photo, stripes, *TINY, "--scale", 1, "--epochs", 4, "--name", "both", code=1)
    folder = tmp_path / "runs" / "both"
    assert {"tile-1.png", "tile-2.png", "sizes.png", "weaving.webp"} <= {
        path.name for path in folder.iterdir()
    }
    model = modelfile.read(folder / "model.safetensors")
    assert (model.task, model.conditions, model.spec.fixed) == ("textures", ("moss", "stripes"), 2)
    assert "moss" in said and "stripes" in said and Image.open(folder / "exemplar.png").size == (32, 16)
    assert [one["condition"] for one in model.training["each"]] == ["moss", "stripes"]
    assert "resumed at epoch 4" in petri("texture", "--resume", folder, "--epochs", 1, code=1)
    monkeypatch.setattr(texture, "STEPS", (4, 8, 12))
    monkeypatch.setattr(texture, "FACTORS", (2,))
    short = ["--damage-at", 8, "--heal-steps", 4, "--json", "--sheet", tmp_path / "sheet.png"]
    found = json.loads(petri("evaluate", folder, *short).rsplit("}", 1)[0] + "}")["models"][0]
    assert [one["condition"] for one in found["conditions"]] == ["moss", "stripes"]
    floors = [one["floor"] for one in found["conditions"]]
    assert floors[0] != floors[1]


def test_the_exemplar_is_found_again_or_asked_for(woven, petri, photo, monkeypatch, tmp_path):
    folder, _ = woven
    monkeypatch.setattr(texture, "STEPS", (4, 8, 12))
    (folder / "model.safetensors").rename(tmp_path / "moss.safetensors")
    short = ["--damage-at", 8, "--heal-steps", 4]
    assert "--target" in petri("evaluate", tmp_path / "moss.safetensors", *short, code=2)
    assert "more of the same" in petri("evaluate", tmp_path / "moss.safetensors", "--target", photo, *short)
    assert "leave out res" in petri(
        "evaluate", tmp_path / "moss.safetensors", "--target", photo, "--res", 32, code=2
    )

"""petri classify, and petri evaluate and play of what it leaves."""

import contextlib
import dataclasses
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from specs import tells_brightness

from petri import modelfile
from petri.__main__ import main
from petri.datasets import pictures
from petri.datasets.pictures import Labelled, Pictures
from petri.evaluation import classes, recognition
from petri.nca import Automaton
from petri.tasks import classified, classify

TINY = ("--hidden", 16, "--perception", "conv3", "--set", "pool.size=4",
        "--set", "phases=[{res=28,epochs=3,batch=2,turns=2,steps=[2,3]}]")  # fmt: skip
FILES = ("model.safetensors", "confusion.png", "votes.webp", "loss.png", "metrics.csv", "recipe.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a tiny run, and what it said."""
    folder, said = tmp_path_factory.mktemp("classified"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(folder)
        patch.setitem(classified.TESTED, 1, 20)
        patch.setitem(classes.MARKS, 1, (2, 3, 4, 5))
        patch.setattr(classified, "FILM_STEPS", 3)
        words = ("petri", "classify", "mini", "--data-dir", "my data", *TINY)
        patch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1  # it is no classifier yet
    return folder / "runs" / "mini-28", said.getvalue()


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A copy of it in a folder of its own, which is the current one, and what it said."""
    shutil.copytree(made[0].parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "mini-28", made[1]


@pytest.fixture
def light(tmp_path, monkeypatch):
    """A classifier of brightness, in the current folder, and a data set of four pictures for it."""
    monkeypatch.chdir(tmp_path)
    model = tells_brightness()
    modelfile.write(tmp_path / "light.safetensors", model)
    part = Labelled((model.samples * 255).byte()[[0, 1, 1, 0]], torch.tensor([0, 1, 1, 0]))
    data = Pictures("mini", "lights", model.classes, part, part, part)
    monkeypatch.setattr(pictures, "load", lambda name, *_: data)
    monkeypatch.setitem(classes.MARKS, 1, (6, 9))
    monkeypatch.setattr(recognition, "LONG", 12)
    classify._read.cache_clear()
    yield "light.safetensors"
    classify._read.cache_clear()


def test_a_run_leaves_its_files_and_names_them(run):
    folder, said = run
    assert {path.name for path in folder.iterdir()} - {".lock"} == {*FILES, "checkpoint.safetensors"}
    assert all(name in said for name in FILES)
    assert "petri classify --resume runs/mini-28 --epochs 1000" in said
    assert "Test it on all test pictures:  petri evaluate runs/mini-28 --data-dir '/" in said
    assert "my data'" in said
    assert "recognised" in said and "20 test pictures" in said
    model = modelfile.read(folder / "model.safetensors")
    assert model.classes == tuple("0123456789") and model.samples.shape == (10, 1, 28, 28)
    with Image.open(folder / "votes.webp") as film:
        # Nothing has voted yet, all have, and each picture has become another.
        assert film.size == (10 * 28 * 4, 2 * 28 * 4) and film.n_frames >= 3
    head = (folder / "metrics.csv").read_text().splitlines()[0]
    assert head.startswith("epoch,loss,votes,overflow,wrong,")


def test_a_finished_run_says_so_and_a_plan_writes_nothing(petri, run):
    petri("classify", "--resume", run[0], code=2)
    before = sorted(run[0].parent.iterdir())
    assert "nothing was written" in petri("classify", "mini", *TINY, "--dry-run")
    assert sorted(run[0].parent.iterdir()) == before


def test_a_run_from_a_model_keeps_its_cell(petri, run, monkeypatch):
    model = modelfile.read(run[0] / "model.safetensors")
    spec = dataclasses.replace(model.automaton.spec, fire_rate=0.75, clamp=None)
    automaton = Automaton(spec)
    automaton.load_state_dict(model.automaton.state_dict())
    modelfile.write(Path("other.safetensors"), dataclasses.replace(model, automaton=automaton))
    planned = []
    monkeypatch.setattr("nca_cli.classify.say_plan", lambda recipe, *rest: planned.append(recipe))
    petri("classify", "mini", "--from", "other.safetensors", "--dry-run")
    petri("classify", "mini", "--from", "other.safetensors", "--dry-run", "--set", "spec.clamp=5.0")
    assert [one.spec for one in planned] == [spec, dataclasses.replace(spec, clamp=5.0)]


def test_the_folder_of_the_data_stays_out_of_the_model(run):
    assert "my data" in (run[0] / "recipe.toml").read_text()
    assert modelfile.read(run[0] / "model.safetensors").training["recipe"]["loss"]["data"] == ""


def test_a_run_is_followed_while_it_trains(run):
    from petri.viewing.following import Follower

    model = Follower(run[0]).model()
    assert model.classes == tuple("0123456789") and model.samples.shape == (10, 1, 28, 28)
    assert model.training["recipe"]["loss"]["data"] == "" and model.training["epochs"] == 3


def test_the_folder_that_a_recipe_names_is_read(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []
    load = pictures.load
    monkeypatch.setattr(pictures, "load", lambda *words: asked.append(words[:2]) or load(*words))
    (tmp_path / "r.toml").write_text('target = "mini"\n[loss]\ndata = "/some where"\n')
    petri("classify", *TINY, "--recipe", "r.toml", "--dry-run")
    assert set(asked) == {("mini", Path("/some where"))}


def test_evaluation_says_all_of_it(petri, light, tmp_path):
    said = petri("evaluate", light, "--target", "mini", "--sheet", tmp_path / "s.png")
    for words in ("lights, 4 test pictures", "100.00 %", "another picture under the cells", "12, first 4"):
        assert words in said
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 800
    found = json.loads(petri("evaluate", light, "--target", "mini", "--json"))["models"][0]
    assert found["task"] == "classify" and found["confusion"] == [[2, 0], [0, 2]]
    # After six steps one of the 136 cells has not fired, so that it has not voted.
    early, late = found["readings"][0], found["readings"][1]
    assert early == {"steps": 6, "pictures": 1.0, "majority": 1.0, "cells": 135 / 136, "agreement": 127 / 128}
    assert {name: value for name, value in late.items() if name != "steps"} == {
        "pictures": 1.0, "majority": 1.0, "cells": 1.0, "agreement": 1.0
    }  # fmt: skip
    assert found["swap"] == {"steps": 150, "before": 1.0, "after": 1.0, "recovery": 100.0}


def test_a_picture_of_ones_own_is_looked_at(petri, light, tmp_path):
    pixels = np.full((16, 16), 255, np.uint8)
    pixels[4:12, 6:10] = 0
    Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save("ink.png")
    said = petri("play", light, "--image", "ink.png", "--out", "a.gif")
    assert "bright, say 100 % of its cells" in said
    with Image.open("a.gif") as film:
        film.seek(film.n_frames - 1)
        shown = np.asarray(film.convert("RGB"))
    assert tuple(shown[256, 256]) == tuple(bytes.fromhex("b22506")) and not shown[0].any()
    said = petri("play", light, "--image", "ink.png", "--image", "ink.png", "--at", 6, "--out", "b.png")
    assert "bright, say" in said
    assert "bright, say" in petri("play", light, "--out", "c.png")  # a picture that the file carries


def test_what_is_said_of_a_changed_picture_is_what_its_cells_have_come_to(petri, light):
    grey = np.zeros((16, 16), np.uint8)
    grey[4:12, 6:10] = 90
    Image.fromarray(grey).save("dim.png")
    Image.fromarray(np.where(grey, np.uint8(255), np.uint8(0))).save("bright.png")
    # A step after the change the votes are still the first picture's; from nothing on they would be its own.
    how = ("--image", "bright.png", "--image", "dim.png", "--at", 20, "--steps", 21, "--out", "a.png")
    assert "bright, say 100 % of its cells" in petri("play", light, *how)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("classify",), "say what to classify: petri classify mini|mnist|fashion|cifar10"),
        (("classify", "mnits"), "the data set must be one of mini, mnist, fashion, cifar10, got 'mnits'"),
        (("classify", "mini", "--preset", "report"), "preset must be one of quick, distill"),
        (("classify", "mini", "--set", "loss.stability=1"), "unknown field 'loss.stability'"),
        (("classify", "mini", "--set", "spec.fixed=3"), "needs spec.classes = 2 and spec.fixed = 1"),
        (("classify", "mini", "--set", "pool.size=2"), "raise pool.size"),
        (("classify", "mini", "--set", "loss.data=5"), "loss.data must be a text"),
        (("classify", "mini", "--resume", "runs/mini-28"), "own recipe: leave out DATA"),
        (("evaluate", "light.safetensors", "--target", "mini", "--seeds", "4"), "leave out --seeds"),
        (("evaluate", "light.safetensors"), "the data set must be one of"),
        (("play", "light.safetensors", "--res", "32", "--out", "a.png"), "leave out --res"),
        (("play", "light.safetensors", "--image", "no.png", "--out", "a.png"), 'no such file: "no.png"'),
        (("play", "light.safetensors", "--image", "black.png", "--out", "a.png"), "there is nothing in"),
        (
            ("play", "light.safetensors", "--image", "a", "--image", "b", "--out", "a.png"),
            "each --image after the first needs its --at, the first none: 1 wanted, got 0",
        ),
        (
            ("play", "light.safetensors", *("--image", "a", "--at", "2") * 2, "--out", "a.png"),
            "each --image after the first needs its --at, the first none: 1 wanted, got 2",
        ),
        (("play", "circle", "--image", "black.png", "--out", "a.png"), "is no classifier: leave out --image"),
    ],
)
def test_bad_requests_are_one_line(petri, light, capsys, monkeypatch, words, message):
    Image.new("L", (16, 16)).save("black.png")
    monkeypatch.setattr(sys, "argv", ["petri", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert end.value.code == 2 and message in said, said

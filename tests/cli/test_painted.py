"""The command line with a model whose decoder paints."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from petri import images, modelfile
from petri.modelfile import Model
from petri.nca import Spec


@pytest.fixture
def painter(tmp_path, random_automaton):
    """A model file of 16² cells and 64² pixels, as if trained for five steps."""
    spec = Spec.of(channels=8, hidden=16, layers=2, living=True, decoder={"kind": "lppn", "width": 8})
    recipe = {"task": "paint", "phases": [{"res": 16, "steps": [4, 5]}], "hold": 0, "loss": {"pixels": 64}}
    training = {"recipe": recipe, "ground": "#ffffff"}
    model = Model(automaton=random_automaton(spec, change=0.02), target="logo", training=training)
    path = tmp_path / "painter.safetensors"
    modelfile.write(path, model)
    return path, model


def test_a_picture_is_painted_at_the_size_that_is_asked_for(petri, painter, tmp_path):
    path, model = painter
    out = tmp_path / "a.png"
    state = model.rollout(model.seed_state(), 6)[0]
    for asked, pixels in ((["--pixels", 100], 100), ([], 64), (["--zoom", 3], 48)):
        petri("play", path, "--steps", 6, *asked, "--out", out)
        wanted = images.picture(model.automaton, state, "#ffffff", pixels)
        np.testing.assert_array_equal(np.asarray(Image.open(out)), wanted)
        assert len(np.unique(wanted.reshape(-1, 3), axis=0)) > 20  # something lives
    petri("play", path, "--steps", 6, "--res", 24, "--out", out)  # to each cell as many pixels as ever
    assert Image.open(out).size == (96, 96)
    petri("play", path, "--steps", 6, "--pixels", 80, "--ground", "transparent", "--out", out)
    assert Image.open(out).mode == "RGBA" and Image.open(out).size == (80, 80)


def test_a_still_of_what_was_damaged_is_that_of_the_film(petri, painter, tmp_path):
    path, _ = painter
    for name in ("still.png", "film.apng"):
        petri("play", path, "--steps", 8, "--damage", "--pixels", 40, "--out", tmp_path / name)
    film = Image.open(tmp_path / "film.apng")
    film.seek(film.n_frames - 1)
    still = np.asarray(Image.open(tmp_path / "still.png"))
    np.testing.assert_array_equal(np.asarray(film.convert("RGB")), still)
    petri("play", path, "--steps", 8, "--pixels", 40, "--out", tmp_path / "whole.png")
    assert (np.asarray(Image.open(tmp_path / "whole.png")) != still).any()


def test_a_film_of_mp4_is_written_frame_by_frame(petri, painter, tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    path, _ = painter
    monkeypatch.setattr("nca_cli.play.PICTURES_BYTES", 40_000)
    said = petri("play", path, "--steps", 6, "--pixels", 90, "--out", tmp_path / "a.webp", code=2)
    assert "lower --steps or --pixels, or name it .mp4" in said
    petri("play", path, "--steps", 6, "--pixels", 90, "--fps", 10, "--out", tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 4 + 2 * 10 and frames[0].shape == (90, 90, 3)  # two seconds of the last one
    said = petri("play", path, "--steps", 6, "--pixels", 200, "--out", tmp_path / "a.png", code=2)
    assert "lower --steps or --pixels" in said and "mp4" not in said


def test_sizes_that_cannot_be_painted_are_refused_in_one_line(petri, painter, tmp_path):
    path, _ = painter
    out = ("--out", tmp_path / "a.png")
    for asked, said in (
        (["--pixels", 15], "greater than or equal to 16"),
        (["--pixels", 100_000], "less than or equal to 16384"),
        (["--pixels", 20, "--res", 32], "--pixels must be at least the cells along a side, 32, got 20"),
        (["--pixels", 64, "--zoom", 2], "leave one of them out"),
    ):
        assert said in petri("play", path, *asked, *out, code=2)
    assert "circle has no decoder" in petri("play", "circle", "--pixels", 512, *out, code=2)
    assert not (tmp_path / "a.png").exists()
    for asked, said in (
        (["logo", "--pixels", 500], "500×500 pixels do not fit 64×64 cells"),
        (["logo", "--pixels", 32], "32×32 pixels do not fit 64×64 cells"),
        (["logo", "--pixels", 100_000], "pixels must be a whole number in 16..4096, got 100000"),
        (["logo", "emoji:🦎", "--pixels", 512], "--pixels is for one target"),
        (["circle", "--pixels", 512], "circle fills its plane"),
        (["logo", "--pixels", 512, "--preset", "distill"], "the preset quick"),
        (["logo", "--from", path, "--res", 16], "has a decoder: say with --pixels"),
    ):
        assert said in petri("grow", *asked, "--dry-run", code=2)


def test_evaluate_says_what_is_painted_at_other_sizes(petri, painter, monkeypatch):
    path, _ = painter
    monkeypatch.setattr("petri.evaluation.painted.PIXELS", (32, 128))
    monkeypatch.setattr("petri.evaluation.evaluation.FIGURES_DRIFT", (8,))
    said = petri("evaluate", path, "--seeds", 2, "--heal-steps", 3)
    assert "painted at 64²" in said and "cells enlarged" in said
    for row in ("32×32 ", "64×64, as trained", "128×128 "):
        assert row in said


def test_grow_paints_and_says_what_cells_alone_would_show(petri, tmp_path, monkeypatch):
    monkeypatch.setattr("petri.tasks.grown.FRESH", 8)
    monkeypatch.setattr("petri.tasks.grown.LASTING", 20)
    settings = ["phases.steps=[4,6]", "phases.again=[2,3]", "pool.size=8", "pool.rivals=4", "loss.lines=16"]
    options = [word for setting in settings for word in ("--set", setting)]
    run = ("--out", tmp_path, "--name", "run")
    said = petri("grow", "emoji:🦎", "--res", 16, "--pixels", 176, "--epochs", 3, *options, *run, code=1)
    assert "16×16 cells · 176×176 pixels" in said and "decoder of 3 × 64" in said
    assert "emoji:🦎 is 120 pixels large: enlarged for 176" in said
    assert "without a decoder" in said
    assert Image.open(tmp_path / "run" / "grown.png").size == (176, 176)
    said = petri("grow", "--resume", tmp_path / "run", "--epochs", 2, code=1)
    assert "176×176 pixels" in said
    assert torch.isfinite(modelfile.read(tmp_path / "run" / "model.safetensors").grown()).all()


@pytest.mark.slow
def test_a_png_of_4096_pixels_takes_less_than_a_gigabyte(tmp_path, random_automaton):
    spec = Spec.of(hidden=128, layers=2, living=True, decoder={"kind": "lppn"})
    recipe = {"task": "paint", "phases": [{"res": 64, "steps": [4, 5]}], "hold": 0, "loss": {"pixels": 512}}
    model = Model(automaton=random_automaton(spec, change=0.02), target="logo", training={"recipe": recipe})
    path, out = tmp_path / "model.safetensors", tmp_path / "a.png"
    modelfile.write(path, model)
    # Asked of the process itself: what the system says of one that has ended counts what its parent held.
    code = (
        "import atexit; from petri import memory; from petri.__main__ import main; "
        "atexit.register(lambda: print(memory.peak())); main()"
    )
    options = ["play", path, "--pixels", "4096", "--ground", "white", "--out", out]
    said = subprocess.run(
        [sys.executable, "-c", code, *options], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert Image.open(out).size == (4096, 4096)
    assert 100_000_000 < int(said.split()[-1]) < 1_000_000_000

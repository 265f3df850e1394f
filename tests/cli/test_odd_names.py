"""Names of files that are no text in UTF-8, that would command a terminal, or that look like markup."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from petri import modelfile, targets

TINY = ["--res", "16", "--hidden", "16", "--epochs", "2", "--set", "phases.steps=[4, 8]"]
LATIN = os.fsdecode(b"caf\xe9")  # Latin-1, which Python holds as caf\udce9
ODD = "[bold]a :fire: \x1b[31mred"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a picture under each odd name."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    for name in (LATIN, ODD):
        try:
            with open(f"{name}.png", "wb") as file:
                Image.fromarray(pixels).save(file, "PNG")
        except OSError:
            pytest.skip("this file system takes no such names")
    return tmp_path


def test_a_picture_of_a_latin_name_in_a_latin_folder_is_grown_and_all_is_read_back(petri, here):
    said = petri("grow", f"{LATIN}.png", *TINY, "--out", LATIN, "--name", "run")
    assert "caf�.png grown" in said and "petri play $'caf\\xe9/run'" in said
    run = here / LATIN / "run"
    assert 'target = "file:caf%E9.png"' in (run / "recipe.toml").read_text(encoding="utf-8")
    assert modelfile.read(run / "model.safetensors").target == "caf�.png"
    assert "is finished" in petri("grow", "--resume", run, code=2)
    (run / "model.safetensors").unlink()
    assert "1 model" in petri("view", run, "--export", f"{LATIN}-site")  # of its checkpoint
    assert "caf�.png grown" in petri("grow", "--resume", run)
    assert "caf�.png on 16×16" in petri("evaluate", run, "--seeds", 2)  # the target is found again
    petri("play", run, "--steps", 2, "--out", f"{LATIN}/a.gif")
    assert (here / LATIN / "a.gif").is_file()


def test_what_a_recipe_says_of_such_a_file_is_the_file(here):
    asked = targets.written(f"{LATIN}.png")
    assert asked == "file:caf%E9.png" and targets.written(asked) == asked
    assert targets.path_of(asked).samefile(f"{LATIN}.png")
    assert np.array_equal(targets.load(asked, 16).pixels, targets.load(f"{LATIN}.png", 16).pixels)
    for name in ("spiral", "emoji:🦎", "text:é", "café.png", "./x y.png"):
        assert targets.written(name) == name


def test_odd_names_are_shown_as_they_are_and_command_nothing(petri, here):
    shown = ODD.replace("\x1b", "␛")
    said = petri("grow", f"{ODD}.png", *TINY, "--out", ODD)
    assert f"{shown}.png grown" in said and f"{shown}/" in said
    (run,) = (here / ODD).iterdir()
    (run / "model.safetensors").rename(here / f"{ODD}.safetensors")
    (here / "bad.safetensors").write_bytes(b"nothing")
    for command, code in (
        (("view", f"{ODD}.safetensors", "--export", f"{ODD}-site"), 0),
        (("shader-gen", f"{ODD}.safetensors", "--out", f"{ODD}-out", "--shadertoy", "--embed"), 0),
        (("evaluate", f"{ODD}.safetensors", "bad.safetensors", "--target", "circle", "--seeds", 2), 1),
        (("play", f"{ODD}.safetensors", "--steps", 2, "--out", f"{ODD}.gif"), 0),
    ):
        said = petri(*command, code=code)
        assert shown in said and "\x1b" not in said and "🔥" not in said
    manifest = json.loads((here / f"{ODD}-site" / "manifest.json").read_text())
    assert manifest["models"][0]["name"] == shown


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the locale does not decide what names are")
def test_in_the_c_locale_all_the_same_can_be_grown(here):
    (here / f"{LATIN}.png").rename(here / "café.png")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONIOENCODING", None)

    def run(*arguments, code=0):
        command = [sys.executable, "-m", "petri", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="ascii")
        assert done.returncode == code, done.stderr
        return done.stdout

    assert "emoji:?" in run("targets")
    assert "caf?.png grown" in run("grow", "café.png", *TINY)
    # Of so few epochs no figure comes to life, and the command says so.
    assert "emoji:? has not grown" in run("grow", "emoji:🦎", *TINY, code=1)
    recipes = {path.parent.name: path.read_text(encoding="utf-8") for path in here.glob("runs/*/recipe.toml")}
    assert 'target = "file:caf%C3%A9.png"' in recipes["caf-e9-16"]
    assert 'target = "emoji:🦎"' in recipes["emoji-1f98e-16"]

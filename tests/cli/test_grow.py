import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import petri
from petri import modelfile
from petri.training.runs import Run

TINY = ["--res", "16", "--hidden", "16", "--set", "phases.steps=[4, 8]", "--set", "phases.batch=2"]
FILES = {
    "model.safetensors",
    "grown.png",
    "growth.webp",
    "target.png",
    "loss.png",
    "metrics.csv",
    "recipe.toml",
    "checkpoint.safetensors",
}


def run(folder, *arguments, code=0):
    """Run petri in a folder; its output, errors after it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "petri", *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grown")
    said = run(folder, "grow", "circle", *TINY, "--epochs", 3)
    return folder / "runs" / "circle-16", said


def test_a_run_leaves_its_files_and_names_them(grown):
    folder, said = grown
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    assert all(name in said for name in FILES - {"checkpoint.safetensors"})
    assert "16×16 cells · learned+dilated · 16 hidden · 2 layers" in said
    assert "what has grown is no likeness yet: train it further by  petri grow --resume" in said


def test_the_files_hold_what_they_say(grown):
    folder, _ = grown
    model = modelfile.read(folder / "model.safetensors")
    recipe = Run.open(folder).recipe
    assert model.automaton.spec == recipe.spec and model.target == "circle"
    assert model.training["epochs"] == 3 and model.res == 16 and model.steps == 8
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    parts = [float(rows[0][name]) for name in ("pattern", "stability", "overflow")]
    assert all(part > 0 for part in parts[:2]) and float(rows[0]["loss"]) < 1.5
    growth = Image.open(folder / "growth.webp")
    assert growth.n_frames == 1 + (8 + 32) // 2 and growth.size == (256, 256)
    assert Image.open(folder / "target.png").size == (16, 16)


def test_the_picture_is_what_the_model_grows(grown):
    folder, _ = grown
    automaton = petri.load(folder / "model.safetensors")
    with torch.no_grad():
        state = automaton.rollout(automaton.seed_state(16), 8 + 32)
    rgb = (state[0, :3].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    shown = np.asarray(Image.open(folder / "grown.png"))
    assert np.array_equal(shown, rgb.repeat(16, axis=0).repeat(16, axis=1))


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_numbers_it_would_have_had(grown, tmp_path):
    whole, _ = grown
    # A run that was killed after its second epoch: its folder holds the checkpoint and no results.
    code = (
        "import sys, torch; from pathlib import Path; from petri import devices\n"
        "from petri.training import loop; from petri.training.runs import Run\n"
        "recipe = Run.open(Path(sys.argv[1])).recipe\n"
        "run, trainer = loop.start(recipe, Path('runs'), 'cut', devices.choose('cpu'))\n"
        "for _ in range(2): trainer.train_epoch()\n"
        "run.rows = [(1.0,) * 10] * 2\n"
        "run.write_checkpoint(trainer.tensors(), 2, 1.0)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, whole], cwd=tmp_path, env=environment, check=True)
    said = run(tmp_path, "grow", "--resume", "runs/cut")
    assert "resumed at epoch 2" in said
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "runs" / "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    last = []
    for folder in (whole, tmp_path / "runs/cut"):
        with (folder / "metrics.csv").open() as file:
            last.append({**list(csv.DictReader(file))[2], "seconds": None})
    assert last[0] == last[1] and last[0]["epoch"] == "3"
    assert "is finished: 3 of 3 epochs" in run(tmp_path, "grow", "--resume", "runs/cut", code=2)


def _without_model(folder):
    (folder / "model.safetensors").unlink()


def _with_the_model_of_an_earlier_stop(folder):
    model = modelfile.read(folder / "model.safetensors")
    model.training["epochs"] = 1
    modelfile.write(folder / "model.safetensors", model)


@pytest.mark.parametrize("kill", [_without_model, _with_the_model_of_an_earlier_stop])
def test_a_run_killed_while_it_wrote_its_results_can_be_finished(grown, petri, tmp_path, kill):
    whole, _ = grown
    shutil.copytree(whole, tmp_path / "run")
    kill(tmp_path / "run")
    (tmp_path / "run" / "growth.webp").write_bytes(b"of the earlier stop")
    assert "circle grown" in petri("grow", "--resume", tmp_path / "run")
    for name in ("model.safetensors", "growth.webp", "grown.png"):
        if name == "model.safetensors":  # its metadata has the number of threads, which differs here
            one, other = (load_file(folder / name) for folder in (whole, tmp_path / "run"))
            assert all(torch.equal(one[key], other[key]) for key in one)
        else:
            assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    assert "is finished: 3 of 3 epochs" in petri("grow", "--resume", tmp_path / "run", code=2)


def test_a_reader_who_goes_away_does_not_end_the_run(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "petri", "grow", "circle", *TINY, "--epochs", "2"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert {path.name for path in (tmp_path / "runs" / "circle-16").iterdir()} - {".lock"} == FILES


def test_ctrl_c_finishes_cleanly_and_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "petri", "grow", "circle", *TINY, "--epochs", "100000"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    folder = tmp_path / "runs" / "circle-16"
    deadline = time.monotonic() + 60
    while not (folder / "target.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    in_use = run(tmp_path, "grow", "--resume", folder, code=2)
    assert in_use.strip() == f"petri: {folder} is in use by another process"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "petri grow --resume runs/circle-16" in said
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    epoch = int(re.search(r"stopped at epoch ([\d,]+) of 100,000", said)[1].replace(",", ""))
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + epoch


def test_a_transparent_image_grows_with_the_living_mask_from_inside_the_figure(tmp_path):
    pixels = np.full((24, 24, 4), (200, 40, 40, 255), np.uint8)
    pixels[6:18, 6:18] = 0  # a frame: its middle is empty
    Image.fromarray(pixels).save(tmp_path / "frame.png")
    said = run(tmp_path, "grow", "frame.png", *TINY, "--epochs", 1, code=1)  # it has not grown yet
    assert "16 of 16 rollouts did not grow or did not last: train it further by" in said
    model = modelfile.read(tmp_path / "runs" / "frame-16" / "model.safetensors")
    assert model.automaton.spec.living and model.target == "frame.png"
    start = model.automaton.spec.start
    assert max(abs(fraction - 0.5) for fraction in (start.x, start.y)) > 0.15


def test_a_shader_is_the_same_picture_wherever_it_is_drawn_again(tmp_path):
    from petri import tasks
    from petri.evaluation.target import target_of
    from petri.targets import load, shader

    try:
        shader._context().release()
    except petri.BadRequest as error:
        pytest.skip(str(error))
    fade = (
        "void mainImage(out vec4 c, in vec2 p) { c = vec4(p / iResolution.xy, 0.5, 1.0) * min(iTime, 1.0); }"
    )
    (tmp_path / "fade.glsl").write_text(fade)
    path = str(tmp_path / "fade.glsl")
    said = run(tmp_path, "grow", path, "--time", "0.5", *TINY, "--epochs", 1)
    assert "fade.glsl moves: it is grown as it stands at time 0.5" in said
    folder = tmp_path / "runs" / "fade-0-5-16"
    recipe = Run.open(folder, lock=False).recipe
    assert (recipe.target, recipe.name) == (f"{path}@0.5", "fade.glsl@0.5")
    drawn = load(f"{path}@0.5", 16).pixels[:3]
    assert abs(drawn[2].mean() - 0.25) < 1e-6
    np.testing.assert_array_equal(tasks.make(recipe).target.numpy(), drawn)
    assert (
        target_of(modelfile.read(folder / "model.safetensors"), folder / "model.safetensors") == recipe.target
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_recipe_without_an_end_is_refused(petri, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    line = petri("grow", "circle", "--recipe", str(tmp_path / "pipe"), code=2)
    assert "is a pipe or a device" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grow"], "say what to grow"),
        (["grow", "circle", "--time", "2"], "only a shader (.glsl or .frag) has a time"),
        (["grow", "waves.glsl@soon"], 'must be a number of seconds, got "soon"'),
        (["grow", "spirl"], 'did you mean "spiral"'),
        (["grow", "circle", "--res", "8"], "res must be a whole number in 16..4096, got 8"),
        (["grow", "circle", "--layers", "2", "--residual"], "residual needs layers = 3, got layers = 2"),
        (["grow", "circle", "--hidden", "40"], "hidden must be a multiple of 16, got 40"),
        (["grow", "circle", "--perception", "sobbel"], "an unknown sense 'sobbel' in 'sobbel'"),
        (["grow", "circle", "--set", "phases.steps=[9, 3]"], "phases.1: the most of steps"),
        (["grow", "circle", "--set", "phases.steps=a"], "phases.1: steps must be two whole numbers"),
        (["grow", "circle", "--set", "loss"], "--set must be FIELD=VALUE"),
        (["grow", "circle", "--set", "loss.perceptal=1"], 'did you mean "perceptual"'),
        (["grow", "circle", "--set", "los.perceptual=1"], "unknown field 'los'"),
        (["grow", "circle", "--set", "phases.8.batch=1"], "there are 7 phases"),
        (["grow", "circle", "--set", "phases.1.res=128"], "phases must not shrink: res 36 follows 128"),
        (["grow", "circle", "--preset", "slow"], "preset must be one of quick, report, distill"),
        (["grow", "circle", "--engine", "jax"], "engine must be one of"),
        (["grow", "circle", "--recipe", "notes.png"], "the recipe is not TOML"),
        (["grow", "circle", "--recipe", "nowhere.toml"], "cannot be read"),
        (["grow", "circle", "--device", "tpu"], "device must be one of"),
        (["grow", "circle", "--epochs", "x"], "--epochs"),
        (["grow", "circle", "--epoch", "3"], "--epoch"),
        (["grow", "circle", "--set", "a=1", "--resume", "runs/x"], "leave out --set, TARGET"),
        (["grow", "circle", "--set", "phases.².batch=1"], "there is no table '²'"),
        (["grow", "circle", "--set", "hold=" + "9" * 5000], "hold must be a whole number"),
        (["grow", "--resume", "runs/x"], "is not a run"),
        (["grow", "--resume", "y" * 400], "petri:"),
        (["view", "y" * 400], "petri:"),
        (["view", "~nobody-at-all/x"], "cannot be read"),
        (["grow", "picture.png"], "picture.png"),
        (["grow", "notes.png"], "notes.png"),
        (["grow", "circle", "--out", "notes.png"], "cannot write"),
        (["grow", "circle", "--name", "a/b"], "name must be"),
        (["grow", "circle", "--name", "\x1b[31m"], "control characters"),
        (["grow", "text:" + "x" * 400], "too long for res 64"),
        (["play", "y" * 400], "there is no model"),
        (["play", "circle", "--out", "nowhere/a.gif"], "there is no folder"),
        (["play", "circle", "--res", "4096", "--zoom", "64", "--out", "a.gif"], "GB of pictures"),
        (["play", "circle", "--res", "4096", "--zoom", "64", "--out", "a.png"], "GB of pictures"),
        (["play", "nobody"], "there is no model 'nobody'"),
        (["play", "notes.png"], "is not a model file"),
        (["play", "circle", "--out", "a.tiff"], "must end in one of"),
        (["import", "distill", "notes.png"], "notes.png"),
        (["targets", "--sheet", "a.jpg"], "must end in .png"),
        (["targets", "--sheet", "nowhere/a.png"], "cannot write"),
        (["bogus"], "bogus"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(petri, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.png").write_text("not a picture")
    line = petri(*arguments, code=2)
    assert said in line and len(line.strip().splitlines()) == 1, line
    assert [path.name for path in tmp_path.iterdir()] == ["notes.png"]


def test_debug_shows_where_an_error_comes_from(tmp_path):
    assert "Traceback" in run(tmp_path, "--debug", "grow", "spirl", code=1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_fills_up_while_training_destroys_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    process = None
    try:
        refused = run(tmp_path, "grow", "circle", "--res", 128, "--out", disk, code=2)
        assert "needs" in refused and "free" in refused and not list(disk.iterdir())
        run(tmp_path, "grow", "circle", *TINY, "--epochs", 1, "--out", disk, "--name", "kept")
        kept = {path: path.read_bytes() for path in (disk / "kept").iterdir()}
        process = subprocess.Popen(
            [sys.executable, "-m", "petri", "grow", "circle", *TINY, "--epochs", "100000", "--out", disk],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while not (disk / "circle-16" / "target.png").exists():
            time.sleep(0.05)
        time.sleep(2)
        before = (disk / "circle-16" / "checkpoint.safetensors").read_bytes()
        ballast = (disk / "ballast").open("wb", buffering=0)
        with ballast:
            for _ in range((shutil.disk_usage(disk).free - 100_000) // 4096):
                ballast.write(b"0" * 4096)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert (
            process.returncode == 1
            and "cannot write to" in said
            and "should not happen" not in said
            and "Traceback" not in said
        ), said
        assert (disk / "circle-16" / "checkpoint.safetensors").read_bytes() == before
        assert {path: path.read_bytes() for path in (disk / "kept").iterdir()} == kept
    finally:
        if process:
            process.kill()
            process.communicate()
        subprocess.run(["umount", disk], check=True)
        shutil.rmtree(disk)

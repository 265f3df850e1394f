import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dni_cli import watch
from petri import datasets, tensorfile
from petri.datasets import mini
from petri.dni import experiment, modelfile, pipeline, plots
from petri.dni.recipe import DniRecipe
from petri.dni.runs import DniRun
from petri.dni.stage import Measured
from petri.errors import BadRequest

TINY = ["--data", "mini", "--widths", "16,8", "--batch", "500", "--epochs", "2"]
FILES = {
    "baseline.safetensors", "dni.safetensors", "metrics.csv", "graders.csv", "recipe.toml", *plots.FILES,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PETRI_DATA", raising=False)


@pytest.fixture
def without_plots(monkeypatch):
    """Drawing takes longer than all the rest, and one test looks at what is drawn."""
    monkeypatch.setattr(plots, "save_all", lambda run: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run."""

    class Silent:
        def epoch(self, what, epoch):
            pass

    recipe = DniRecipe(data="mini", widths=(16, 8), batch=500, epochs=2, conditioned=True)
    run = DniRun.create(tmp_path_factory.mktemp("trained"), "it", recipe)
    experiment.train(run, datasets.load("mini"), Silent())
    run.close()
    return run.folder


def rows(folder, name="metrics.csv"):
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def accuracies(folder):
    return [{key: row[key] for key in row if key != "step_ms"} for row in rows(folder)]


def test_a_run_leaves_its_files_and_says_what_came_of_it(petri, tmp_path):
    said = petri("dni", "mnist", *TINY, "--seeds", 2, "--beta-max", 0.5, "--warm-up", 1)
    folder = tmp_path / "runs" / "dni-mini"
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    assert all(name in said for name in FILES)
    assert "mini (3,000 images of MNIST)" in said and "clean way, β 0.5, mlp graders" in said
    for word in ("baseline", "gap", "synthetic ratio", "time a step", "standard deviation of 2 seeds"):
        assert word in said
    for name in plots.FILES:
        assert Image.open(folder / name).size == (840, 480)
    found = rows(folder)
    assert [(row["seed"], row["network"], row["epoch"]) for row in found] == [
        (seed, network, epoch) for seed in "01" for network in ("baseline", "dni") for epoch in "12"
    ]
    assert [row["beta"] for row in found[:4]] == ["0", "0", "0.5", "0.5"]
    assert {row["layer"] for row in rows(folder, "graders.csv")} == {"1", "2"}
    last = [float(row["accuracy"]) for row in found if row["network"] == "dni" and row["epoch"] == "2"]
    assert re.search(rf"DNI +{sum(last) / 2:.2f} ±", said)


def test_the_models_are_the_networks_of_the_first_seed(trained, tmp_path):
    folder = trained
    test = datasets.load("mini").test
    for name in ("baseline", "dni"):
        model = modelfile.read(folder / f"{name}.safetensors")
        with torch.no_grad():
            right = (model.network(test.images).argmax(1) == test.labels).float().mean()
        row = next(row for row in reversed(rows(folder)) if row["network"] == name)
        assert model.accuracy == pytest.approx(100 * float(right)) == pytest.approx(float(row["accuracy"]))
        assert (model.graders is not None) == (name == "dni") and model.recipe.conditioned
    again = tmp_path / "again.safetensors"
    modelfile.write(again, model)
    assert again.read_bytes() == (folder / "dni.safetensors").read_bytes()


def test_model_files_that_are_none(trained, tmp_path):
    whole = (trained / "dni.safetensors").read_bytes()
    path = tmp_path / "broken.safetensors"
    for broken, said in (
        (b"nothing", "not a model file"),
        (whole[:-8], "not a model file"),
        (whole.replace(b'"petri dni"', b'"petri DNI"', 1), "not a network of"),
        (whole.replace(b"[16, 8]", b"[17, 8]", 1), "must be"),
        (whole.replace(b'\\"epochs\\": 2', b'\\"epochs\\": 0', 1), "epochs"),
    ):
        assert broken != whole
        path.write_bytes(broken)
        with pytest.raises(BadRequest, match=said):
            modelfile.read(path)


@pytest.mark.parametrize("options", [["--way", "chained"], ["--decoupled"], ["--beta-max", "0"]])
def test_the_ways_are_named_where_the_numbers_are(petri, without_plots, options):
    said = petri("dni", "mnist", *TINY, *options)
    named = {"--way": "chained way, β 0.4 of 0.8", "--decoupled": "decoupled, mlp", "--beta-max": "β 0,"}[
        options[0]
    ]
    assert said.count(named) == 2
    if options[0] == "--beta-max":
        assert re.search(r"gap +0\.00 points", said)


def test_ctrl_c_keeps_the_finished_seeds_and_resume_trains_the_others(petri, without_plots, tmp_path):
    arguments = ["dni", "mnist", *TINY, "--seeds", "40"]
    process = subprocess.Popen(
        [sys.executable, "-m", "petri", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    folder = tmp_path / "runs" / "dni-mini"
    until = time.monotonic() + 120
    while not (folder / "metrics.csv").is_file() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    kept = accuracies(folder)
    done = len(kept) // 4
    assert 1 <= done < 40 and f"{done} of 40 seeds are finished and kept" in said
    assert "--resume" in said and (folder / "accuracy.png").is_file()
    # The rest would take a while: make it two more.
    recipe = (folder / "recipe.toml").read_text().replace("seeds = 40", f"seeds = {done + 2}")
    (folder / "recipe.toml").write_text(recipe)
    petri("dni", "mnist", "--resume", folder)
    petri("dni", "mnist", *TINY, "--seeds", done + 2, "--name", "whole")
    assert accuracies(folder)[: len(kept)] == kept
    assert accuracies(folder) == accuracies(tmp_path / "runs" / "whole")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mnist", "--beta-max", "1.2"], "beta_max must be in [0, 1], got 1.2"),
        (["mnist", "--beta-max", "-1"], "beta_max must be in [0, 1], got -1.0"),
        (["mnist", "--data", "cifar"], "data must be one of mnist, fashion, mini, got 'cifar'"),
        (["mnist", "--widths", "12,x"], "--widths must be whole numbers such as 256,128, got '12,x'"),
        (["mnist", "--widths", "0"], "each of widths must be a whole number in 1..8192, got 0"),
        (["mnist", "--widths", ""], "--widths must be whole numbers"),
        (["mnist", "--decoupled", "--beta-max", "0.5"], "beta_max must be 1"),
        (["mnist", "--decoupled", "--way", "chained"], "leave out --way"),
        (["mnist", "--data", "mini", "--batch", "4000"], "batch must be at most the 3,000 images, got 4000"),
        (["mnist", "--data", "mini", "--name", "a/b"], "name must be that of a folder"),
        (["mnist", "--resume", "nowhere"], "nowhere is not a run"),
        (["mnist", "--resume", "nowhere", "--epochs", "3"], "leave out --epochs"),
        (["mnist", "--device", "tpu"], "device must be one of"),
        (["pipeline", "--data", "mini", "--stages", "1"], "stages must be a whole number in 2"),
        (["pipeline", "--data", "mini", "--width", "wide"], "--width must be whole numbers"),
        (["bench", "--steps", "0"], "steps must be"),
        (["ablate", "--way", "none"], "way must be one of"),
        (["ablate", "--way", "decoupled"], "way must be one of clean, chained, got 'decoupled'"),
        (["ablate", "--data", "mini", "--warm-up", "0"], "warm_up must be above 0"),
        (["mnist", "--way", "decoupled"], "layers without a backward pass are --decoupled"),
        (["pipeline", "--data", "mini", "--stages", "9"], "stages must be a whole number in 2..8, got 9"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(petri, tmp_path, arguments, said):
    answer = petri("dni", *arguments, code=2)
    assert said in answer and answer.count("\n") == 1 and "Traceback" not in answer
    assert not list(tmp_path.rglob("*.toml")) and not list(tmp_path.rglob("*.json"))


def test_damaged_data_is_named_before_a_run_is_made(petri, tmp_path):
    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(b"damaged")
    answer = petri("dni", "mnist", "--data-dir", tmp_path / "data", code=2)
    assert "train-images-idx3-ubyte is damaged: the md5" in answer and answer.count("\n") == 1
    assert "the data set must be one of" in petri("data", "fetch", "cifar", code=2)
    assert not (tmp_path / "runs").exists()


def test_a_disk_without_permission(petri, tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    assert "cannot write to runs" in petri("dni", "mnist", *TINY, code=2)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("metrics.csv", lambda text: text.replace("accuracy", "luck"), "must have the columns"),
        ("metrics.csv", lambda text: text[: text.rindex("\n0,")] + "\n", "must have 2 epochs of seed 0, dni"),
        ("metrics.csv", lambda text: text.replace(",dni,", ",other,"), "must have 2 epochs of seed 0, dni"),
        (
            "metrics.csv",
            lambda text: re.sub(r"[^,]+(,[^,]+\n)\Z", r"nan\1", text),
            "accuracy must be in [0, 100], got nan",
        ),
        ("metrics.csv", lambda text: re.sub(r"[^,]+\n\Z", "inf\n", text), "step_ms must be in"),
        ("graders.csv", lambda text: text[: text.index("\n") + 1], "graders.csv lacks lines of seed 0"),
        ("graders.csv", lambda text: text[: text.rindex("\n0,")] + "\n", "graders.csv lacks lines of seed 0"),
    ],
)
def test_damaged_metrics_are_refused(petri, trained, tmp_path, name, change, said):
    folder = tmp_path / "it"
    shutil.copytree(trained, folder)
    path = folder / name
    path.write_text(change(path.read_text()))
    before = path.read_bytes()
    answer = petri("dni", "mnist", "--resume", "it", code=2)
    assert "metrics in it are damaged" in answer and said in answer and answer.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("accuracy", ["nan", "inf", "101", "high"])
def test_a_model_file_with_an_accuracy_that_is_none_is_refused(trained, tmp_path, accuracy):
    metadata, tensors = tensorfile.read(trained / "dni.safetensors", "model file")
    path = tmp_path / "edited.safetensors"
    path.write_bytes(tensorfile.to_bytes(tensors, metadata | {"accuracy": accuracy}))
    with pytest.raises(BadRequest, match=r"edited\.safetensors: (accuracy must be|the metadata is damaged)"):
        modelfile.read(path)


def test_resuming_a_finished_run_draws_and_prints_again(petri, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", None)  # no data are needed for that
    folder = tmp_path / "it"
    shutil.copytree(trained, folder)
    before = (folder / "metrics.csv").read_bytes()
    said = petri("dni", "mnist", "--resume", "it")
    assert "mini (3,000 images of MNIST)" in said and re.search(r"gap +-?\d", said) and "accuracy.png" in said
    assert {path.name for path in folder.iterdir()} - {".lock"} == FILES
    assert (folder / "metrics.csv").read_bytes() == before


def test_the_lines_in_the_documentation_classify_an_image(trained, tmp_path, capsys):
    arrays = mini.read()
    shutil.copytree(trained, tmp_path / "runs" / "dni-mnist")
    Image.fromarray(arrays["test_images"][0]).resize((56, 56)).save("digit.png")
    text = (Path(__file__).parents[2] / "docs" / "dni.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    model = modelfile.read(trained / "dni.safetensors")
    small = np.array(Image.open("digit.png").convert("L").resize((28, 28)))
    assert capsys.readouterr().out == f"{model.classify(small[None])}\n"
    found = np.array(model.classify(arrays["test_images"]))
    assert 100 * np.mean(found == arrays["test_labels"]) == pytest.approx(model.accuracy, abs=0.11)


def test_ablate_bench_and_help(petri):
    said = petri("dni", "ablate", *TINY, "--seeds", 2)
    for part in ("chained way", "without warm-up", "without any of the three", "predict nothing", "mini ("):
        assert part in said
    assert "runs/dni-ablate-mini.json" in said and petri("dni", "ablate", *TINY, "--seeds", 2) == said
    answer = petri("dni", "ablate", *TINY, "--unit", "sample", code=2)
    assert "is of another recipe: choose another --out" in answer and answer.count("\n") == 1
    said = petri("dni", "bench", "--widths", "16,8", "--steps", 1, "--repetitions", 2, "--batch", 50)
    for part in (
        "784→16→8→10",
        "as the report builds them",
        "plain Adam",
        "decoupled",
        "ms of CPU",
        "mini (",
    ):
        assert part in said
    assert "mnist" in petri("dni") and "fetch" in petri("data")


def test_the_pipeline_takes_turns_keeps_what_it_has_and_shows_a_table(petri, tmp_path, monkeypatch):
    """Through the command line, with the training replaced."""
    done = []

    def run(plan, name, root, seen):
        if len(done) == 8:
            done.append(None)
            raise KeyboardInterrupt
        done.append((plan.sizes[1], plan.schedule, plan.stages, plan.threads, plan.grader_every, plan.seed))
        speed = {"lock-step": 100.0, "micro-batches": 150.0, "decoupled": 200.0}[plan.schedule]
        epochs = [Measured(speed, 1 / number, 90.0 + number + plan.seed) for number in (1, 2)]
        for epoch in epochs:
            seen(epoch)
        return epochs

    shown = []
    monkeypatch.setattr(watch.Watch, "show", lambda self, text: shown.append(text))
    monkeypatch.setattr(pipeline, "run", run)
    arguments = [
        "dni",
        "pipeline",
        "--data",
        "mini",
        "--width",
        "8,512",
        "--repetitions",
        2,
        "--out",
        "p.json",
    ]
    petri(*arguments, code=130)
    assert len(json.loads((tmp_path / "p.json").read_text())["trials"]) == 8
    said = petri(*arguments)
    trained = [one for one in done if one]
    assert len(trained) == len(set(trained)) == 24  # nothing twice
    assert trained[0] == (8, "lock-step", 1, 1, 1, 0) and trained[6] == (8, "lock-step", 1, 2, 1, 1)
    assert "width 8  repetition 1 of 2  decoupled  loss 0.5000  test accuracy 92.00 %  200 samples/s" in shown
    for part in ("784→8→8→8→8→10", "784→512→", "2 repetitions", "p.json has all trainings"):
        assert part in said
    wide = said[said.index("784→512→") :]
    for row in (
        r"one process, 1 thread +100 +1\.00",
        r"one process, 2 threads +100 +1\.00",
        r"lock-step +3 +100 +1\.00 \(1\.00–1\.00\) +92\.50 ± 0\.71 +0\.5000",
        r"8 micro-batches +3 +150 +1\.50 \(1\.50–1\.50\)",
        r"decoupled +2 +200 +2\.00",
        r"decoupled, graders learn every 4 batches +3 +200",
    ):
        assert re.search(row, wide), row
    assert petri(*arguments) == said and len(done) == 25
    assert "is of another recipe" in petri(*arguments, "--batch", 128, code=2)

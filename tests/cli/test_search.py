import os
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from petri import modelfile
from petri.search import storage
from petri.search.study import Study
from petri.search.trials import DONE, LOST

TINY = ["--res", "16", "--epochs", "2", "--set", "phases.batch=2", "--set", "phases.steps=[2, 4]"]
SEARCH = ["search", "circle", *TINY, "--trials", "3", "--seeds", "2"]
PROMOTE = ["--promote", "2", "--full-res", "16", "--full-epochs", "3"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder in which a search has been run to its end and its best two promoted, and what it said."""
    folder = tmp_path_factory.mktemp("searched")
    done = subprocess.run(
        [sys.executable, "-m", "petri", *SEARCH, *PROMOTE],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture
def there(searched, monkeypatch):
    monkeypatch.chdir(searched[0])
    monkeypatch.setenv("COLUMNS", "200")
    return searched[0]


def test_a_search_tells_each_trial_and_what_it_found(searched):
    folder, said = searched
    assert "circle · 3 of 32 configurations · 16×16 cells · 2 epochs · study circle-16" in said
    # Three configurations, then each of them again with two other seeds: said before the first.
    assert "9 trainings to do" in said.split("0  dilated")[0] and "2 other seeds (--seeds)" in said
    told = re.findall(r"^(\d+)  (.+?): loss 0\.\d{4}", said, re.M)
    assert [number for number, _ in told] == [str(number) for number in range(9)]
    assert told[0][1] == "dilated · 64 hidden · 3 layers residual"  # Table 4's
    assert len({name for _, name in told}) == 9 and sum("seed" in name for _, name in told) == 6
    assert re.search(r"dilated · 64 hidden · 3 layers residual \* +0\.\d{4} +0\.\d{4} ± 0\.\d{4} \(2\)", said)
    assert "Least loss over other seeds: " in said and "Importance: " in said
    assert {path.name for path in (folder / "runs").iterdir()} >= {
        "studies.db", "circle-16-history.png", "circle-16-front.png", "circle-16.safetensors",
    }  # fmt: skip


def test_the_best_of_those_at_full_size_is_kept(searched):
    folder, said = searched
    runs = sorted((folder / "runs").glob("circle-16-trial-*-at-16/model.safetensors"))
    models = {path: modelfile.read(path) for path in runs}
    assert len(models) == 2 and "runs/circle-16.safetensors  the best of them" in said
    best = min(models, key=lambda path: models[path].training["loss"]["loss"])
    assert (folder / "runs" / "circle-16.safetensors").read_bytes() == best.read_bytes()
    assert models[best].training["epochs"] == 3 and len(models[best].training["recipe"]["phases"]) == 1


def test_the_same_command_finds_nothing_left_to_do(there, petri):
    before = {path: path.stat().st_mtime for path in there.glob("runs/*/model.safetensors")}
    said = petri(*SEARCH, *PROMOTE)
    assert ": loss" not in said.split("configuration", 2)[1] and "the best of them" in said
    assert {path: path.stat().st_mtime for path in before} == before


def test_show_prints_the_table_again_as_markdown_too_and_draws(there, petri):
    for plot in there.glob("runs/*.png"):
        plot.unlink()
    said = petri("search", "--show", "circle-16")
    assert said.count("hidden ·") >= 3 and "the best so far" in said and "At full size: " in said
    assert all(Image.open(plot).size == (840, 480) for plot in there.glob("runs/*.png"))
    assert len(list(there.glob("runs/*.png"))) == 2
    lines = petri("search", "--show", "circle-16", "--markdown").splitlines()
    assert lines[0] == "| configuration | loss | other seeds | verdict | parameters | time |"
    assert [line.count("|") for line in lines[:5]] == [7] * 5 and not lines[5]


def test_grow_takes_the_best_architecture_of_a_study(there, petri):
    study = Study(storage.connect(storage.LOCAL, create=False), "circle-16")
    from petri.search.promotion import best_for

    best = best_for(study, "circle").configuration
    tiny = ["--res", "16", "--epochs", "1", *TINY[4:]]
    said = petri("grow", "--from-study", "circle-16", *tiny, "--name", "grown")
    assert best.describe() in said and "as the study circle-16 found best" in said
    model = modelfile.read(there / "runs" / "grown" / "model.safetensors")
    assert model.automaton.spec == best.recipe(study.recipe, seed=0).spec and model.target == "circle"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--show", "circle-61"], "there is no study 'circle-61', did you mean \"circle-16\"?"),
        (["search", "spiral", *TINY, "--study", "circle-16"], "is for circle: choose another --study"),
        (["search", "circle", *TINY, "--space", "wide", "--study", "circle-16"], "is of the space 'report'"),
        (["search", "circle", "--res", "16", "--study", "circle-16"], "trains in another way (phases)"),
        (["grow", "spiral", "--from-study", "circle-16"], "is for circle, not spiral"),
        (["grow", "circle", "--from-study", "circle-16", "--hidden", "64"], "leave out --hidden"),
    ],
)
def test_a_study_that_does_not_fit_is_refused_in_one_line(there, petri, arguments, said):
    line = petri(*arguments, code=2)
    assert said in line and len(line.strip().splitlines()) == 1, line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search"], "say what to search for"),
        (["search", "spirl"], 'did you mean "spiral"'),
        (["search", "circle", "--trials", "0"], "'--trials'"),
        (["search", "circle", "--workers", "0"], "'--workers'"),
        (["search", "circle", "--space", "report32"], "there is no space 'report32'"),
        (["search", "circle", "--res", "8"], "res must be a whole number in 16..4096, got 8"),
        (["search", "circle", "--set", "spec.hidden=96"], "leave them out of --set"),
        (["search", "circle", "--set", "los.scales=[1]"], "unknown field 'los'"),
        (["search", "circle", "--promote", "1", "--full-res", "9"], "got 9"),
        (["search", "circle", "--device", "tpu"], "device must be one of"),
        (["search", "circle", "--storage", "studies.db"], "must be a database's URL"),
        (["search", "circle", "--storage", "postgresql://me@localhost:1/x"], "refused"),
        (["search", "circle", "--show", "circle-64", "--promote", "2"], "leave out --promote, TARGET"),
        (["grow", "circle", "--storage", "sqlite:///x.db"], "give both"),
        (["search", "--show", "circle-64"], "there are no studies in runs/studies.db"),
        (["grow", "circle", "--from-study", "circle-64"], "there are no studies in runs/studies.db"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(petri, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    line = petri(*arguments, code=2)
    assert said in line and len(line.strip().splitlines()) == 1, line
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ctrl_c_loses_only_the_trials_under_way_and_the_same_command_goes_on(tmp_path):
    command = [sys.executable, "-m", "petri", "search", "circle", *TINY, "--workers", "2", "--seeds", "0"]
    command += ["--trials", "32", "--set", "phases.epochs=30"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    url = f"sqlite:///{tmp_path}/runs/studies.db"
    deadline = time.monotonic() + 240
    ended = []
    while len(ended) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
        if (tmp_path / "runs" / "studies.db").is_file() and process.poll() is None:
            try:
                study = Study(storage.connect(url, create=False), "circle-16")
            except ValueError:
                continue  # it is just being made
            ended = [trial for trial in study.trials() if trial.state == DONE]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    said, wrong = process.communicate(timeout=240)
    assert process.returncode == 130 and not wrong, said + wrong
    assert said.endswith("stopped; the same command goes on\n")
    states = [trial.state for trial in study.trials()]
    assert set(states) <= {DONE, LOST, "pruned"} and 1 <= states.count(LOST) <= 2
    before = {trial.job: trial for trial in study.trials() if trial.state != LOST}
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 32 configurations of the space 'report' have been tried." in done.stdout
    after = [trial for trial in study.trials() if trial.state != LOST]
    assert len({trial.job for trial in after}) == len(after) == 32
    assert all(trial in after for trial in before.values())

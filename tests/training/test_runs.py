import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from petri import tensorfile
from petri.errors import BadRequest
from petri.nca import Spec
from petri.runfolder import RunFolder
from petri.training import loop, runs
from petri.training.recipe import Phase, Recipe
from petri.training.runs import Run, slug

PHASE = Phase(res=16, epochs=10**6, batch=2, steps=(4, 8))
RECIPE = Recipe(target="circle", name="circle", spec=Spec.of(), phases=(PHASE,))
TENSORS = {"weights.a": torch.arange(4.0), "chance": torch.arange(3, dtype=torch.uint8)}


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path, None, RECIPE, room=0)
    yield run
    run.close()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("circle", "circle-16"),
        ("emoji:🦎", "emoji-1f98e-16"),
        ("text:Hi you", "text-hi-you-16"),
        ("text:a/b", "text-a-b-16"),
        ("My Logo.png", "my-logo-16"),
        ("[/].png", "run-16"),
        ("x" * 300, "x" * 60 + "-16"),
    ],
)
def test_names_of_folders(name, folder):
    assert slug(SimpleNamespace(name=name, res=16, targets=())) == folder


def test_the_folder_of_several_is_called_by_all_of_them():
    several = SimpleNamespace(name="🦎 a/b v1.2", res=16, targets=("emoji:🦎", "text:a/b", "v1.2.png"))
    assert slug(several) == "1f98e-a-b-v1-2-16"


def test_a_taken_name_gets_a_number_or_is_refused_if_asked_for(run, tmp_path):
    second = Run.create(tmp_path, None, RECIPE, room=0)
    second.close()
    assert second.folder.name == "circle-16-2"
    with pytest.raises(BadRequest, match=r"circle-16 is there already.*--resume"):
        Run.create(tmp_path, "circle-16", RECIPE, room=0)


@pytest.mark.parametrize("name", ["", "  ", "..", "a/b", "a\0b", "a\x1b[31m", "a\nb"])
def test_a_name_that_is_no_folders_is_refused(tmp_path, name):
    with pytest.raises(BadRequest, match="name must"):
        Run.create(tmp_path, name, RECIPE, room=0)
    assert not list(tmp_path.iterdir())


def test_too_full_a_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadRequest, match=r"needs .* MB .* free"):
        Run.create(tmp_path, None, RECIPE, room=10**18)
    assert not list(tmp_path.iterdir())


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(BadRequest, match="cannot write"):
        Run.create(tmp_path / "file", None, RECIPE, room=0)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_run_in_use_by_another_process_is_refused(run):
    code = (
        "import sys; from pathlib import Path\n"
        "from petri.errors import BadRequest; from petri.training.runs import Run\n"
        "try: Run.open(Path(sys.argv[1]))\n"
        "except BadRequest as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code, run.folder], capture_output=True, text=True)
    assert said.stdout.strip() == f"{run.folder} is in use by another process", said.stderr
    run.close()
    said = subprocess.run([sys.executable, "-c", code, run.folder], capture_output=True, text=True)
    assert said.stdout == "", said.stderr


def test_a_checkpoint_comes_back_bit_for_bit_with_the_metrics_of_its_epoch(run):
    run.rows = [(1.0,) * 10, (2.0,) * 10]
    run.write_checkpoint(TENSORS, 2, 1.25)
    run.path("metrics.csv").write_text("edited by somebody")
    again = Run(run.folder, RECIPE)
    tensors, epoch, seconds = again.read_checkpoint(lambda epoch: TENSORS)
    assert (epoch, seconds) == (2, 1.25)
    assert again.rows == [(1.0,) * 10, (2.0,) * 10]
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "is not a checkpoint"),
        (lambda path: path.write_bytes(b"hello"), "is not a checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused(run, damage, said):
    run.write_checkpoint(TENSORS, 2, 1.0)
    damage(run.path("checkpoint.safetensors"))
    with pytest.raises(BadRequest, match=said):
        run.read_checkpoint(lambda epoch: TENSORS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": "nan"}, "seconds must be in"),
        ({"seconds": "inf"}, "seconds must be in"),
        ({"seconds": "-1"}, "seconds must be in"),
        ({"seconds": "soon"}, "could not convert"),
        ({"epoch": "9" * 5000}, "is not a checkpoint"),
        ({"epoch": "-1"}, "epoch must be"),
        ({"recipe": "seed = 0x" + "f" * 5000}, "more than 64 bits"),
        ({"recipe": "a" + ".a" * 5000 + " = 1"}, "32 deep"),
        ({"rows": (float("nan"),) * 10}, "rows has values that are not finite"),
    ],
)
def test_an_edited_checkpoint_is_one_line(run, changes, said):
    run.rows = [(1.0,) * 10, changes.pop("rows", (2.0,) * 10)]
    run.write_checkpoint(TENSORS, 2, 1.0)
    path = run.path("checkpoint.safetensors")
    metadata, tensors = tensorfile.read(path, "checkpoint")
    save_file(tensors, path, metadata | changes)
    with pytest.raises(BadRequest, match=said) as error:
        run.read_checkpoint(lambda epoch: TENSORS)
    assert str(error.value).startswith(str(path)) and len(str(error.value)) < 500


def test_a_checkpoint_of_another_recipe_is_refused_by_field(run):
    run.write_checkpoint(TENSORS, 2, 1.0)
    with pytest.raises(BadRequest, match=r"weights\.a does not fit"):
        run.read_checkpoint(lambda epoch: {**TENSORS, "weights.a": torch.zeros(5)})
    with pytest.raises(BadRequest, match=r"weights\.b is missing"):
        run.read_checkpoint(lambda epoch: {**TENSORS, "weights.b": torch.zeros(5)})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("No space left")])
def test_a_failing_write_leaves_the_last_checkpoint_and_no_litter(run, monkeypatch, error):
    run.write_checkpoint(TENSORS, 2, 1.0)
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(runs, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run.write_checkpoint(TENSORS, 3, 2.0)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_what_a_killed_process_left_is_swept_and_nothing_else(run):
    run.close()
    litter = run.path(".checkpoint-a1_b2c3d.part.safetensors")
    for path in (litter, run.path(".DS_Store"), run.path("notes-abcdefgh.txt")):
        path.write_text("x")
    names = {path.name for path in Run.open(run.folder).folder.iterdir()}
    assert litter.name not in names and {".DS_Store", "notes-abcdefgh.txt", "recipe.toml"} <= names


def test_kill_9_at_any_moment_leaves_a_whole_checkpoint(run):
    code = (
        "import sys, torch; from pathlib import Path; from petri.training.runs import Run\n"
        "run = Run.open(Path(sys.argv[1]), lock=False)\n"
        "for epoch in range(1, 10**6):\n"
        "    run.rows.append((float(epoch),) * 10)\n"
        "    run.write_checkpoint({'a': torch.full((200_000,), float(epoch))}, epoch, 0.0)\n"
        "    print(epoch, flush=True)\n"
    )
    like = {"a": torch.zeros(200_000)}
    for wait in (0.0, 0.013, 0.029):
        process = subprocess.Popen([sys.executable, "-c", code, run.folder], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        again = Run(run.folder, RECIPE)
        tensors, epoch, _ = again.read_checkpoint(lambda epoch: like)
        assert torch.equal(tensors["a"], torch.full((200_000,), float(epoch)))
        assert len(again.rows) == epoch


def test_a_folder_is_not_left_by_a_run_that_cannot_begin(tmp_path):
    class Unwritable:
        def to_toml(self):
            raise ValueError("a letter that is none")

    with pytest.raises(ValueError, match="none"):
        RunFolder.make(tmp_path, "it", Unwritable(), default="it", room=0)
    assert not list(tmp_path.iterdir())


def test_a_name_is_free_again_if_its_run_was_killed_before_it_had_a_recipe(tmp_path):
    folder = tmp_path / "it"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / ".recipe-abcdefgh.part.toml").write_text("half")
    run = Run.create(tmp_path, "it", RECIPE, room=0)
    with pytest.raises(BadRequest, match="is there already"):
        Run.create(tmp_path, "it", RECIPE, room=0)
    run.close()
    assert Run.open(folder).recipe == RECIPE
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == ["recipe.toml"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(BadRequest, match="is there already"):
        Run.create(tmp_path, "mine", RECIPE, room=0)


def test_a_recipe_that_cannot_be_read_is_refused(run, monkeypatch):
    run.close()

    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(BadRequest, match=r"recipe.toml: .*Permission denied"):
        Run.open(run.folder)


def test_a_run_that_version_0_1_left_goes_on(tmp_path):
    """Stopped after five of its twelve epochs, by petri 0.1.0."""
    folder = tmp_path / "figure"
    shutil.copytree(Path(__file__).parents[1] / "data" / "run-0.1", folder)
    saved = load_file(folder / "checkpoint.safetensors")
    run, trainer, seconds = loop.resume(folder, torch.device("cpu"))
    assert trainer.epoch == len(run.rows) == 5 and seconds > 90
    for name, weight in trainer.weights.items():
        assert torch.equal(weight, saved[f"weights.{name}".replace("perception.0", "perception")])
    assert torch.equal(trainer.pool.states, saved["pool.states"])
    assert torch.equal(trainer.task.target, saved["target.1"])
    for row, before in zip(run.rows, saved["rows"].tolist(), strict=True):
        assert list(row[:8]) == before and row[8] == 0 and math.isnan(row[9])
    while trainer.epoch < trainer.recipe.epochs:
        trainer.train_epoch()
    run.close()

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from petri.errors import BadRequest
from petri.training.ranks import Ranks, join

GROW = ["-m", "petri", "grow", "circle", "--res", "16", "--hidden", "16", "--epochs", "6"]
SHORT = ["--set", "phases.steps=[4, 8]", "--set", "phases.batch=4", "--set", "pool.damage=2"]


def grow(folder, *extra, processes):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    torchrun += ["--standalone"]
    command = torchrun if processes > 1 else [sys.executable]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [*command, *GROW, *SHORT, *extra],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_two_processes_train_what_one_trains_up_to_rounding(tmp_path):
    for processes in (1, 2):
        done = grow(tmp_path, "--name", str(processes), processes=processes)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("circle grown") == 1  # one speaks
        assert ("2 processes share every batch" in done.stdout) == (processes == 2)
    one, two = (load_file(tmp_path / "runs" / name / "checkpoint.safetensors") for name in "12")
    assert one.keys() == two.keys()
    for name in one:
        if name != "rows":  # the seconds
            assert torch.allclose(one[name].double(), two[name].double(), atol=1e-4), name
    assert not torch.equal(one["weights.rule.weights.0"], torch.zeros(())) and len(one["rows"]) == 6


def test_a_batch_that_cannot_be_split_is_refused_before_anything_is_written(tmp_path):
    done = grow(tmp_path, "--set", "phases.batch=3", processes=2)
    assert done.returncode != 0
    line = "petri: a batch of 3 cannot be split evenly over 2 processes"
    assert (done.stdout + done.stderr).count(line) == 1 and "should not happen" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_rank_without_others_is_told_how_to_start_them(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(BadRequest, match="start several processes by torchrun"):
        join(torch.device("cpu"))


def test_shares_are_even_and_in_order():
    batch = list(range(8))
    assert [batch[Ranks(rank, 4).share(8)] for rank in range(4)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    with pytest.raises(BadRequest, match="a batch of 8 cannot be split evenly over 3 processes"):
        Ranks(0, 3).share(8)


def test_a_run_is_not_left_if_another_process_cannot_begin(petri, tmp_path, monkeypatch):
    monkeypatch.setattr(Ranks, "any", lambda *_: True)
    said = petri(*GROW[2:], *SHORT, "--out", tmp_path / "runs", code=2)
    assert "another process could not begin" in said and not list((tmp_path / "runs").iterdir())


def test_one_of_several_processes_ends_at_once_with_its_code_and_all_that_it_said(tmp_path):
    code = f"""
import atexit
import torch.distributed as dist
from petri.training.ranks import end

atexit.register(print, "taken down")
end(4)  # alone: nothing is done
dist.init_process_group("gloo", init_method="file://{tmp_path}/met", rank=0, world_size=1)
print("said", end="")
end(3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (3, "said")

import os
import subprocess
import sys
from pathlib import Path

import pytest

from petri.version import __version__


def petri(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "petri", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def imported(done):
    return {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}


def test_help_lists_the_verbs_and_imports_nothing_heavy():
    done = petri("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("grow", "play", "targets", "import", "dni", "data", "doctor"))
    assert not imported(done) & {"torch", "numpy", "PIL", "matplotlib", "optuna", "safetensors", "sqlalchemy"}


def test_listing_the_targets_needs_no_torch():
    done = petri("targets")
    assert done.returncode == 0 and "checkerboard" in done.stdout
    assert not imported(done) & {"torch", "numpy"}


def test_version():
    assert petri("--version").stdout == f"petri {__version__}\n"


def test_no_arguments_show_the_help():
    for arguments in ((), ("import",)):
        done = petri(*arguments)
        assert done.returncode == 0 and "Usage" in done.stdout


def test_the_shell_completes_targets():
    asked = {"_PETRI_COMPLETE": "complete_bash", "COMP_WORDS": "petri grow sp", "COMP_CWORD": "2"}
    script = Path(sys.executable).parent / "petri"
    done = subprocess.run([script], env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.stdout.split() == ["spiral"], done.stderr[-500:]


def test_doctor_says_what_is_here():
    done = petri("doctor", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr[-2000:]
    for word in ("petri", "Python", "torch", "threads", "devices", "Engine", "MP4", "GLSL", "ms growing"):
        assert word in done.stdout


def test_doctor_says_which_engine_takes_a_gpu(monkeypatch):
    import torch

    from nca_cli import doctor
    from petri.engine import fused

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"A card at {device}")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(fused, "trouble", lambda spec, device, bfloat16: "it is not there" * bfloat16)
    assert doctor._fused() == "A card at cuda:0; torch: it is not there"
    monkeypatch.setattr(fused, "trouble", lambda spec, device, bfloat16: "")
    assert doctor._fused().startswith("A card at cuda:0; triton: the fused step")


def test_letters_that_the_output_has_not_do_not_end_a_command():
    done = petri("targets", PYTHONIOENCODING="cp1252")
    assert done.returncode == 0 and "emoji:?" in done.stdout


def test_doctor_names_the_extra_to_install(monkeypatch, capsys):
    import importlib.util

    from petri.__main__ import main

    find = importlib.util.find_spec

    def without_av(name, *rest):
        return None if name == "av" else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without_av)
    monkeypatch.setattr(sys, "argv", ["petri", "doctor"])
    with pytest.raises(SystemExit):
        main()
    assert 'pip install "petri-nca[mp4]"' in capsys.readouterr().out


def test_the_grid_size_has_one_name_and_its_former_one_still_works(monkeypatch, capsys, tmp_path):
    from petri.__main__ import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["petri", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return capsys.readouterr().out

    for verb in ("grow", "play", "evaluate", "search", "ablate"):
        said = run(verb, "--help")
        assert "--res " in said and "--size" not in said
    pictures = []
    for option in ("--res", "--size"):
        run("play", "circle", option, "20", "--zoom", "1", "--steps", "2", "--out", str(tmp_path / "a.png"))
        pictures.append((tmp_path / "a.png").read_bytes())
    assert pictures[0] == pictures[1]

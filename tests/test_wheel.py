"""The wheel, in an environment that has nothing else."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command, cwd):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: building leaves litter beside the sources.
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "tree" / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "tree", cwd=folder)
    return next(folder.glob("petri_nca-*.whl"))


def test_the_wheel_holds_all_that_a_command_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "petri/datasets/mini.npz",
        "petri/engine/step/step.cpp",
        "petri/engine/step/rollout.h",
        "petri/models/circle.safetensors",
        "petri/targets/emoji/emoji_u1f98e.png",
        "petri/targets/pictures/logo.png",
        "petri/targets/spiral.py",
        "petri/viewer/index.html",
        "petri/viewer/lib/step.wasm.js",
        "petri/py.typed",
    ):
        assert name in names
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"petri", "dni_cli", "nca_cli"}


def test_it_works_from_a_folder_with_confusing_names(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    bin_folder = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [bin_folder / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    run(*pip, f"petri-nca @ {wheel.as_uri()}", cwd=tmp_path)
    home = tmp_path / "home"
    for name in ("models", "targets", "viewer"):
        (home / name).mkdir(parents=True)
        (home / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    for petri in ([bin_folder / "petri"], [bin_folder / "python", "-m", "petri"]):
        assert "checkerboard" in run(*petri, "targets", cwd=home)
        run(*petri, "play", "circle", "--res", 16, "--steps", 2, "--out", "a.png", cwd=home)
        run(
            *petri,
            "grow",
            "circle",
            "--res",
            16,
            "--hidden",
            16,
            "--epochs",
            1,
            "--set",
            "phases.batch=1",
            cwd=home,
        )
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["circle-16", "circle-16-2"]

"""petri mesh: rings and meshes from the command line."""

from __future__ import annotations

import json

import pytest

from petri import modelfile
from petri.graph import Surface, icosphere, write

TINY = ["--epochs", 2, "--set", "phases.steps=[2, 3]", "--set", "pool.size=4"]


def test_a_ring_leaves_its_figures(petri, tmp_path):
    said = petri("mesh", "ring", "--nodes", 16, "--epochs", 2, "--seeds", 1, "--out", tmp_path / "ring")
    assert "2,364 parameters" in said and "without the odd part" in said and "4,096" in said
    found = json.loads((tmp_path / "ring" / "ring.json").read_text())
    assert found["parameters"] == 2364
    assert [figures["variant"] for figures in found["figures"]] == [
        "the rule", "without the odd part", "too few steps",
    ]  # fmt: skip
    assert modelfile.read(tmp_path / "ring" / "model.safetensors").spec.parameters == 2364
    for name in ("model.png", "sequence.png", "sequence.safetensors"):
        assert (tmp_path / "ring" / name).stat().st_size


def test_a_mesh_is_coloured_and_other_commands_say_that_they_take_grids(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("mesh", "grow", "sphere:1", "wheel", *TINY, "--perception", "invariants", code=1)
    assert "42 vertices" in said and "has not come to its colours" in said
    assert "petri mesh grow --resume runs/sphere-1-wheel-42" in said and "turntable.webp" in said
    said = petri("mesh", "grow", "--resume", "runs/sphere-1-wheel-42", "--epochs", 1, code=1)
    assert "resumed at epoch 2" in said
    for command in (("play",), ("evaluate",), ("shader-gen",), ("view", "--export", "site")):
        error = petri(*command, "runs/sphere-1-wheel-42", code=2)
        assert "takes grids, and sphere-1-wheel is of a mesh" in error, command
        assert len(error.strip().splitlines()) == 1 or command[0] == "view"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "say what is to be coloured"),
        (("nowhere.obj", "spots"), "No such file"),
        (("sphere:four", "spots"), "by its level, such as sphere:4"),
        (("sphere:12", "spots"), "level of an icosphere"),
        (("sphere:1", "spot"), "no pattern 'spot', did you mean \"spots\"?"),
        (("sphere:1",), "has no colours of its own"),
        (("sphere:1", "spots", "--perception", "slopes"), "perception must be one of"),
        (("flat.ply", "spots"), "faces with an area"),
        (("photo.png", "spots"), "ends in one of"),
        (("sphere:1", "spots", "--set", "spec.clamp=0.5"), "clamp"),
    ],
)
def test_a_bad_request_is_one_line(petri, tmp_path, monkeypatch, asked, said):
    monkeypatch.chdir(tmp_path)
    ball = icosphere(0)
    write("flat.ply", Surface(ball.vertices * 0, ball.faces))
    error = petri("mesh", "grow", *asked, code=2)
    assert said in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_what_is_odd_about_a_mesh_is_said(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ball = icosphere(0)
    write("open.ply", Surface(ball.vertices, ball.faces[:-1], abs(ball.vertices)))
    said = petri("mesh", "grow", "open.ply", *TINY, code=1)
    assert "3 edges are the rim" in said

"""petri mesh: rings and meshes from the command line."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from petri import modelfile
from petri.graph import Surface, icosphere, read, write

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


SMALL = [
    "--level", 4, "--set", "loss.pixels=16", "--set", "loss.sizes=1", "--set", "loss.views=1",
    "--set", "phases.steps=[2, 3]", "--set", "pool.size=4", "--epochs", 2,
]  # fmt: skip


def test_a_texture_is_woven_on_a_sphere_and_worn_by_other_meshes(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("mesh", "texture", "torus", "brick", "--scale", 8, *SMALL, code=1)
    assert "2,562 vertices" in said and "128² of the 512 × 512 pixels" in said
    assert "sphere:4" in said and "torus" in said and "has not become a texture" in said
    folder = tmp_path / "runs" / "brick-2562"
    there = {path.name for path in folder.iterdir()}
    assert {"worn.ply", "worn.glb", "worn.png", "turntable.webp", "exemplar.png"} <= there
    assert len(read(folder / "worn.ply").vertices) == 6912  # fine enough as it is
    said = petri("mesh", "texture", "--resume", folder, "--epochs", 1, code=1)
    assert "resumed at epoch 2" in said
    said = petri("mesh", "wear", folder, "sphere:2", "--out", "ball.ply", "--steps", 3)
    assert "ball.ply: 2,562 vertices after 3 steps" in said  # cut twice
    said = petri("mesh", "wear", folder, "sphere:2", "--out", "ball.png", "--steps", 3, "--as-it-is")
    assert "162 vertices" in said and (tmp_path / "ball.png").is_file()
    petri("mesh", "grow", "sphere:1", "wheel", *TINY, code=1)
    assert "is no texture for meshes" in petri("mesh", "wear", "runs/sphere-1-wheel-42", "torus", code=2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "say what is to wear what"),
        (("torus",), "say what is to wear what"),
        (("nowhere.obj", "brick"), "No such file"),
        (("torus", "nothing.png"), "nothing.png"),
        (("torus", "dot.png"), "a texture needs 16 along a side"),
        (("torus", "brick", "--level", 3, "--set", "loss.pixels=32"), "sees more than a sphere of level 3"),
        (("torus", "brick", "--set", "loss.level=5"), "level 5 has 10,242 vertices, phases.res names others"),
        (("torus", "brick", "--crop", "2,2"), "--crop must be two fractions"),
        (("torus", "brick", "--set", "loss.blocks=5"), "petri data fetch vgg16"),
    ],
)
def test_a_bad_request_for_a_texture_is_one_line(petri, tmp_path, monkeypatch, asked, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PETRI_DATA", str(tmp_path))
    Image.new("RGB", (1, 1)).save("dot.png")
    error = petri("mesh", "texture", *asked, code=2)
    assert said in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()

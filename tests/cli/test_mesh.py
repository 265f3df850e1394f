"""petri mesh: rings and meshes from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petri import modelfile
from petri.graph import Surface, icosphere, read, write
from petri.modelfile import Model
from petri.nca import Automaton, Harmonics, Mesh, Ring, Spec
from petri.training import rings

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


def test_a_ring_that_was_stopped_goes_on_with_the_rules_that_are_missing(petri, tmp_path, monkeypatch):
    asked = ["mesh", "ring", "--nodes", 16, "--epochs", 2, "--seeds", 2, "--out"]
    petri(*asked, tmp_path / "at-once")
    learn, learned = rings.learn, []

    def stopped(variant, seed, **options):
        """As it is, but for Ctrl-C in the fourth rule."""
        if len(learned) == 3:
            raise KeyboardInterrupt
        learned.append((variant, seed))
        return learn(variant, seed, **options)

    monkeypatch.setattr(rings, "learn", stopped)
    petri(*asked, tmp_path / "stopped", code=130)
    monkeypatch.setattr(rings, "learn", learn)
    assert "3 rules of " in petri(*asked, tmp_path / "stopped")
    found = [json.loads((tmp_path / name / "ring.json").read_text()) for name in ("at-once", "stopped")]
    for one in (figures for record in found for figures in record["figures"]):
        one.pop("seconds")
    assert found[0] == found[1] and len(found[0]["figures"]) == 6
    assert "are there already" not in petri(*asked[:5], 3, *asked[6:], tmp_path / "stopped")  # other epochs


def test_a_mesh_is_coloured_and_other_commands_take_it(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("mesh", "grow", "sphere:1", "wheel", *TINY, "--perception", "invariants", code=1)
    assert "42 vertices" in said and "has not come to its colours" in said
    assert "petri mesh grow --resume runs/sphere-1-wheel-42" in said and "turntable.webp" in said
    said = petri("mesh", "grow", "--resume", "runs/sphere-1-wheel-42", "--epochs", 1, code=1)
    assert "resumed at epoch 2" in said
    stem = "sphere-1-wheel-42"
    run = f"runs/{stem}"
    assert "42 vertices" in petri("play", run, "--out", "grown.ply", "--steps", 2)
    assert len(read("grown.ply").vertices) == 42 and read("grown.ply").colours is not None
    petri("play", run, "--out", "grown.png", "--steps", 2, "--pixels", 32, "--damage")
    assert Image.open("grown.png").size == (128, 32)  # four sides
    petri("play", run, "--out", "growth.webp", "--steps", 6, "--pixels", 32)
    assert (Image.open("growth.webp").size, Image.open("growth.webp").n_frames) == ((32, 32), 4)
    petri("play", run, "--out", "other.glb", "--steps", 2, "--mesh", "sphere:0")
    said = petri("evaluate", run, "--seeds", 2, "--heal-steps", 2, "--damage-at", 2)
    assert "42 vertices" in said and "pattern and drift" in said and "5 patches" in said
    said = petri("evaluate", run, "--seeds", 2, "--heal-steps", 2, "--json", "--sheet", "s.png")
    (found,) = json.loads(said.removesuffix("\ns.png\n"))["models"]
    assert [one["kind"] for one in found["regeneration"]] == ["patch", "half", "scatter", "5 patches"]
    assert Image.open("s.png").width > 500
    petri("view", run, "--export", "site")
    entry = json.loads(Path("site/manifest.json").read_text())["models"][0]
    assert entry["mesh"] == "sphere-1-wheel-42.ply" and entry["obstacle"] is None
    assert np.array_equal(read("site/sphere-1-wheel-42.ply").faces, icosphere(1).faces)
    petri("shader-gen", run, "--out", "shaders", "--embed", "--html", "page.html")
    names = {"embed.html", "manifest.json", "petri-dish.js", f"{stem}.ply", f"{stem}.safetensors"}
    assert {path.name for path in Path("shaders").iterdir()} == names
    assert 'mesh="sphere-1-wheel-42.ply"' in Path("shaders/embed.html").read_text()
    assert "its cells lie on no grid" in petri("shader-gen", run, "--out", "shaders", "--shadertoy", code=1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--out", "x.ply", "--res", 32), "--res is for grids"),
        (("--out", "x.ply", "--switch-to", "x"), "--switch-to is for grids"),
        (("--out", "x.ply", "--ground", "white"), "--ground is for grids"),
        (("--out", "x.obj"), "written as one of .ply .glb .png"),
        (("--out", "nowhere/x.ply"), "there is no folder nowhere"),
        (("--out", "x.ply", "--mesh", "nowhere.obj"), "No such file"),
        (("--out", "x.png", "--pixels", 4096), "at most 2048 pixels"),
        ((), "the output is no terminal"),
    ],
)
def test_what_a_mesh_is_not_played_with_is_one_line(petri, tmp_path, monkeypatch, asked, said):
    monkeypatch.chdir(tmp_path)
    recipe = {"phases": [{"res": [1, 42], "steps": [1, 2]}], "loss": {"mesh": "sphere:1"}}
    automaton = Automaton(Spec(space=Mesh(), senses=(Harmonics(),)))
    ball = Model(automaton=automaton, target="ball", training={"recipe": recipe})
    modelfile.write(Path("ball.safetensors"), ball)
    error = petri("play", "ball.safetensors", *asked, code=2)
    assert said in error and len(error.strip().splitlines()) == 1


def test_a_grid_colours_no_mesh_and_a_ring_has_its_own_figures(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "circle colours no mesh" in petri("play", "circle", "--mesh", "sphere:1", "--out", "x.png", code=2)
    sense = Harmonics(dimensions=1, valence=2)
    ring = Model(automaton=Automaton(Spec(space=Ring(), senses=(sense,))), target="ring")
    modelfile.write(Path("ring.safetensors"), ring)
    assert "ring.json" in petri("evaluate", "ring.safetensors", code=2)
    assert "is of a ring and colours no mesh" in petri(
        "play", "ring.safetensors", "--mesh", "sphere:1", "--out", "x.ply", code=2
    )
    petri("play", "ring.safetensors", "--out", "ring.ply", "--steps", 1)
    assert len(read("ring.ply").vertices) == 72 * 12  # a tube


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
    assert "sphere:4, closer" in said and "torus" in said and "has not become a texture" in said
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


def test_a_texture_is_put_on_a_mesh_by_either_command(petri, monkeypatch):
    runs = []
    monkeypatch.setattr("nca_cli.mesh.start_run", lambda recipe, *_: runs.append(recipe))
    how = ("--scale", 4, "--crop", "0,1", "--seed", 3, "--epochs", 5, "--set", "loss.views=2")
    petri("mesh", "texture", "torus", "brick", *how)
    petri("texture", "brick", "--on", "torus", *how)
    assert runs[0] == runs[1] and runs[0].loss.mesh == "torus" and runs[0].seed == 3
    error = petri("texture", "brick", "--on", "torus", "--res", 64, code=2)
    assert "--on takes what petri mesh texture takes: leave out --res" in error
    assert "--on is for one image, got 2" in petri("texture", "brick", "grass", "--on", "torus", code=2)


def test_the_texture_that_is_shipped_is_worn_by_name(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("ball.ply", icosphere(2))
    said = petri("mesh", "wear", "mesh-scales", "ball.ply", "--out", "x.glb", "--steps", 3)
    assert "x.glb: 10,242 vertices after 3 steps" in said  # cut three times, to what it was trained on
    assert (tmp_path / "x.glb").read_bytes()[:4] == b"glTF"
    assert "mesh-scales is shipped" in petri("mesh", "wear", "scales", "torus", code=2)
    for option in ("--out", "--baked"):  # before anything is woven
        error = petri("mesh", "wear", "no-model", "torus", option, "nowhere/x.png", code=2)
        assert error == "petri: cannot write nowhere/x.png: there is no folder nowhere\n"


PAINTED = ["--level", 4, "--pixels", 32, "--set", "loss.edges=16", "--set", "loss.sizes=1", *SMALL[6:]]


@pytest.mark.slow
def test_a_decoder_paints_what_meshes_wear(petri, tmp_path, monkeypatch):
    """From training to a mesh file, a picture, a baked map and the figures of an evaluation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("petri.graph.raster.TURNS", 2)
    monkeypatch.setattr("petri.evaluation.worn.JUDGED", 3)
    said = petri("mesh", "texture", "sphere:1", "brick", "--scale", 8, *PAINTED, code=1)
    assert "2,562 vertices" in said and "decoder of 3 × 32" in said and "12,179 parameters" in said
    folder = tmp_path / "runs" / "brick-2562"
    recipe = (folder / "recipe.toml").read_text()
    assert 'task = "glaze"' in recipe and "frequencies = 0" in recipe
    assert len(read(folder / "worn.ply").vertices) == 2562
    assert b'"count":163842' in (folder / "worn.glb").read_bytes()
    said = petri("mesh", "texture", "--resume", folder, "--epochs", 1, code=1)
    assert "resumed at epoch 2" in said
    corners = "".join(f"v {x} {y} 0\nvt {x} {y}\n" for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)))
    (tmp_path / "square.obj").write_text(f"{corners}f 1/1 2/2 3/3 4/4\n")
    said = petri(
        "mesh", "wear", folder, "square.obj", "--out", "square.png", "--baked", "baked.png", "--steps", 9
    )
    baked = np.asarray(Image.open("baked.png")).astype(int)
    across = np.abs(np.diff(baked[300, :, 0]))
    assert baked.shape == (1024, 1024, 3) and (np.diff(np.sign(np.diff(baked[300, :, 0]))) != 0).sum() > 20
    assert across.max() < 60  # no seams between triangles
    petri("play", folder, "--out", "ball.png", "--steps", 4, "--pixels", 64)
    assert Image.open("ball.png").size == (256, 64)
    found = json.loads(petri("evaluate", folder, "--json", "--damage-at", 4, "--heal-steps", 4))["models"][0]
    assert [look["steps"] for look in found["drift"]] == [3, 6, 30]
    assert [(look["mesh"], look["pixels_an_edge"]) for look in found["fine"]] == [
        (mesh, fine) for mesh in ("sphere:4", "sphere:1") for fine in (1, 2, 4)
    ]
    assert [one["kind"] for one in found["regeneration"]] == ["patch", "half", "scatter"]
    assert all(look["floor"] < look["distance"] for look in found["drift"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--pixels", 100), "a whole number of pixels for each of its 32 edges, got 100"),
        (("--pixels", 100_000), "loss.pixels must be a whole number in 16..512, got 100000"),
        (("--pixels", 64, "--level", 4), "a view of 32 edges sees more than a sphere of level 4"),
        (("--pixels", 64, "--set", "spec.decoder=none"), "takes a decoder"),
        (("--pixels", 64, "--set", "spec.decoder.outputs=4"), "paints RGB, 3 outputs, got 4"),
        (("--pixels", 64, "--set", "spec.decoder.order=xy"), "are of squares, not of triangles"),
        (("--set", 'spec.decoder={kind="lppn"}'), "only nodes are looked at here"),
    ],
)
def test_a_bad_request_for_a_painted_mesh_is_one_line(petri, tmp_path, monkeypatch, asked, said):
    monkeypatch.chdir(tmp_path)
    error = petri("mesh", "texture", "torus", "brick", *asked, code=2)
    assert said in error and len(error.strip().splitlines()) == 1
    if "spec.decoder={" in str(asked[-1]):
        assert said in petri("mesh", "grow", "sphere:1", "wheel", *asked, code=2)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "say what is to wear what"),
        (("torus",), "say what is to wear what"),
        (("nowhere.obj", "brick"), "No such file"),
        (("torus", "nothing.png"), "nothing.png"),
        (("torus", "dot.png"), "a texture needs 16 along a side"),
        (("torus", "brick", "--level", 4, "--set", "loss.pixels=32"), "sees more than a sphere of level 4"),
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

"""The mesh that a model was trained on, found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from petri import Automaton, Cell, Harmonics, Invariants, Mesh, Mlp, Model, Noise, Spec, worn
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.graph import Surface, icosphere, write
from petri.graph.growth import growth
from petri.graph.painting import shown
from petri.graph.patterns import paint
from petri.graph.raster import draw
from petri.graph.rings import ROUND, tube
from petri.nca.graph import ring
from petri.shaders import manifest

SPEC = Spec(space=Mesh(), senses=(Harmonics(),), channels=5, rule=Mlp(hidden=16, layers=2), start=Cell(x=0.5))


def model(mesh="nowhere.obj", pattern="spots", nodes=42, spec=SPEC):
    recipe = {"phases": [{"res": [1, nodes], "steps": [2, 4]}], "loss": {"mesh": mesh}, "target": pattern}
    return Model(automaton=Automaton(spec), target="t", training={"recipe": recipe})


def test_the_checkpoint_comes_first_then_what_was_coloured_then_the_recipe(tmp_path):
    ball = icosphere(1)
    found = worn.on_its_mesh(model("sphere:1"), tmp_path)
    assert np.allclose(found.surface.vertices, ball.vertices, atol=1e-7)
    assert np.allclose(found.surface.colours, paint("spots", ball).colours)
    assert found.automaton.graph.nodes == 42 and found.automaton.rule is not None

    write(tmp_path / "coloured.ply", Surface(0.5 * ball.vertices, ball.faces, 0 * ball.vertices))
    found = worn.on_its_mesh(model("sphere:1"), tmp_path)
    assert np.abs(found.surface.vertices).max() < 0.51
    assert found.surface.colours.max() > 0.5  # what it is to come to, and not what it came to
    assert worn.on_its_mesh(model(pattern="own.ply"), tmp_path).surface.colours is None

    parts = {"places": torch.from_numpy(2 * ball.vertices), "faces": torch.from_numpy(ball.faces)}
    save_file(parts | {"colours": torch.full((3, 42), 0.25)}, tmp_path / "checkpoint.safetensors")
    found = worn.on_its_mesh(model("sphere:1"), tmp_path)
    assert np.abs(found.surface.vertices).max() > 1.5 and (found.surface.colours == 0.25).all()


def test_a_mesh_of_another_size_is_not_taken(tmp_path):
    write(tmp_path / "coloured.ply", icosphere(2))
    with pytest.raises(BadRequest, match="a mesh of 42 vertices, which is not to be found"):
        worn.on_its_mesh(model(), tmp_path)
    with pytest.raises(BadRequest, match="is of a mesh, and the mesh is not given with it"):
        manifest.entry(model(), name="t", file="t")
    grid = Model(automaton=Automaton(Spec()), target="grid")
    assert worn.on_its_mesh(grid, tmp_path) is grid


def test_a_texture_wears_what_it_wore_or_the_sphere_and_directions_are_told_as_it_is_used_to(tmp_path):
    spec = Spec(space=Mesh(frame="upright"), senses=(Harmonics(edge=0.3),), channels=4, start=Noise())
    recipe = {"task": "wear", "phases": [{"res": [1, 162]}], "loss": {"level": 2, "mesh": "torus"}}
    texture = Model(automaton=Automaton(spec), target="brick", training={"recipe": recipe})
    found = worn.on_its_mesh(texture, tmp_path)
    assert (found.nodes, found.automaton.graph.frame) == (162, "upright")
    write(tmp_path / "worn.ply", icosphere(1))
    found = worn.on_its_mesh(texture, tmp_path)
    assert found.nodes == 42 and found.surface.colours is None
    entry = manifest.entry(found, name="t", file="t")
    assert entry["golden"]["width"] == 42 and "by length" in entry["description"]
    with pytest.raises(BadRequest, match=r"loss\.pixels of the model's recipe must be a whole number"):
        evaluate(found)


def test_places_are_those_that_files_hold(tmp_path):
    surface = worn.on_its_mesh(model("sphere:1"), tmp_path).surface
    assert np.array_equal(surface.vertices, surface.vertices.astype(np.float32))


def test_the_manifest_carries_the_mesh_and_golden_values_of_its_nodes(tmp_path):
    dressed = worn.on_its_mesh(model("sphere:1"), tmp_path)
    dressed.automaton.rule.weights[-1].data.fill_(0.01)
    entry = manifest.entry(dressed, name="t", file="t.safetensors")
    assert entry["mesh"].startswith("data:model/ply;base64,") and entry["obstacle"] is None
    assert (entry["golden"]["height"], entry["golden"]["width"]) == (1, 42)
    assert [0, 41] in [list(cell) for cell in entry["golden"]["cells"]] and len(entry["golden"]["cells"]) > 16


def test_a_mesh_that_a_page_has_no_room_for_has_a_sentence():
    from petri.shaders.obstacle import obstacle

    assert obstacle(SPEC, nodes=1_000_000) == ""
    assert (
        obstacle(SPEC, nodes=1_000_001)
        == "a page has room for meshes of 1,000,000 vertices, not of 1,000,001"
    )


def test_growth_takes_the_steps_of_a_rollout_and_a_quarter_is_lost(tmp_path):
    dressed = worn.on_its_mesh(model("sphere:1"), tmp_path)
    dressed.automaton.rule.biases[-1].data.fill_(0.2)
    nodes, automaton = 42, dressed.automaton
    steps, last = zip(*growth(automaton, nodes, dressed.surface, 5, seed=3), strict=True)
    assert steps == (0, 2, 4, 5)
    expected = automaton.rollout(automaton.seed_state(nodes), 5, seed=3)[0]
    assert np.array_equal(last[-1].colours, shown(expected, automaton, dressed.surface).colours)
    steps, seen = zip(*growth(automaton, nodes, dressed.surface, 40, seed=3, damage_at=31), strict=True)
    at = steps.index(31)
    assert steps[at : at + 2] == (31, 31)
    dark = (seen[at + 1].colours == 0).all(axis=1)
    assert (seen[at].colours > 0).all() and 10 <= dark.sum() < 25
    first = next(iter(growth(automaton, nodes, dressed.surface, 1, first=7)))[1]
    assert (first.colours == 0).all()  # a seed has no colour


def test_a_ring_is_shown_as_a_tube_of_its_nodes_colours():
    state = torch.rand(5, 9)
    surface = shown(state, Automaton(Spec(space=Mesh(), senses=(Invariants(),), channels=5)))
    assert len(surface.vertices) == 9 * ROUND and surface.border == 0 and surface.parts == 1
    assert np.allclose(surface.colours[::ROUND], state[:3].T)
    centres = tube(9).vertices.reshape(9, ROUND, 3).mean(axis=1)
    for node in range(9):  # neighbours lie beside each other
        near = np.linalg.norm(centres - centres[node], axis=1).argsort()[1:3]
        assert set(near) == set(ring(9).neighbours[2 * node : 2 * node + 2].tolist())
    assert (tube(9).normals() * (tube(9).vertices - centres.repeat(ROUND, axis=0))).sum(
        axis=1
    ).min() > 0  # outwards


def test_a_picture_may_be_see_through_around_the_surface():
    ball = icosphere(2).coloured(np.full((162, 3), 0.5))
    opaque, through = draw(ball, pixels=64), draw(ball, pixels=64, through=True)
    assert through.shape == (64, 64, 4) and through[0, 0, 3] == 0 and through[32, 32, 3] == 255
    inside = through[:, :, 3] == 255
    assert np.array_equal(through[inside][:, :3], opaque[inside]) and (opaque[0, 0] == 255).all()

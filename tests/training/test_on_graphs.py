"""Training on rings and meshes: a small ring is coloured in seconds, damage, windows, and recipes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from petri import Cell, Harmonics, Mlp, Ring, Spec, modelfile, show, train
from petri.errors import BadRequest
from petri.graph import icosphere, named, patterns, read, write
from petri.graph.rings import ramps, wheel
from petri.losses.windows import WindowLoss
from petri.progress import Progress
from petri.tasks.colour import Colouring, correlation
from petri.tasks.sequence import Sequencing
from petri.tasks.surface import Coated, ColouringMesh
from petri.training import loop, rings
from petri.training.meshes import make_mesh_recipe, make_wear_recipe, top
from petri.training.recipe import Recipe

SMALL = Spec(
    space=Ring(),
    senses=(Harmonics(dimensions=1, valence=2),),
    channels=8,
    rule=Mlp(hidden=32, layers=2),
)


class Silent:
    """Watches a run and says nothing."""

    def progress(self, progress: Progress) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def test_a_ring_of_16_is_coloured_in_seconds():
    task = Colouring(SMALL, wheel(16), steps=24)
    model = train(task, epochs=300, steps=(16, 24), batch=4, pool=16, learning_rate=1e-2)
    state = model.automaton.seed_state(16, batch=4)
    grown = model.automaton.rollout(state, 24, seed=9)
    assert correlation(show(grown, model.spec), task.colours).mean() > 0.8
    assert task.measure(model.automaton, seeds=2)["loss"] < 0.03  # one colour everywhere: 0.06


def test_a_sense_heeds_how_long_edges_are_if_it_is_named_so():
    ball = icosphere(2)
    for name, order in (("laplacian", 0), ("slope", 1), ("harmonics2", 2)):
        for by_length in (False, True):
            recipe = make_mesh_recipe("sphere:2", "spots", ball, perception=name + "-by-length" * by_length)
            assert recipe.spec.senses == (Harmonics(order=order, edge=ball.edge if by_length else 0.0),)
    recipe = make_wear_recipe("torus", "scales", level=4, perception="slope-by-length")
    assert recipe.spec.senses == (Harmonics(edge=icosphere(4).edge),)
    for name in ("slope-by-lengths", "invariants-by-length"):
        with pytest.raises(BadRequest, match=r"perception must be one of laplacian, .*, slope-by-length, "):
            make_mesh_recipe("sphere:2", "spots", ball, perception=name)


def test_without_the_odd_part_nothing_tells_left_from_right():
    spec = dataclasses.replace(
        SMALL, senses=(Harmonics(dimensions=1, order=0, valence=2),), fire_rate=1.0, start=Cell(x=0.5)
    )
    model = train(Colouring(spec, wheel(16), steps=8), epochs=2, steps=(4, 8), batch=2, pool=4)
    grown = model.automaton.rollout(model.seed_state(), 8)
    assert torch.allclose(grown, grown.roll(-1, -1).flip(-1), atol=1e-5)  # node 8 is the seed


def test_a_wound_takes_a_share_of_the_nodes_around_one():
    task = Colouring(SMALL, wheel(40))
    state = torch.ones(6, 8, 1, 40)
    chance = torch.Generator().manual_seed(0)
    hurt = task.wound(state, chance, radii=(0.25, 0.25), half_planes=True)
    for one in hurt[:, :, 0]:
        gone = (one == 0).all(dim=0)
        assert int(gone.sum()) in (10, 11) and bool((one[:, ~gone] == 1).all())
        assert int((gone != gone.roll(1)).sum()) == 2  # all of it in one piece


def test_windows_are_compared_wherever_they_lie():
    exemplar = ramps(200)
    loss = WindowLoss(exemplar, width=5)

    def apart(rgb):
        return loss(rgb[None], torch.Generator().manual_seed(3)).item()

    assert apart(exemplar.roll(31, -1)) < 1e-12
    mixed = exemplar[:, torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    assert apart(mixed) > 3 * apart(ramps(200, seed=1))
    # The same by plain loops, along the same directions.
    along = torch.randn(64, 15, generator=torch.Generator().manual_seed(3))
    along /= along.norm(dim=1, keepdim=True)
    projected = []
    for rgb in (mixed, exemplar):
        windows = [torch.cat([rgb[:, (at + k) % 200] for k in range(5)]) for at in range(200)]
        windows = torch.stack([window.view(5, 3).T.reshape(-1) for window in windows])
        projected.append((windows @ along.T).sort(dim=0).values)
    assert apart(mixed) == pytest.approx((projected[0] - projected[1]).square().mean().item(), rel=1e-4)


def test_a_sequence_is_trained_by_its_windows():
    spec = rings.spec_of(noise=True)
    model = train(Sequencing(spec, ramps(64), nodes=16), epochs=2, steps=(4, 6), batch=2, pool=4)
    assert model.automaton.rollout(model.automaton.seed_state(50), 3).shape == (1, 12, 50)


def test_figures_of_a_rule_that_does_nothing():
    found = rings.measure(rings.Automaton(rings.spec_of()), wheel(16), 4, "nothing", 3)
    assert (found.variant, found.seed) == ("nothing", 3)
    assert found.grown == found.late == found.hurt == found.twice == 0.0  # it shows no colour at all


def test_a_recipe_of_a_mesh_is_what_it_says():
    surface = named.load("sphere:2").surface
    recipe = make_mesh_recipe("sphere:2", "wheel", surface, perception="harmonics2", epochs=7, seed=4)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert (recipe.task, recipe.target, recipe.name) == ("surface", "wheel", "sphere-2-wheel")
    assert recipe.phases[0].grid == (1, 162) and recipe.loss.faces == 320
    assert recipe.spec.senses == (Harmonics(order=2),)
    assert recipe.spec.start.place(1, 162) == (0, top(surface))
    other = dataclasses.replace(recipe, loss=dataclasses.replace(recipe.loss, mesh="sphere:1"))
    with pytest.raises(BadRequest, match="42 vertices"):
        ColouringMesh.of(other)


def test_a_run_that_is_stopped_and_resumed_has_the_same_bits_and_needs_the_mesh_no_more(
    tmp_path, monkeypatch
):
    mesh = patterns.paint("harlequin", icosphere(1))
    monkeypatch.chdir(tmp_path)
    write("ball.ply", mesh)
    surface = named.load("ball.ply").surface
    settings = ["phases.steps=[3, 5]", "pool.size=4"]
    recipe = make_mesh_recipe("ball.ply", "ball.ply", surface, epochs=6, settings=settings)
    device = torch.device("cpu")
    run, trainer = loop.start(recipe, tmp_path, "whole", device)
    whole = loop.train(run, trainer, Silent())
    # The mesh is in the checkpoint: the file may be gone.
    run, trainer = loop.start(recipe, tmp_path, "parts", device)
    loop.train(run, trainer, Silent(), stop=lambda: trainer.epoch >= 3)
    Path("ball.ply").unlink()
    run, trainer, seconds = loop.resume(tmp_path / "parts", device)
    parts = loop.train(run, trainer, Silent(), seconds=seconds)
    models = [result.folder / "model.safetensors" for result in (whole, parts)]
    assert whole.finished and parts.finished
    first, second = (modelfile.read(path).automaton.state_dict() for path in models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert isinstance(parts.outcome, Coated) and not parts.outcome.stands
    assert {*parts.outcome.files} <= {path.name for path in parts.folder.iterdir()}
    again = read(parts.folder / "coloured.ply")
    assert np.allclose(again.vertices, surface.vertices) and np.array_equal(again.faces, surface.faces)

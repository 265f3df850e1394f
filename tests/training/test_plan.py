import dataclasses
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from nca_cli import running
from petri import tasks
from petri.targets import load
from petri.training.pace import Pace, cell_steps
from petri.training.plan import Plan, plan
from petri.training.presets import make_recipe
from petri.training.ranks import Ranks
from petri.training.recipe import Phase
from petri.training.trainer import Epoch, Trainer


@pytest.fixture
def recipe():
    phases = [
        {"res": 16, "epochs": 10, "batch": 2, "steps": [10, 20]},
        {"res": 32, "epochs": 5, "batch": 1, "steps": [20, 20]},
    ]
    file = {
        "phases": phases,
        "hold": 5,
    }
    return make_recipe(load("circle", 32), "circle", res=32, file=file)


def epoch(number, steps):
    none = torch.zeros(())
    return Epoch(number, steps, 1e-3, {}, none, none, "", none)


def test_the_time_left_is_reckoned_by_cells_and_steps(recipe):
    assert [cell_steps(recipe, phase) for phase in recipe.phases] == [2 * 256 * 20, 1 * 1024 * 25]
    cut = dataclasses.replace(recipe.phases[1], truncate=4)  # of 20 and of 5 steps
    assert cell_steps(recipe, cut) == 1024 * (25 + 3 * 8) / 4 and cell_steps(recipe, cut, 2) == 1024 * 6.25
    pace = Pace(recipe, 0)
    assert pace.left(0) == 0  # nobody knows yet
    pace.add(
        [epoch(1, 15), epoch(2, 15)], 2 * 2 * 256 * 20 * 1e-3
    )  # a thousandth of a second a cell and step
    assert pace.left(2) == pytest.approx((8 * 10240 + 5 * 25600) * 1e-3)
    assert pace.left(12) == pytest.approx(3 * 25600 * 1e-3) and pace.left(15) == 0


def test_of_many_phases_three_are_measured_and_the_others_reckoned_by_their_cells_and_steps(monkeypatch):
    from petri.training import plan as planning

    recipe = make_recipe(load("circle", 128), "circle", res=128)
    assert len(recipe.phases) > 10
    measured = []

    def seconds(recipe, phase, steps, device, engine):
        measured.append(phase.res)
        whole = dataclasses.replace(phase, steps=(steps, steps))
        return 2e-6 * (1 + phase.res / 64) * cell_steps(recipe, whole)

    monkeypatch.setattr(planning, "_seconds", seconds)
    planned = plan(recipe, torch.device("cpu"))
    assert len(measured) == 6 and len(set(measured)) == 3
    for part in planned.phases:
        each = 2e-6 * (1 + part.phase.res / 64) * cell_steps(recipe, part.phase)
        assert part.seconds == pytest.approx(part.phase.epochs * each, rel=0.1)


@pytest.mark.parametrize("slow", [False, True])
def test_what_is_brief_is_measured_at_its_whole_length(monkeypatch, slow):
    from petri.training import plan as planning

    recipe = make_recipe(load("logo", 32), "logo", res=32)
    asked = []
    monkeypatch.setattr(
        planning, "_seconds", lambda _, __, steps, *___: asked.append(steps) or steps * (1e-3 + slow)
    )
    seconds = plan(recipe, torch.device("cpu")).seconds
    (phase,) = recipe.phases
    assert asked == [8, 24 if slow else round(phase.steps_a_epoch)]
    assert seconds == pytest.approx(phase.epochs * phase.steps_a_epoch * (1e-3 + slow), rel=0.01)


def test_a_figure_that_is_measured_neither_dies_nor_spreads():
    from petri.training import plan as planning

    recipe = make_recipe(load("logo", 32), "logo", res=32, settings=["pool.size=1"])
    still = dataclasses.replace(recipe.optimiser, warm_up=0.0, learning_rate=planning.STILL)
    steps = dataclasses.replace(recipe.phases[0], again=())
    trainer = Trainer(
        dataclasses.replace(recipe, optimiser=still, phases=(steps,)), tasks.make(recipe), torch.device("cpu")
    )
    planning._nudge(trainer)
    for _ in range(3):
        trainer.train_epoch()
        living = trainer.pool.rows["state"][:, 3] > 0.1
        assert living.sum() == 188  # of 1,024: a disc of half the side


def test_a_plan_measures_the_phases_and_writes_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan(recipe, torch.device("cpu"))
    assert [part.phase for part in planned.phases] == list(recipe.phases)
    assert all(part.seconds > 0 for part in planned.phases) and planned.memory > 100_000_000
    assert planned.seconds == sum(part.seconds for part in planned.phases)
    assert not list(tmp_path.iterdir())


def test_the_command_says_the_plan(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("grow", "circle", "--res", "64", "--set", "phases.batch=1", "--dry-run")
    assert "15,344 parameters" in said and "nothing was written" in said
    assert "32×32" in said and "64×64" in said and "48–96 + 32" in said
    assert not list(tmp_path.iterdir())


def test_a_plan_says_what_is_noted_of_the_target(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (30, 20), "red").save("wide.png")
    said = petri("grow", "wide.png", "--res", "16", "--hidden", "16", "--dry-run")
    assert "wide.png is 30 × 20: only its central square is grown" in said


def test_a_plan_is_refused_where_the_run_would_be(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("petri.training.memory.installed", lambda *_: 1)
    said = petri("grow", "circle", "--dry-run", code=2)
    assert "memory" in said and len(said.strip().splitlines()) == 1


def test_the_memory_of_a_gpu_is_said(recipe, capsys, monkeypatch):
    cuda, planned = torch.device("cuda"), Plan(recipe, (), 2_100_000_000)
    monkeypatch.setattr(running, "_prepare", lambda *_, **__: (cuda, Ranks(), ()))
    monkeypatch.setattr("petri.training.memory.check", lambda *_, **__: None)
    monkeypatch.setattr("petri.training.plan.plan", lambda *_, **__: planned)
    there = SimpleNamespace(total_memory=84_900_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: there)
    running.say_plan(recipe, (), "cuda", "auto")
    assert "2.1 GB of memory at the most, of the 85 that the GPU has;" in capsys.readouterr().out


def test_a_phase_is_what_it_says():
    assert Phase(res=16, epochs=1, batch=1, steps=[1, 2]).steps == (1, 2)

import dataclasses

import pytest
import torch

from petri import memory
from petri.growth.grow import draw_targets
from petri.growth.pace import Pace, cell_steps
from petri.growth.plan import plan
from petri.growth.presets import make_recipe
from petri.growth.recipe import Phase
from petri.growth.trainer import Epoch
from petri.targets import load


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
    return Epoch(number, steps, 1e-3, *[torch.zeros(())] * 6)


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


def test_a_plan_measures_every_phase_and_writes_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan(recipe, draw_targets(recipe), torch.device("cpu"))
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


def test_a_plan_is_refused_where_the_run_would_be(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "installed", lambda *_: 1)
    said = petri("grow", "circle", "--dry-run", code=2)
    assert "memory" in said and len(said.strip().splitlines()) == 1


def test_a_phase_is_what_it_says():
    assert Phase(res=16, epochs=1, batch=1, steps=[1, 2]).steps == (1, 2)

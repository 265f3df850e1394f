"""The shipped models: how they are made, measured and listed."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from specs import tells_brightness

import petri
from petri import modelfile, models
from petri.datasets import pictures
from petri.datasets.pictures import Labelled, Pictures
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.models import catalogue, make
from petri.targets import PATTERNS, load
from petri.tasks.catalogue import FOUND_FOR
from petri.training.classes import make_classifier_recipe
from petri.training.presets import make_recipe
from petri.training.recipe import plain
from petri.training.runs import Run


def test_a_model_is_made_from_nothing_and_not_trained_twice(tmp_path, monkeypatch, capsys):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setattr(make, "HERE", shelf)
    monkeypatch.setattr(models, "_HERE", shelf)
    monkeypatch.setattr(make, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(make, "ORDERS", {"circle": make.Order("circle", 16, make.DAMAGE)})
    orders = []

    def run(command, **options):
        """As make does it, but with a few epochs."""
        assert options["check"] and command[1:3] == ["-m", "petri"]
        orders.append(command[3:])
        subprocess.run([*command, "--epochs", "4", "--set", "phases.steps=[4, 4]"], **options)

    monkeypatch.setattr(make, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(make, "evaluate", partial(evaluate, seeds=2))
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["make", "circle"])
        make.main()
    assert [order[:2] for order in orders] == [["grow", "circle"]]
    assert "epoch 4/4" in (tmp_path / "runs" / "circle.log").read_text()
    model = modelfile.read(shelf / "circle.safetensors")
    assert model.training["recipe"]["pool"]["damage"] == 1 and model.training["epochs"] == 4
    assert [one["res"] for one in model.training["evaluation"]["sizes"]] == [24, 32]  # 8 and 12 are too small
    entry = catalogue.entries()[0]
    assert entry.loss == model.training["evaluation"]["loss"]["seen"]["loss"] and entry.trained_to_heal
    row = (shelf / "README.md").read_text().splitlines()[-1]
    assert f"| 15,344 | {entry.bytes / 1e3:.0f} | 16² | {entry.loss:.4f} | 0.048 |" in row
    assert (shelf / "pictures" / "circle.webp").read_bytes()[8:12] == b"WEBP"


def test_what_each_model_is_trained_as(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "RUNS", tmp_path)
    orders = {}

    def order(command, **_):
        """What would be trained, by verb and targets."""
        told = command.index("--out")
        orders[tuple(command[3:told])] = command[told:]

    monkeypatch.setattr(make, "subprocess", SimpleNamespace(run=order))
    for name in make.ORDERS:
        make.train(name)
    grown = {" ".join(target): told for (verb, *target), told in orders.items() if verb == "grow"}
    figures = make.FIGURES | make.SEVERAL
    assert set(grown) == {*PATTERNS, *(order.target for order in figures.values())}
    painted = orders["texture", "material:scales"]
    assert painted[painted.index("--pixels") + 1] == "512"
    assert {name for name, told in grown.items() if "256" in told} == {"circle", "spiral"}
    healing = {name for name, told in grown.items() if "pool.damage=1" in told}
    assert set(grown) - healing == {"mandelbrot", "spiral", "topo", "voronoi"}
    assert "--res" not in orders["classify", "mnist"]
    texture = orders["texture", "brick"]
    assert texture[texture.index("--res") + 1] == "96" and len(orders) == len(make.ORDERS) - 2 == 23
    assert "--res" not in orders["mesh", "grow", "sphere:4", "harlequin"]
    texture = orders["mesh", "texture", "sphere:5", "scales"]
    assert texture[texture.index("--level") + 1] == "5" and "loss.pixels=32" in texture
    for order in make.ORDERS.values():
        assert order.recipe.res == order.res


def test_on_another_device_than_the_cpu_a_model_has_all_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "RUNS", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    asked = []

    def order(command, *, env, **_):
        asked.append((command[-2:], env.get("OMP_NUM_THREADS")))

    monkeypatch.setattr(make, "subprocess", SimpleNamespace(run=order))
    make.train("circle")
    make.train("circle", "cuda")
    assert asked == [(["--device", "cpu"], "1"), (["--device", "cuda"], None)]


def test_a_run_of_another_recipe_is_not_taken_for_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "RUNS", tmp_path)
    monkeypatch.setattr(make, "ORDERS", {"circle": make.Order("circle", 16, make.DAMAGE)})
    recipe = make_recipe(load("circle", 16), "circle", res=16)
    Run.create(tmp_path, "circle", recipe, room=0).close()  # without damage
    with pytest.raises(SystemExit, match="circle is of another recipe"):
        make.train("circle")


def test_a_name_that_is_none_of_the_patterns_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make", "spirl"])
    with pytest.raises(SystemExit):
        make.main()
    assert "no such model: spirl" in capsys.readouterr().err


def test_the_catalogue_is_of_the_files_that_are_shipped():
    page = (models.find("circle").parent / "README.md").read_text()
    for entry in catalogue.entries():
        assert entry.bytes < 130_000 and json.dumps(entry.model.training)
        if entry.published:  # what others made says whose it is, and under which licence
            assert f"| {entry.name} | {entry.model.target} |" in page and entry.model.task == "texture"
            training = entry.model.training
            assert training["licence"] == "CC BY 4.0" and entry.model.target in training["source"]
            assert "Niklasson" in training["authors"] and training["authors"].split()[-1] in page
            continue
        if entry.model.conditions:
            labels = [word.removeprefix("emoji:") for word in make.SEVERAL[entry.name].targets]
            assert list(entry.model.conditions) == labels
            assert f"| {entry.name} | {' '.join(labels)} |" in page
            continue
        if entry.name in make.MESHES:
            level, nodes = make.MESHES[entry.name].level, make.MESHES[entry.name].res
            assert entry.model.nodes == nodes and f"| {entry.name} | sphere:{level} |" in page
            found = entry.healed if entry.model.task == "surface" else None
            assert found is None or found >= make.REGAINED
            continue
        if entry.model.classes:
            readings = entry.model.training["evaluation"]["readings"]
            assert min(one["pictures"] for one in readings) >= make.RECOGNISED
            assert f"{100 * readings[0]['pictures']:.2f} % after {readings[0]['steps']}, " in page
            assert entry.model.samples.shape == (10, 1, 28, 28)
            continue
        if entry.model.spec.decoder is not None:
            order = (make.PAINTED | make.MATERIALS)[entry.name]
            assert (entry.model.res, entry.model.pixels) == (order.res, order.pixels)
            assert f"| {order.res}² → {order.pixels}² |" in page and entry.model.target == order.target
            continue
        if entry.model.automaton.spec.living:
            assert f"| {entry.name} | {make.FIGURES[entry.name].target} |" in page
            continue
        if entry.model.task == "texture":
            first = entry.looks[0]
            assert entry.name in make.TEXTURES and first["steps"] == 64
            assert f"| 11,728 | {entry.bytes / 1e3:.0f} | 96² | {first['way']:.1f} % |" in page
            continue
        assert f"| {entry.starred} | {entry.model.automaton.spec.describe()} |" in page
        assert f"| {catalogue.figure(entry.loss)} | {catalogue.figure(entry.report, '.3f')} |" in page
        assert entry.healed > 90  # so the page says that it heals, whether or not it was trained to
        assert entry.starred.endswith("*") == (entry.name in FOUND_FOR)


def test_python_loads_a_shipped_model_by_name_as_the_commands_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named, filed = petri.load("circle"), petri.load(models.find("circle"))
    assert named.spec == filed.spec
    assert (named.res, named.steps) == (256, 192)
    for name, value in named.automaton.named_parameters():
        assert torch.equal(value, dict(filed.automaton.named_parameters())[name])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(models.find("circle").read_bytes())
    assert petri.load("run").spec == petri.load(tmp_path / "run").spec == named.spec
    with pytest.raises(BadRequest, match='did you mean "circle"'):
        petri.load("cirle")


def test_a_classifier_is_shipped_if_it_recognises_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(models, "_HERE", tmp_path)
    model = tells_brightness()
    images = (model.samples * 255).byte()
    part = Labelled(images, torch.tensor([0, 1]))
    data = Pictures("mnist", "light", model.classes, part, part, part)
    monkeypatch.setattr(pictures, "load", lambda name, *_: data)
    folder = tmp_path / "run"
    folder.mkdir()
    modelfile.write(folder / models.MODEL, replace(model, training=model.training | {"found": {}}))
    monkeypatch.setattr(make, "RECOGNISED", 1.1)
    with pytest.raises(SystemExit, match=r"mnist recognises 100\.00% only, at least 110\.0% are asked for"):
        make.ship("mnist", folder)
    monkeypatch.setattr(make, "RECOGNISED", 1.0)
    make.ship("mnist", folder)
    catalogue.write_catalogue(tmp_path)
    shipped = modelfile.read(tmp_path / "mnist.safetensors")
    assert shipped.training["evaluation"]["readings"][0]["pictures"] == 1.0
    assert shipped.samples.shape == (2, 1, 16, 16) and "found" not in shipped.training
    row = (tmp_path / "README.md").read_text().splitlines()[-1]
    assert "100.00 % after 20, " in row and f"| {model.spec.parameters:,} |" in row


def test_a_colouring_of_a_mesh_is_shipped_if_it_heals(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(models, "_HERE", tmp_path)
    monkeypatch.setattr(make, "MESHES", {"ball": make.on_sphere(1, "grow", "wheel")})
    monkeypatch.setattr(make, "ORDERS", make.MESHES)
    recipe = make.MESHES["ball"].recipe
    training = {"recipe": plain(recipe.to_fields()), "seconds": 120}
    automaton = petri.Automaton(recipe.spec)
    folder = tmp_path / "run"
    folder.mkdir()
    modelfile.write(
        folder / models.MODEL, petri.Model(automaton=automaton, target="wheel", training=training)
    )
    healed = [{"kind": "patch", "percent": None, "damaged": {}, "healed": {}}]
    looks = [{"steps": 32, "psnr": 30.25}, {"steps": 640, "psnr": 29.75}]

    def measured(model, targets):
        """As good as the test wants it, of a model that has found its sphere, and what it is to become."""
        assert not targets and model.surface.colours.shape == (42, 3)
        fields = {"task": "surface", "seeds": 8, "plain": 0.1, "drift": looks, "regeneration": healed}
        return SimpleNamespace(to_fields=lambda: fields)

    monkeypatch.setattr(make, "evaluate", measured)
    for percent in (None, 98.9):
        healed[0]["percent"] = percent
        with pytest.raises(SystemExit, match=f"ball heals {percent} % of a patch, 99.0 % are asked for"):
            make.ship("ball", folder)
    healed[0]["percent"] = 99.2
    make.ship("ball", folder)
    catalogue.write_catalogue(tmp_path)
    (row,) = [line for line in (tmp_path / "README.md").read_text().splitlines() if "| ball |" in line]
    assert "| sphere:1 | slope · 96 hidden · 2 layers · on a mesh | 9,328 |" in row
    assert row.endswith("| 42 | 30.2 | 29.8 | 99.2 % | – | 2 |")
    assert (tmp_path / "pictures" / "ball.webp").is_file()


def test_what_a_decoder_paints_is_shipped_with_its_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(models, "_HERE", tmp_path)
    monkeypatch.setattr(make, "PAINTED", {"disc": make.Order("logo", 16, pixels=64)})
    monkeypatch.setattr(
        make, "MATERIALS", {"wall": make.Order("material:bricks", 16, (), "texture", pixels=32)}
    )
    monkeypatch.setattr(make, "ORDERS", make.PAINTED | make.MATERIALS)
    looks = [{"steps": 160, "median": 30.0, "worst": 29.0}]
    looks += [{"steps": 5000, "median": 28.0, "worst": 27.0, "standing": 8, "seeds": 8}]
    woven = [{"factor": 1, "steps": 64, "way": 2.0}, {"factor": 1, "steps": 5000, "way": 5.1}]
    of_figures = {"seeds": 8, "loss": {"seen": {}}, "drift": looks, "regeneration": [], "sizes": []}
    of_textures = {"floor": 1, "floor_by": "others", "ceiling": 2, "drift": woven}
    found = {"disc": of_figures, "wall": {**of_figures, "task": "texture", **of_textures}}
    for name, order in make.ORDERS.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        recipe, fields = order.recipe, found[name]
        made = petri.Model(
            automaton=petri.Automaton(recipe.spec),
            target=order.target,
            training={"recipe": plain(recipe.to_fields()), "seconds": 60},
        )
        modelfile.write(folder / models.MODEL, made)
        evaluated = SimpleNamespace(to_fields=lambda fields=fields: fields)
        monkeypatch.setattr(make, "evaluate", lambda *_, evaluated=evaluated: evaluated)
        if name == "wall":
            with pytest.raises(SystemExit, match=r"wall is 5.1 % of the way .* at most 5.0 % will do"):
                make.ship(name, folder)
            woven[1]["way"] = 4.9
        make.ship(name, folder)
    catalogue.write_catalogue(tmp_path)
    rows = (tmp_path / "README.md").read_text().splitlines()
    (disc,) = [row for row in rows if "| disc |" in row]
    (wall,) = [row for row in rows if "| wall |" in row]
    assert "| 16² → 64² | 30.0 (worst 29.0) | 28.0 (worst 27.0) | 8 of 8 | no |" in disc
    assert "| 16² → 32² | 2.0 % | 4.9 % | – |" in wall
    assert all((tmp_path / "pictures" / f"{name}.webp").is_file() for name in make.ORDERS)


def test_a_run_of_another_classifier_is_not_taken_for_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "RUNS", tmp_path)
    recipe = make_classifier_recipe("mnist", settings=["spec.channels=12"])
    Run.create(tmp_path, "mnist", recipe, room=0).close()
    with pytest.raises(SystemExit, match="mnist is of another recipe"):
        make.train("mnist")

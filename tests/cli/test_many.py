"""The commands on several targets and on models of them."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from petri import modelfile
from petri.film import film
from petri.ground import WHITE
from petri.images import picture
from petri.modelfile import Model
from petri.nca import Automaton, Spec, under
from petri.shaders import manifest

SMALL = ("--res", 16, "--hidden", 16, "--epochs", 4, "--set", "phases.steps=[4, 8]")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The path of a model of two conditions: cells take on the colour of theirs, a channel of 0.1 a step."""
    automaton = Automaton(Spec.of(hidden=16, layers=2, perception="sobel", fixed=2, fire_rate=1.0))
    first, last = automaton.rule.weights
    first.data.zero_()
    automaton.rule.biases[0].data.zero_()
    first.data[0, 16 * 3] = first.data[1, 17 * 3] = 1.0  # what a cell itself has of the planes
    last.data[0, 0] = last.data[1, 1] = 0.1
    training = {"recipe": {"task": "many", "phases": [{"res": 16, "steps": [4, 8]}]}}
    model = Model(automaton=automaton, target="red green", training=training, conditions=("red", "green"))
    path = tmp_path_factory.mktemp("models") / "two.safetensors"
    modelfile.write(path, model)
    return path


def test_two_targets_are_grown_by_one_rule_and_gone_on_with(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((20, 20, 3), (250, 30, 30), np.uint8)).save(tmp_path / "red.png")
    said = petri("grow", "red.png", "circle", *SMALL)
    assert "red circle grown" in said and "changes.webp" in said and "2 fixed planes" in said
    folder = tmp_path / "runs" / "red-circle-16"
    recipe = (folder / "recipe.toml").read_text()
    assert 'task = "many"' in recipe and '"red.png",' in recipe
    petri("grow", "--resume", folder, "--epochs", 2)
    model = modelfile.read(folder / "model.safetensors")
    assert model.training["recipe"]["targets"] == ["red.png", "circle"]  # no folder of the user's
    (tmp_path / "red.png").rename(tmp_path / "gone.png")
    assert "grows red.png" in petri("evaluate", folder, code=2)
    tables = petri("evaluate", folder, "--seeds", 2, "--target", "gone.png", "--target", "circle")
    assert "mutation" in tables and "red → circle" in tables and "circle half" in tables


def test_figures_that_do_not_stand_are_reported(petri, tmp_path):
    said = petri("grow", "emoji:🦎", "emoji:🦋", *SMALL, "--out", tmp_path, "--name", "a", code=1)
    assert "🦎 🦋 has not grown" in said and "32 of 32 rollouts did not grow" in said


def test_a_plan_of_several_writes_nothing(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = petri("grow", "emoji:🦎", "emoji:🦋", *SMALL, "--dry-run")
    assert "nothing was written" in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["emoji:🦎", "emoji:🦎"], "emoji:🦎 is asked for twice"),
        (["emoji:🦎", "circle"], "give figures alone or planes alone"),
        ([f"text:{number}" for number in range(33)], "one rule can grow 2 to 32 targets, got 33"),
        (["circle", "spiral", "--time", "3"], "--time is for one target"),
        (["circle", "spiral", "--from-study", "a"], "there are no studies"),
        (["circle", "spiral", "--set", "spec.fixed=3"], "spec.fixed must be 2, got 3"),
        (["circle", "--set", "pool.mutation=0.5"], "pool.mutation is for a rule of several targets"),
        (["circle", "spirl"], "did you mean"),
    ],
)
def test_what_cannot_be_grown_together_is_said_in_one_line(petri, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    line = petri("grow", *arguments, "--res", 32, code=2).strip()
    assert any(part in line for part in said.split("|")) and line.count("\n") == 0
    assert not (tmp_path / "runs").exists()


def test_what_starts_from_other_targets_says_so_or_is_refused(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = ["--res", 16, "--hidden", 16]
    petri("grow", "emoji:🦎", "emoji:🦋", *start, "--epochs", 2, "--name", "both", code=1)
    begun = ["--from", "runs/both", "--res", 16, "--dry-run"]
    assert "by their order: 🦋 from 🦎, 🐠 from 🦋" in petri("grow", "emoji:🦋", "emoji:🐠", *begun)
    assert "by their order" not in petri("grow", "emoji:🦎", "emoji:🦋", *begun)
    said = petri("grow", "emoji:🦎", *begun, code=2)
    assert "is of 2 targets, the run of 1 target: they must be as many" in said


def test_play_grows_the_target_that_is_asked_for_and_changes_it(petri, two, tmp_path):
    def last(*options):
        petri("play", two, "--steps", 10, "--zoom", 1, "--out", tmp_path / "a.png", *options)
        return np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))[0, 0].tolist()

    assert last() == last("--target", "red") == [255, 0, 0]
    assert last("--target", "green") == [0, 255, 0]
    assert last("--switch-to", "green", "--at", 3) == pytest.approx([76, 178, 0], abs=1)
    both = ("--switch-to", "green", "--at", 3, "--switch-to", "red", "--at", 5)
    assert last(*both) == pytest.approx([204, 51, 0], abs=1)
    petri("play", two, "--zoom", 1, "--out", tmp_path / "a.apng", "--switch-to", "green", "--at", 3)
    with Image.open(tmp_path / "a.apng") as read:  # to twice the steps of training after the change
        read.seek(read.n_frames - 1)
        end = np.asarray(read.convert("RGB"))[0, 0].tolist()
    assert end == pytest.approx([76, 255, 0], abs=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "blue"], "there is no condition 'blue'; there are red, green"),
        (["--switch-to", "blue", "--at", 3], "there is no condition 'blue'; there are red, green"),
        (["--switch-to", "green"], "each --switch-to needs its --at, got 1 and 0"),
        (["--at", 3], "each --switch-to needs its --at, got 0 and 1"),
        (["--switch-to", "green", "--at", 9, "--switch-to", "red", "--at", 3], "must rise, got 9, 3"),
        (["--switch-to", "green", "--at", 9, "--steps", 9], "take more than 9 --steps, got 9"),
    ],
)
def test_what_cannot_be_played_is_said(petri, two, options, said):
    assert said in petri("play", two, *options, code=2)


def test_a_model_of_one_target_knows_no_conditions(petri):
    assert "circle is one target and knows no conditions" in petri("play", "circle", "--target", "a", code=2)
    assert "circle is one target, got 2" in petri(
        "evaluate", "circle", "--res", 16, "--target", "a", "--target", "b", code=2
    )


def test_a_film_changes_at_the_step_itself(two):
    model = modelfile.read(two)
    shown = list(film(model.automaton, (5, 5), 9, ground=WHITE, condition=0, switches={4: 1, 7: 0}, every=3))
    assert [step for step, _ in shown] == [0, 3, 4, 7, 9]
    state = model.seed_state(5)
    for steps, condition in ((4, 0), (3, 1), (2, 0)):
        state = model.rollout(under(state, model.spec, condition), steps)
    assert np.array_equal(shown[-1][1], picture(model.automaton, state[0], WHITE))


def test_the_manifest_names_the_conditions_and_its_values_are_of_the_first(two):
    model = modelfile.read(two)
    entry = manifest.entry(model, name="two", file="two.safetensors")
    assert entry["conditions"] == ["red", "green"] and json.loads(manifest.to_json([entry]))
    values = np.frombuffer(manifest.content("," + entry["golden"]["values"]), "<f4").reshape(3, 16, 16)
    assert values[1, 0, :2].tolist() == pytest.approx([0.8, 0.0])  # after eight steps, in the corner
    red = np.asarray(Image.open(io.BytesIO(manifest.content(manifest.thumbnail(model)))))
    assert red[5, 5, 0] > 200 and red[5, 5, 1] < 60
    alone = Model(automaton=Automaton(Spec.of(hidden=16, layers=2)), target="a")
    assert "conditions" not in manifest.entry(alone, name="a", file="a")


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ("no", "conditions is not JSON"),
        ("3", "conditions must be a list"),
        ('["a"]', "2 fixed planes, got 1"),
    ],
)
def test_files_whose_conditions_are_not_sound_are_refused(two, tmp_path, conditions, said):
    from safetensors.torch import load_file, safe_open, save_file

    with safe_open(two, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(two), tmp_path / "a.safetensors", metadata | {"conditions": conditions})
    with pytest.raises(modelfile.BadRequest, match=said):
        modelfile.read(tmp_path / "a.safetensors")


def test_a_state_of_the_model_can_be_told_to_change(two):
    model = modelfile.read(two)
    state = model.rollout(model.seed_state(condition="green"), 2)
    assert torch.equal(under(state, model.spec, 0)[:, :16], state[:, :16])

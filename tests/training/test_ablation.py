import dataclasses
import errno
import json
import os
import random

import pytest

from petri import verdict
from petri.errors import BadRequest, RunFailed
from petri.targets import load
from petri.training import ablation
from petri.training.ablation import PARTS, STABILIZERS, Outcome, Trial, ablate, variants
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe


def os_exit(*_):
    os._exit(9)


def recipe(**options):
    return make_recipe(load("circle", 32), "circle", res=32, **options)


def test_each_variant_differs_from_the_recipe_in_one_part():
    base = recipe(epochs=10)
    made = variants(base, tuple(PARTS))
    assert made.pop("as it is") == base and len(made) == len(PARTS)
    names = {
        "with checkpointing": "checkpoint", "with multi-scale": "loss", "with perceptual": "loss",
        "with curriculum": "phases", "with priority": "pool", "without truncation": "phases",
        "with gate": "spec", "with damage": "pool", "without average": "optimiser",
        "without warm-up": "optimiser", "without stability": "loss", "without overflow": "loss",
    }  # fmt: skip
    assert made.keys() == names.keys()
    for name, changed in made.items():
        before, after = base.to_fields(), changed.to_fields()
        assert [field for field in before if before[field] != after[field]] == [names[name]], name
    assert made["with curriculum"].epochs == 10
    assert {phase.truncate for phase in base.phases} == {16}
    cut = [dataclasses.replace(phase, truncate=0) for phase in base.phases]
    assert made["without truncation"].phases == tuple(cut)
    one_cut = recipe(settings=["phases.truncate=0", "phases.1.truncate=8"])
    [_, without] = variants(one_cut, ["truncation"]).values()
    [_, again] = variants(without, ["truncation"]).values()
    assert {phase.truncate for phase in without.phases} == {0}
    assert {phase.truncate for phase in again.phases} == {16}
    assert [phase.res for phase in made["with curriculum"].phases] == [16, 32]
    report = variants(recipe(preset="report"), STABILIZERS)
    assert [name.split()[0] for name in report] == ["as", *["without"] * 6]


def test_an_unknown_part_is_refused():
    with pytest.raises(BadRequest, match=r"no part 'gates', did you mean \"gate\""):
        variants(recipe(), ["gates"])


def test_two_outcomes_are_told_apart_only_by_more_than_their_spread():
    def outcome(*losses):
        return Outcome("it", losses, (1.0,), (1,))

    base = outcome(0.10, 0.11, 0.12)
    assert outcome(0.20, 0.21, 0.22).against(base) == "worse"
    assert outcome(0.01, 0.02, 0.03).against(base) == "better"
    assert outcome(0.10, 0.12, 0.13).against(base) == "cannot be told apart"
    assert outcome(0.12, 0.13, 0.14).against(base) == "cannot be told apart"  # 2.4 standard errors of 2.8
    assert outcome(0.9).against(base) == "cannot be told apart"  # one run says nothing
    assert outcome(float("nan"), 0.1).against(base) == "failed"


def test_equal_trainings_are_told_apart_in_one_case_of_twenty():
    chance = random.Random(0)
    for seeds in (2, 3, 5, 9):
        apart = sum(
            verdict.against(*[[chance.gauss(0, 1) for _ in range(seeds)] for _ in range(2)]) != verdict.APART
            for _ in range(4000)
        )
        assert 0.02 < apart / 4000 < 0.07, seeds


def test_trials_are_recorded_and_not_done_again(tmp_path, monkeypatch):
    done = []

    def apart(fields, engine):
        done.append((fields["phases"][0]["truncate"], fields["seed"]))
        if len(done) == 3:
            raise KeyboardInterrupt
        return {"loss": 0.1 * fields["seed"], "seconds": 1.0, "memory": 5}

    monkeypatch.setattr(ablation, "_apart", apart)
    record = tmp_path / "record.json"
    options = {"seeds": 2, "engine": "auto", "record": record}
    with pytest.raises(KeyboardInterrupt):
        ablate(recipe(), ["truncation"], **options)
    assert len(json.loads(record.read_text())["trials"]) == 2
    told = []
    outcomes = ablate(recipe(), ["truncation"], tell=lambda *news: told.append(news), **options)
    assert done == [(16, 0), (0, 0), (16, 1), (16, 1), (0, 1)]
    assert [outcome.losses for outcome in outcomes] == [(0.0, 0.1)] * 2
    assert [(number, total) for _, number, total in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(BadRequest, match="is of another recipe"):
        ablate(recipe(seed=1), ["truncation"], **options)
    record.write_text("{}")
    with pytest.raises(BadRequest, match="is not a record"):
        ablate(recipe(), ["truncation"], **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": "0.1"}, "loss must be"),
        ({"loss": float("nan")}, "loss must be"),
        ({"loss": float("inf")}, "loss must be"),
        ({"loss": [0.1]}, "loss must be"),
        ({"loss": True}, "loss must be"),
        ({"seconds": None}, "seconds must be"),
        ({"seconds": "long"}, "seconds must be"),
        ({"memory": 0.5}, "memory must be"),
        ({"memory": {}}, "memory must be"),
        ({"seed": "0"}, "seed must be"),
        ({"seed": None}, "seed must be"),
        ({"variant": 7}, "variant must be"),
        ({"variant": ""}, "variant must be"),
        ({"more": 1}, "is not a record of an ablation"),
    ],
)
def test_a_record_with_values_that_no_trial_has_is_one_line(tmp_path, monkeypatch, change, said):
    monkeypatch.setattr(ablation, "_apart", lambda *_: {"loss": 0.1, "seconds": 1.0, "memory": 5})
    record = tmp_path / "record.json"
    options = {"seeds": 1, "engine": "auto", "record": record}
    ablate(recipe(), ["gate"], **options)
    content = json.loads(record.read_text())
    content["trials"][1] |= change
    record.write_text(json.dumps(content))
    with pytest.raises(BadRequest, match=said) as error:
        ablate(recipe(), ["gate"], **options)
    assert str(error.value).startswith(f"{record} is not a record of an ablation")
    assert json.loads(record.read_text())["trials"][0]["loss"] == 0.1  # as it was


def test_a_trial_that_a_record_has_twice_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "_apart", lambda *_: {"loss": 0.1, "seconds": 1.0, "memory": 5})
    record = tmp_path / "record.json"
    options = {"seeds": 1, "engine": "auto", "record": record}
    ablate(recipe(), [], **options)
    content = json.loads(record.read_text())
    content["trials"] *= 2
    record.write_text(json.dumps(content))
    [outcome] = ablate(recipe(), [], **options)
    assert outcome.losses == (0.1,)


def test_a_training_process_that_is_killed_is_told_of(monkeypatch, tmp_path):
    monkeypatch.setattr(ablation, "_answer", os_exit)
    with pytest.raises(RunFailed, match="was killed, perhaps for want of memory"):
        ablate(recipe(epochs=2), [], seeds=1, engine="auto", record=tmp_path / "r.json")


def test_a_training_process_that_fails_says_why():
    with pytest.raises(RunFailed, match="a training process failed: BadRequest: the recipe lacks the field"):
        ablation._apart({}, "auto")


def test_a_training_that_diverges_is_recorded_as_json_and_counts_as_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(
        ablation, "_apart", lambda fields, engine: {"loss": None, "seconds": 1.0, "memory": 5}
    )
    for _ in range(2):
        [outcome] = ablate(recipe(), [], seeds=1, engine="auto", record=tmp_path / "r.json")
        assert outcome.against(outcome) == "failed"
    assert "NaN" not in (tmp_path / "r.json").read_text()


def test_a_target_that_a_variant_cannot_draw_is_refused_before_any_training(tmp_path):
    text = make_recipe(load("text:Hello", 32), "text:Hello", res=32)
    with pytest.raises(BadRequest, match=r"with curriculum: .*Hello"):
        ablate(text, ["curriculum"], seeds=1, engine="auto", record=tmp_path / "r.json")
    assert not list(tmp_path.iterdir())


def test_a_record_that_cannot_be_written_is_refused_before_any_training(tmp_path):
    (tmp_path / "way").write_text("a file in the way")
    with pytest.raises(BadRequest, match="cannot write"):
        ablate(recipe(), [], seeds=1, engine="auto", record=tmp_path / "way" / "r.json")


def test_a_part_that_a_recipe_cannot_have_is_named():
    with pytest.raises(BadRequest, match=r"curriculum cannot be tried here: phases.1: res must be"):
        variants(make_recipe(load("circle", 16), "circle", res=16), ["curriculum"])


def test_a_trial_trains_in_a_process_of_its_own_and_tells_loss_time_and_memory(tmp_path):
    small = recipe(
        epochs=2, settings=["phases.res=16", "phases.batch=2", "phases.steps=[4, 4]", "spec.hidden=16"]
    )
    [outcome] = ablate(small, [], seeds=1, engine="auto", record=tmp_path / "r.json")
    assert 0 < outcome.mean < 2 and outcome.seconds[0] > 0 and outcome.memory[0] > 0
    trial = Trial(**json.loads((tmp_path / "r.json").read_text())["trials"][0])
    assert trial == Trial("as it is", 0, outcome.losses[0], outcome.seconds[0], outcome.memory[0])
    assert isinstance(small, Recipe)


def test_a_disk_that_fills_up_keeps_the_trials_before(tmp_path, monkeypatch):
    written = []

    def write(path, content):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(content)

    monkeypatch.setattr("petri.record.write_whole", write)
    monkeypatch.setattr(ablation, "_apart", lambda *_: {"loss": 0.1, "seconds": 1.0, "memory": 1})
    with pytest.raises(RunFailed, match=r"cannot write .*record.json: No space left"):
        ablate(recipe(epochs=1), ["average"], seeds=1, engine="auto", record=tmp_path / "record.json")
    assert [len(json.loads(content)["trials"]) for content in written] == [0, 1]

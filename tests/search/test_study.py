import contextlib
import dataclasses
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest

from petri.errors import BadRequest, RunFailed
from petri.search import storage
from petri.search import study as studies
from petri.search.agenda import Agenda
from petri.search.results import findings, importance
from petri.search.space import SPACES, Configuration
from petri.search.study import STOPPED, Study
from petri.search.trials import DONE, FAILED, LOST, RUNNING, Job

ONE = Configuration(perception="sobel", hidden=64, rule="2 layers")


def test_a_study_is_joined_with_the_recipe_it_was_made_with(study, recipe, url, small):
    other = Study.join(storage.connect(url, create=True), "tiny", small, recipe())
    assert other.recipe == study.recipe == recipe() and other.space is small
    assert other.first == small.configuration_of(recipe())
    job = Job(ONE, 0)
    assert study.claim(job, _all(study)) is not None
    assert [trial.job for trial in other.trials()] == [job]


def _all(study):
    return Agenda(study.space, 0, study.first, 8, 0)


@pytest.mark.parametrize(
    ("space", "options", "said"),
    [
        ("small", {"target": "spiral"}, "is for circle: choose another --study"),
        ("wide", {}, "is of the space 'small', not 'wide'"),
        ("small", {"epochs": 4}, r"trains in another way \(phases\)"),
        ("small", {"seed": 1}, r"trains in another way \(seed\)"),
    ],
)
def test_another_study_of_the_same_name_is_refused(study, recipe, space, options, said):
    with pytest.raises(BadRequest, match=said):
        Study.join(study.storage, "tiny", SPACES[space], recipe(**options))


def test_a_file_may_lie_elsewhere_on_another_machine(study, recipe, small):
    here = dataclasses.replace(recipe(), target="/home/me/circle.png")
    assert Study.join(study.storage, "tiny", small, here).recipe.target == "circle"


def test_a_study_whose_maker_died_is_made_whole_and_a_strangers_is_refused(study, recipe, small, monkeypatch):
    monkeypatch.setattr(studies, "MAKING", 0.0)
    optuna.create_study(study_name="half", storage=study.storage)
    assert Study.join(study.storage, "half", small, recipe()).space is small
    strange = optuna.create_study(study_name="strange", storage=study.storage)
    strange.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(BadRequest, match="was not made by petri search"):
        Study.join(study.storage, "strange", small, recipe())


def test_a_trial_cannot_be_begun_twice(study):
    job = Job(ONE, 0)
    first = study.claim(job, _all(study))
    assert study.claim(job, _all(study)) is None
    assert len(study.trials()) == 1 and len(study.optuna.trials) == 2  # the other one failed, as surplus
    study.fail(first, STOPPED)
    assert study.trials()[0].state == LOST and study.trials()[0].stopped
    assert study.claim(job, _all(study)) is not None


def test_a_worker_without_signs_of_life_loses_its_trial_and_after_three_times_the_job_is_given_up(
    recipe, url, small, monkeypatch
):
    made = storage.connect(url, create=True, heartbeat=1, grace=1)
    study = Study.join(made, "tiny", small, recipe())
    job = Job(ONE, 0)
    monkeypatch.setattr(made, "_get_stale_trial_ids", lambda _: [t._trial_id for t in _running(study)])
    for count in range(1, 4):
        assert study.claim(job, _all(study)) is not None
        assert study.trials()[-1].state == RUNNING
        study.fail_vanished()
        states = [trial.state for trial in study.trials()]
        assert states == ([LOST] * count if count < 3 else [FAILED] * 3)
    assert study.trials()[-1].reason == "its worker vanished 3 times"
    assert study.claim(job, _all(study)) is None


def _running(study):
    return study.optuna.get_trials(states=(optuna.trial.TrialState.RUNNING,))


def test_a_trial_whose_worker_died_before_its_first_sign_of_life_is_given_up(study):
    long_ago = datetime.now() - timedelta(seconds=studies.UNBORN + 1)
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING,
        params=ONE.to_params(),
        distributions=study.space.distributions(ONE),
        user_attrs={"seed": 0},
    )
    trial.datetime_start = long_ago
    study.optuna.add_trial(trial)
    assert study.trials()[0].state == RUNNING
    study.fail_vanished()
    assert study.trials()[0].state == LOST


def test_reported_losses_are_seen_by_all(study, url):
    trial = study.claim(Job(ONE, 3), _all(study))
    other = Study(storage.connect(url, create=False), "tiny")
    trial.report(0.5, 1)
    [seen] = other.trials()
    assert (seen.state, seen.epoch, seen.loss, seen.job.seed) == (RUNNING, 1, 0.5, 3)
    study.optuna.tell(trial, 0.25)
    [seen] = other.trials()
    assert (seen.state, seen.loss) == (DONE, 0.25)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("studies.db", "the storage must be a database's URL"),
        ("sqlite://", "a file that outlives this command"),
        ("nosuchdb://x", "there is no driver for the storage nosuchdb://x"),
        ("postgresql://me:secret@localhost:1/x", r"me:\*\*\*@localhost:1/x cannot be used: .*refused"),
        ("sqlite:////proc/nowhere/studies.db", "cannot write to /proc/nowhere"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused_in_one_line(address, said):
    if address.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(BadRequest, match=said) as refused:
        storage.connect(address, create=True)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_was(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("not a database " * 100)
    with pytest.raises(BadRequest, match="cannot be used: file is not a database"):
        storage.connect(f"sqlite:///{path}", create=True)
    assert path.read_text() == "not a database " * 100
    with pytest.raises(BadRequest, match="there is no such file"):
        storage.connect(f"sqlite:///{tmp_path}/none.db", create=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.db"]


def test_what_goes_wrong_while_a_storage_is_used_is_said_in_one_line(study, url):
    with storage.in_use(), pytest.raises(BadRequest):
        Study(study.storage, "nobody")  # what was asked for wrongly is still that
    study.storage.engine.dispose()
    path = url.removeprefix("sqlite:///")
    with open(path, "r+b") as file:
        file.write(b"x" * 4096)
    with pytest.raises(RunFailed, match="cannot be used any more: file is not a database"), storage.in_use():
        study.optuna.set_user_attr("x", 1)


FINISHED: list[bytes] = []  # the database of `finished`, made once


@pytest.fixture
def finished(recipe, url, small):
    """The database of a study with three trials, of which two ended well, and one run at full size."""
    path = Path(url.removeprefix("sqlite:///"))
    if FINISHED:
        path.write_bytes(FINISHED[0])
        return path
    study = Study.join(storage.connect(url, create=True), "tiny", small, recipe())
    for number, job in enumerate((Job(study.first, 0), Job(ONE, 0), Job(study.first, 1))):
        trial = study.claim(job, _all(study))
        trial.report(0.5, 2)
        trial.set_user_attr(studies.SECONDS, 2.0)
        if number == 1:
            study.fail(trial, studies.REASON, "it diverged")
        else:
            study.optuna.tell(trial, 0.25 + number)
    done = {"configuration": "sobel", "run": "tiny-trial-0-at-256", "loss": 0.01, "seconds": 60}
    study.optuna.set_user_attr(studies.PROMOTED, [done])
    assert len(read_whole(url)[0]) == 3
    study.storage.engine.dispose()
    FINISHED.append(path.read_bytes())
    return path


def read_whole(url):
    """What `petri search --show` reads."""
    study = Study(storage.connect(url, create=False), "tiny")
    tried = study.trials()
    return tried, findings(study, tried), importance(study), study.promoted


def edit(path, table, column, value, where="1"):
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        assert database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,)).rowcount


FIRST = "trial_id = 1"
OF_STUDY = "key = '{}'"
EDITS = [
    ("trial_params", "param_value", 7.0, FIRST),
    ("trial_params", "param_value", "text", FIRST),
    ("trial_params", "param_name", "depth", f"{FIRST} AND param_name = 'hidden'"),
    ("trial_params", "distribution_json", "{", FIRST),
    ("trial_params", "distribution_json", "[]", FIRST),
    ("trial_params", "distribution_json", "[" * 3000, FIRST),
    ("trial_user_attributes", "value_json", "{", FIRST),
    ("trial_user_attributes", "value_json", '"5"', f"{FIRST} AND key = 'seed'"),
    ("trial_user_attributes", "value_json", "-1", f"{FIRST} AND key = 'seed'"),
    ("trial_user_attributes", "value_json", "7", f"{FIRST} AND key = 'seed'"),
    ("trial_user_attributes", "value_json", "NaN", f"{FIRST} AND key = 'seconds'"),
    ("trial_user_attributes", "value_json", "[]", f"{FIRST} AND key = 'seconds'"),
    ("trial_user_attributes", "value_json", "{}", f"{FIRST} AND key = 'worker'"),
    ("trial_user_attributes", "value_json", "[1]", "key = 'reason'"),
    ("trial_values", "value", None, FIRST),
    ("trial_values", "value", "good", FIRST),
    ("trial_values", "value", -1.0, FIRST),
    ("trial_values", "value_type", "INF_POS", FIRST),
    ("trial_values", "value_type", "odd", FIRST),
    ("trial_intermediate_values", "step", "two", FIRST),
    ("trial_intermediate_values", "step", -2, FIRST),
    ("trial_intermediate_values", "step", 10**9, FIRST),
    ("trial_intermediate_values", "intermediate_value", -0.5, "trial_id = 2"),
    ("trials", "state", "ODD", FIRST),
    ("trials", "datetime_start", "yesterday", FIRST),
    ("trials", "number", "first", FIRST),
    ("study_directions", "direction", "MAXIMIZE", "1"),
    ("study_directions", "direction", "UPWARDS", "1"),
    ("study_user_attributes", "value_json", "{", OF_STUDY.format(studies.RECIPE)),
    ("study_user_attributes", "value_json", "7", OF_STUDY.format(studies.RECIPE)),
    ("study_user_attributes", "value_json", '["target"]', OF_STUDY.format(studies.RECIPE)),
    ("study_user_attributes", "value_json", "[]", OF_STUDY.format(studies.SPACE)),
    ("study_user_attributes", "value_json", "7", OF_STUDY.format(studies.PROMOTED)),
    ("study_user_attributes", "value_json", "[7]", OF_STUDY.format(studies.PROMOTED)),
    ("study_user_attributes", "value_json", "[{}]", OF_STUDY.format(studies.PROMOTED)),
    (
        "study_user_attributes",
        "value_json",
        '[{"configuration": "x", "run": "y", "loss": "z", "seconds": 1}]',
        OF_STUDY.format(studies.PROMOTED),
    ),
]


@pytest.mark.parametrize(("table", "column", "value", "where"), EDITS)
def test_an_edited_database_is_one_line(finished, url, table, column, value, where):
    edit(finished, table, column, value, where)
    with pytest.raises(BadRequest, match=r"the study 'tiny' (is damaged|was not made by petri search)"):
        read_whole(url)


def test_an_edited_database_ends_the_command_with_one_line(finished, url, petri, tmp_path):
    assert "At full size" in petri("search", "--show", "tiny", "--storage", url, "--out", tmp_path / "plots")
    edit(finished, "trial_values", "value", "good", FIRST)
    said = petri("search", "--show", "tiny", "--storage", url, code=2)
    assert said.startswith("petri: the study 'tiny' is damaged: ") and said.count("\n") == 1

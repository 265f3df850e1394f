import math
import threading
import time

import optuna
import pytest
import torch

from petri.errors import RunFailed
from petri.nca import Automaton
from petri.search import storage, worker
from petri.search.agenda import Agenda
from petri.search.results import best, findings, front, importance
from petri.search.study import Study
from petri.search.trials import DONE, FAILED, LOST, PRUNED, Job
from petri.search.worker import LOOKS, Stopped, train, work
from petri.targets import load
from petri.training.presets import make_recipe

CPU = torch.device("cpu")


@pytest.fixture
def pretend(monkeypatch):
    """Replace training by a loss that falls to `worth(configuration, seed)`; what was trained, in order."""
    trained = []

    def install(study, worth=lambda configuration, seed: 0.1):
        def pretended(recipe, device, *, look, stop):
            job = Job(study.space.configuration_of(recipe), recipe.seed)
            trained.append(job)
            loss = worth(job.configuration, job.seed)
            for epoch in range(1, recipe.epochs + 1):
                if stop():
                    raise Stopped
                look(epoch, loss * (1 + 1 / epoch))
            return loss

        monkeypatch.setattr(worker, "train", pretended)
        return trained

    return install


def test_a_search_that_trains_tries_each_configuration_once(study, agenda):
    work(study, agenda(trials=3), CPU)
    tried = study.trials()
    assert [trial.state for trial in tried] == [DONE] * 3
    assert len({trial.job for trial in tried}) == 3 and tried[0].job.configuration == study.first
    assert all(0 < trial.loss < 2 and trial.seconds > 0 and trial.epoch == 3 for trial in tried)
    recipe = tried[1].job.configuration.recipe(study.recipe, seed=0)
    looks = []
    assert train(recipe, CPU, look=lambda *look: looks.append(look)) == tried[1].loss  # it can be repeated
    assert [epoch for epoch, _ in looks] == [1, 2, 3] and looks[-1][1] == tried[1].loss


def test_the_loss_is_measured_a_tenth_of_the_epochs_apart_and_at_the_end(recipe):
    looks = []
    train(recipe(epochs=23), CPU, look=lambda epoch, loss: looks.append(epoch))
    assert looks == [*range(2, 23, 23 // LOOKS), 23]


def test_the_space_can_be_exhausted_and_a_finished_search_ends_at_once(study, agenda, pretend):
    trained = pretend(study)
    work(study, agenda(trials=40), CPU)
    assert len(trained) == len(set(trained)) == 8
    work(study, agenda(trials=40), CPU)
    assert len(trained) == 8
    assert best(findings(study)) is None  # nothing was trained with another seed


def test_what_is_worse_than_half_of_the_others_is_pruned_from_a_third_on(recipe, url, small, pretend):
    study = Study.join(storage.connect(url, create=True), "prune", small, recipe(epochs=6))
    trained = pretend(study, lambda configuration, seed: 0.1 * len(trained))  # each worse than all before
    work(study, Agenda(small, 0, study.first, 8, 0), CPU)
    tried = study.trials()
    assert [trial.state for trial in tried] == [DONE] * 5 + [PRUNED] * 3
    assert [trial.epoch for trial in tried] == [6] * 5 + [2] * 3
    assert [trial.loss for trial in tried[5:]] == pytest.approx([0.6 * 1.5, 0.7 * 1.5, 0.8 * 1.5])


def test_what_has_come_to_its_end_is_not_pruned_any_more(recipe, url, small, pretend):
    study = Study.join(storage.connect(url, create=True), "short", small, recipe(epochs=1))
    trained = pretend(study, lambda configuration, seed: 0.1 * len(trained))
    work(study, Agenda(small, 0, study.first, 8, 0), CPU)
    assert [trial.state for trial in study.trials()] == [DONE] * 8


def test_the_best_few_are_trained_again_and_judged_by_the_other_seeds_alone(study, agenda, pretend):
    lucky, steady = study.space.all()[:2]

    def worth(configuration, seed):
        if configuration == lucky:
            return 0.001 if seed == 0 else 0.5 + 0.01 * seed
        return (0.01 if configuration == steady else 0.6) + 0.0001 * seed

    trained = pretend(study, worth)
    work(study, agenda(trials=8, seeds=2), CPU)
    again = {job.configuration for job in trained if job.seed}
    assert {lucky, steady, study.first} <= again and len(trained) == 8 + 2 * len(again)
    found = findings(study)
    assert best(found).configuration == steady
    by = {one.configuration: one for one in found}
    assert by[lucky].first.loss == 0.001 and by[lucky].mean == pytest.approx(0.515)
    assert by[lucky].against(best(found)) == "worse"
    assert front(found)[-1].configuration == steady
    shares = importance(study)
    assert set(shares) == {"perception", "hidden", "rule"} and sum(shares.values()) == pytest.approx(1)


def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_search_goes_on(study, agenda, pretend):
    bad = {study.first: RunFailed("it diverged"), study.space.all()[0]: ZeroDivisionError("division by zero")}

    def worth(configuration, seed):
        if configuration in bad:
            raise bad[configuration]
        return 0.1

    pretend(study, worth)
    work(study, agenda(trials=8), CPU)
    reasons = {trial.job.configuration: trial.reason for trial in study.trials() if trial.state == FAILED}
    assert reasons == {
        study.first: "it diverged",
        study.space.all()[0]: "ZeroDivisionError: division by zero",
    }
    assert sum(trial.state == DONE for trial in study.trials()) == 6


def test_a_loss_that_is_not_finite_is_a_failure(recipe, monkeypatch):
    monkeypatch.setattr("petri.tasks.Growing.measure", lambda *_, **__: {"loss": math.nan})
    with pytest.raises(RunFailed, match="the loss from the seed was nan after epoch 1"):
        train(recipe(), CPU, look=lambda *_: None)


def test_a_stopped_search_loses_only_the_trial_under_way_and_goes_on(study, agenda, pretend):
    trained = pretend(study)
    count = 0

    def stop():
        nonlocal count
        count += 1
        return count > 10  # in the midst of a trial

    work(study, agenda(trials=5), CPU, stop)
    assert [trial.state for trial in study.trials()].count(LOST) == 1
    done = [trial for trial in study.trials() if trial.state == DONE]
    work(study, agenda(trials=5), CPU)
    [lost] = [trial for trial in study.trials() if trial.state == LOST]
    assert trained.count(lost.job) == 2 and len(set(trained)) == 5
    assert all(trial in study.trials() for trial in done) and len(trained) == 6


def test_two_workers_share_a_search_and_train_nothing_twice(study, agenda, url, pretend):
    """Two threads with storages of their own, as fast as they can: they meet all the time."""
    trained = pretend(study)
    asked = agenda(trials=8, seeds=2)
    others = [Study(storage.connect(url, create=False), "tiny") for _ in range(2)]
    threads = [threading.Thread(target=work, args=(other, asked, CPU)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == len(set(trained))
    assert {job.configuration for job in trained} == set(study.space.all())
    surplus = [trial for trial in study.optuna.trials if trial.user_attrs.get("surplus")]
    assert len(study.optuna.trials) == len(trained) + len(surplus)


def test_signs_of_life_keep_a_trial_from_being_taken(recipe, url, small, pretend):
    study = Study.join(storage.connect(url, create=True, heartbeat=1, grace=2), "slow", small, recipe())

    pretend(study, lambda configuration, seed: time.sleep(3.5) or 0.1)
    thread = threading.Thread(target=work, args=(study, Agenda(small, 0, study.first, 1, 0), CPU))
    thread.start()
    other = Study(storage.connect(url, create=False, heartbeat=1, grace=2), "slow")
    while thread.is_alive():
        other.fail_vanished()
        time.sleep(0.2)
    assert [trial.state for trial in study.trials()] == [DONE]


def test_a_trial_that_was_given_to_others_is_left_to_them(study, agenda, pretend):
    def worth(configuration, seed):
        mine = study.optuna.trials[-1]
        study.optuna.tell(mine.number, state=optuna.trial.TrialState.FAIL)  # as if this worker had vanished
        return 0.1

    trained = pretend(study, worth)
    work(study, agenda(trials=1), CPU)
    assert len(trained) == 3 and {trial.state for trial in study.trials()} == {FAILED}


def test_a_figure_that_dies_is_a_failed_trial(monkeypatch):
    figure = make_recipe(
        load("emoji:🦎", 16), "emoji:🦎", res=16, epochs=3, settings=["phases.steps=[20, 24]"]
    )
    assert figure.spec.living
    train(figure, CPU, look=lambda epoch, loss: None)  # alive
    monkeypatch.setattr("petri.training.trainer.Trainer.result", lambda trainer: deadly(figure.spec))
    with pytest.raises(RunFailed, match="all of 8 rollouts from the seed died"):
        train(figure, CPU, look=lambda epoch, loss: None)


def deadly(spec):
    automaton = Automaton(spec)
    with torch.no_grad():
        automaton.rule.biases[-1][3] = -5.0
    return automaton

import os
import signal
import time

import pytest

from petri.errors import BadRequest
from petri.search import storage
from petri.search.agenda import Agenda
from petri.search.crew import Crew, Order
from petri.search.space import REPORT
from petri.search.study import Study
from petri.search.trials import DONE, LOST, RUNNING

SECONDS = 240  # that a machine under load may take


def order(study, url, trials, **options):
    asked = Agenda(study.space, 0, study.first, trials, 0)
    return Order(url, study.name, "circle", asked, "cpu", heartbeat=1, grace=10, **options)


def until(found, crew):
    """Wait for something while the crew works; it must happen before all work is done."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and crew.is_busy():
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_that_is_killed_is_replaced_and_its_trial_is_failed_and_trained_again(
    request, recipe, url, kind
):
    address = url if kind == "sqlite" else request.getfixturevalue("postgresql")
    study = Study.join(storage.connect(address, create=True), "killed", REPORT, recipe(epochs=40))

    def running():
        return [trial for trial in study.trials() if trial.state == RUNNING and trial.epoch]

    with Crew(order(study, address, trials=4, workers=2)) as crew:
        pids = {process.pid for process, _ in crew._workers}
        victim = until(running, crew)[0]
        pid = int(victim.worker.rsplit(":", 1)[1])
        assert pid in pids
        os.kill(pid, signal.SIGKILL)
        while crew.is_busy():
            time.sleep(0.1)
        assert crew.replaced == 1
    tried = study.trials()
    mine = [trial for trial in tried if trial.job == victim.job]
    assert [trial.state for trial in mine] == [LOST, DONE] and mine[0].number == victim.number
    assert mine[1].worker != victim.worker and mine[1].epoch == 40
    assert [trial.state for trial in tried].count(DONE) == len({trial.job for trial in tried}) == 4
    failed = study.optuna.trials[victim.number]
    assert failed.state.name == "FAIL" and not failed.user_attrs.get("stopped")


def test_a_crew_that_is_left_puts_its_trials_back(recipe, url):
    study = Study.join(storage.connect(url, create=True), "left", REPORT, recipe(epochs=100_000))
    with Crew(order(study, url, trials=1, workers=1)) as crew:
        until(lambda: [trial for trial in study.trials() if trial.worker], crew)
    [trial] = study.trials()
    assert trial.state == LOST and trial.stopped


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_said_by_the_crew(study, url):
    asked = order(study, url.replace("studies", "others"), trials=1, workers=1)
    with Crew(asked) as crew, pytest.raises(BadRequest, match=r"there are no studies in .*others\.db"):
        until(lambda: False, crew)

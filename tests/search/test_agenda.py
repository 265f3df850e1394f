import dataclasses

import pytest

from petri.search.agenda import TOP, Agenda, Next
from petri.search.proposal import propose
from petri.search.space import REPORT, WIDE
from petri.search.trials import DONE, FAILED, LOST, PRUNED, RUNNING, Job, Tried

ALL = REPORT.all()
FIRST = ALL[7]


def tried(number, configuration, *, seed=0, state=DONE, loss=0.1):
    return Tried(
        number=number, job=Job(configuration, seed), state=state, loss=loss, epoch=10, seconds=1.0,
        reason="", stopped=False, worker="",
    )  # fmt: skip


def asked(trials, seeds=0, first=FIRST, space=REPORT):
    return Agenda(space, 0, first, trials, seeds)


def unwanted(_):
    raise AssertionError("nothing new is wanted")


def test_the_first_configuration_comes_first_and_then_what_is_proposed():
    assert asked(2).next([], unwanted) == Job(FIRST, 0)
    assert asked(2).next([tried(0, FIRST, state=RUNNING)], lambda _: ALL[0]) == Job(ALL[0], 0)
    assert asked(2, first=None).next([], lambda _: ALL[3]) == Job(ALL[3], 0)


@pytest.mark.parametrize("state", [DONE, PRUNED, FAILED])
def test_what_has_ended_is_not_done_again(state):
    done = [tried(0, FIRST, state=state), tried(1, ALL[0])]
    assert asked(2).next(done, unwanted) is Next.END and asked(2).is_done(done)
    assert not asked(3).is_done(done)


def test_what_was_lost_is_done_again_once():
    lost = [tried(0, FIRST, state=LOST), tried(1, ALL[0])]
    assert asked(2).next(lost, unwanted) == Job(FIRST, 0)
    assert asked(2).next([*lost, tried(2, FIRST, state=RUNNING)], unwanted) is Next.WAIT
    assert asked(2).next([*lost, tried(2, FIRST)], unwanted) is Next.END


def test_the_space_is_an_end():
    done = [tried(number, configuration) for number, configuration in enumerate(ALL)]
    assert asked(40).wanted == 32 and asked(40).next(done, unwanted) is Next.END
    assert asked(40, space=WIDE).wanted == 40


def test_the_best_few_and_the_first_are_trained_again_when_all_firsts_have_ended():
    losses = [0.5, 0.1, 0.2, 0.3, 0.4]
    configurations = [FIRST, *ALL[:4]]
    firsts = [tried(n, c, loss=x) for n, (c, x) in enumerate(zip(configurations, losses, strict=True))]
    agenda = asked(5, seeds=2)
    running = [*firsts[:4], dataclasses.replace(firsts[4], state=RUNNING)]
    assert agenda.next(running, unwanted) is Next.WAIT
    done, order = list(firsts), []
    while (job := agenda.next(done, unwanted)) is not Next.END:
        order.append(job)
        done.append(tried(len(done), job.configuration, seed=job.seed, loss=0.0))
    best = [*ALL[:TOP], FIRST]
    assert order == [Job(c, seed) for seed in (1, 2) for c in best]
    assert agenda.left(firsts) == 8 and agenda.left(done) == 0


def test_a_first_configuration_that_was_pruned_is_trained_again_and_one_that_failed_is_not():
    done = [tried(0, FIRST, state=PRUNED), tried(1, ALL[0])]
    assert asked(2, seeds=1).finalists(done) == [ALL[0], FIRST]
    failed = [tried(0, FIRST, state=FAILED), tried(1, ALL[0])]
    assert asked(2, seeds=1).finalists(failed) == [ALL[0]]


def test_a_job_that_another_worker_has_begun_is_not_allowed():
    agenda = asked(2)
    assert agenda.allows(Job(ALL[0], 0), [tried(0, FIRST, state=RUNNING)])
    assert not agenda.allows(Job(FIRST, 0), [tried(0, FIRST, state=RUNNING)])
    assert agenda.allows(Job(FIRST, 1), [tried(0, FIRST, state=RUNNING)])
    assert agenda.allows(Job(FIRST, 0), [tried(0, FIRST, state=LOST)])
    both = [tried(0, FIRST, state=RUNNING), tried(1, ALL[0], state=RUNNING)]
    assert not agenda.allows(Job(ALL[1], 0), both)  # two are enough


def test_proposals_exhaust_the_space_without_repeating_any():
    done = []
    for number in range(32):
        configuration = propose(REPORT, done, sampler_seed=number)
        state = (DONE, PRUNED, FAILED, RUNNING)[number % 4]
        done.append(tried(number, configuration, state=state, loss=configuration.hidden / 1000))
    assert {trial.job.configuration for trial in done} == set(ALL)


def test_proposals_follow_what_was_good():
    """After 24 trials of the wide space in which only one perception was any good, it is what is proposed."""
    done = []
    for number in range(24):
        configuration = propose(WIDE, [], sampler_seed=number)
        good = configuration.perception == "learned"
        done.append(tried(number, configuration, loss=0.01 if good else 1.0))
    assert any(trial.loss == 0.01 for trial in done)
    proposed = [propose(WIDE, done, sampler_seed=seed) for seed in range(10)]
    assert all(WIDE.holds(configuration) for configuration in proposed)
    assert sum(configuration.perception == "learned" for configuration in proposed) >= 7

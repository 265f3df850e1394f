from petri.search.results import best, candidates, findings, front
from petri.search.trials import DONE, FAILED, PRUNED, Job, Tried


def tried(number, configuration, loss, *, seed=0, state=DONE):
    return Tried(
        number=number, job=Job(configuration, seed), state=state, loss=loss, epoch=3, seconds=float(number),
        reason="", stopped=False, worker="",
    )  # fmt: skip


def test_the_mean_over_other_seeds_decides_also_for_one_that_was_pruned_at_first(study):
    one, other, third, fourth = study.space.all()[:4]
    trials = [
        tried(0, one, 0.1), tried(1, other, 0.9, state=PRUNED), tried(2, third, 0.05),
        tried(3, fourth, float("nan"), state=FAILED),
        tried(4, one, 0.30, seed=1), tried(5, one, 0.32, seed=2),
        tried(6, other, 0.20, seed=1), tried(7, other, 0.22, seed=2),
    ]  # fmt: skip
    found = findings(study, trials)
    assert [finding.configuration for finding in found] == [other, one, third, fourth]
    top = best(found)
    assert top is found[0] and round(top.mean, 4) == 0.21 and round(top.spread, 4) == 0.0141
    assert [finding.against(top) for finding in found] == ["the best so far", "worse", "", ""]
    assert [finding.configuration for finding in candidates(found)] == [other, one, third]
    assert [finding.seconds for finding in found] == [6.5, 4.5, 2.0, 3.0]
    assert best(findings(study, trials[:4])) is None


def test_the_front_has_those_of_which_no_other_is_both_smaller_and_better(study):
    configurations = sorted(study.space.all(), key=lambda c: c.recipe(study.recipe, seed=0).spec.parameters)
    losses = (0.5, 0.6, 0.3, 0.4, 0.2, 0.2, 0.9, 0.1)
    trials = [tried(n, c, loss) for n, (c, loss) in enumerate(zip(configurations, losses, strict=True))]
    found = findings(study, trials)
    assert [one.mean for one in front(found)] == [0.5, 0.3, 0.2, 0.1]
    sizes = [one.parameters for one in front(found)]
    assert sizes == sorted(sizes)

import dataclasses

import pytest

from petri import datasets
from petri.dni import pipeline
from petri.dni.stage import Stage
from petri.errors import BadRequest, RunFailed


@pytest.fixture(scope="module")
def mini():
    return datasets.load("mini")


@pytest.fixture
def plans(mini):
    return pipeline.plans(width=24, stages=2, epochs=1, batch=250, micro_batches=5, seed=0, data=mini)


def alone(plan, data):
    """The loss and the accuracy of a plan's network in this process, without any messages."""
    stage = Stage(dataclasses.replace(plan, cuts=(0, len(plan.sizes) - 1)), 0, data)
    return stage.train_epoch(), stage.evaluate()


def test_lock_step_is_backpropagation_bit_for_bit(plans, mini):
    (epoch,) = pipeline.run(plans["lock-step"], "mini", None)
    assert (epoch.loss, epoch.accuracy) == alone(plans["lock-step"], mini)


@pytest.mark.slow
def test_micro_batches_are_backpropagation_up_to_rounding(plans, mini):
    (epoch,) = pipeline.run(plans["5 micro-batches"], "mini", None)
    loss, accuracy = alone(plans["lock-step"], mini)
    assert epoch.loss == pytest.approx(loss, rel=1e-4) and epoch.accuracy == pytest.approx(accuracy, abs=1)


@pytest.mark.slow
def test_decoupled_stages_learn_without_waiting(plans, mini):
    plan = dataclasses.replace(plans["decoupled"], epochs=2, batch=50, learning_rate=3e-3)
    seen = []
    epochs = pipeline.run(plan, "mini", None, seen.append)
    assert epochs == seen and len(epochs) == 2
    assert epochs[1].accuracy > 30 and epochs[1].loss < epochs[0].loss
    assert epochs[0].loss != alone(plan, mini)[0]
    again = pipeline.run(plan, "mini", None)
    assert [(one.loss, one.accuracy) for one in again] == [(one.loss, one.accuracy) for one in epochs]


def test_a_stage_that_fails_ends_the_run_with_its_reason(plans):
    one = dataclasses.replace(plans["lock-step"], cuts=(0, 5))
    with pytest.raises(RunFailed, match="stage 0: BadRequest: data must be one of"):
        pipeline.run(one, "nonsense", None)


def test_cuts_leave_the_busiest_stage_least_to_do():
    # A sample costs 2·784·W (no gradient for the pixels), then 3·W² a layer.
    assert pipeline.cuts_of((784, 64, 64, 64, 64, 10), 2, grader_every=None) == (0, 1, 5)
    assert pipeline.cuts_of((784, 2048, 2048, 2048, 2048, 10), 2, grader_every=None) == (0, 2, 5)
    assert pipeline.cuts_of((10, 100, 100, 100, 100, 100, 100, 10), 3, grader_every=None)[0::3] == (0, 7)
    # A grader beside the lower stage costs 3·W·(W + 10), half of that if it learns from one batch in four.
    sizes = (784, 512, 512, 512, 512, 10)
    found = {every: pipeline.cuts_of(sizes, 2, grader_every=every) for every in (None, 1, 4)}
    assert found == {None: (0, 2, 5), 1: (0, 1, 5), 4: (0, 2, 5)}


def test_what_a_stage_costs():
    sizes = (784, 50, 40, 10)
    assert pipeline.cost(sizes, 0, 1, grader_every=None) == 2 * 784 * 50
    assert pipeline.cost(sizes, 0, 3, grader_every=1) == 2 * 784 * 50 + 3 * 50 * 40 + 3 * 40 * 10
    assert pipeline.cost(sizes, 0, 2, grader_every=1) == 2 * 784 * 50 + 3 * 50 * 40 + 3 * (40 + 10) * 40
    # In three of four batches nothing is learned below, and nobody asks for the gradient of what came in.
    assert pipeline.cost(sizes, 1, 3, grader_every=4) == 2.25 * 50 * 40 + 3 * 40 * 10
    assert pipeline.cost(sizes, 0, 1, grader_every=4) == 2 * 784 * 50 + 1.5 * 60 * 50


def test_the_schedules_take_turns():
    names = ["a", "b", "c"]
    assert [pipeline.take_turns(names, number) for number in (0, 1, 4)] == [
        ["a", "b", "c"], ["b", "c", "a"], ["b", "c", "a"],
    ]  # fmt: skip


def test_one_process_has_as_many_threads_as_there_are_stages(mini):
    made = pipeline.plans(width=8, stages=3, epochs=1, batch=100, micro_batches=4, seed=0, data=mini)
    whole, threads = made["one process, 1 thread"], made["one process, 3 threads"]
    assert (whole.stages, whole.threads, threads) == (1, 1, dataclasses.replace(whole, threads=3))
    assert {plan.threads for plan in made.values() if plan.stages == 3} == {1}


def test_plans_that_make_no_sense(mini):
    fields = {"width": 8, "stages": 2, "epochs": 1, "batch": 100, "micro_batches": 4, "seed": 0, "data": mini}
    for changes, said in (
        ({"width": 0}, "width must be"),
        ({"stages": 1}, "stages must be a whole number in 2"),
        ({"stages": 9}, "stages must be a whole number in 2..8, got 9"),
        ({"batch": 3001}, "batch must be a whole number in 1..3000"),
        ({"micro_batches": 3}, "micro-batches must divide the batch of 100, got 3"),
    ):
        with pytest.raises(BadRequest, match=said):
            pipeline.plans(**{**fields, **changes})

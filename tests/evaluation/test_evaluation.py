import json

import numpy as np
import pytest
import torch

from petri import modelfile, targets
from petri.errors import BadRequest, RunFailed
from petri.evaluation import evaluate
from petri.evaluation.evaluation import DRIFT
from petri.evaluation.regeneration import KINDS
from petri.evaluation.report import EVALUATION_SEED, report_loss
from petri.losses import pattern_loss
from petri.modelfile import Model
from petri.nca import Spec


@pytest.fixture(scope="module")
def painted(painter, white):
    return evaluate(painter(), white, seeds=3)


def test_what_was_measured_is_said(painted):
    assert (painted.target, painted.res, painted.seeds, painted.shows) == ("white.png", 16, 3, "rgb")
    assert painted.summary == "white.png on 16×16 cells · dilated · 16 hidden · 2 layers · 3 fire seeds"
    assert [look.steps for look in painted.growth] == [1, 2, 4, 8, 12, 16, 48]
    assert tuple(look.steps for look in painted.drift) == DRIFT
    assert [one.kind for one in painted.regeneration] == list(KINDS)
    assert [(one.damaged_at, one.healed_at) for one in painted.regeneration] == [(48, 348)] * 4
    assert [(look.res, look.steps) for look in painted.sizes] == [
        (24, 72),
        (32, 96),
    ]  # 8 and 12 are too small


def test_a_pattern_that_stands_and_heals_has_no_loss_and_heals_wholly(painted):
    assert painted.rgb.pattern < 1e-3  # in 16 steps nearly all have fired
    assert painted.rgb.stability == 0.0
    for look in (*painted.drift, *painted.sizes):
        assert (look.pattern.mean, look.pattern.spread) == (0.0, 0.0)
        assert (look.picture == 255).all() and look.picture.shape == (look.res, look.res, 3)
    shares = {"circle": 0.25, "half": 0.5, "corner": 0.25, "scatter": 0.25}
    for one in painted.regeneration:
        assert one.loss.damaged.mean == pytest.approx(shares[one.kind], abs=0.03)
        assert (one.loss.before.mean, one.loss.healed.mean, one.loss.undamaged.mean) == (0.0, 0.0, 0.0)
        assert one.percent == 100.0 and one.loss.why is None
        assert (one.damaged_picture == 0).any() and (one.healed_picture == 255).all()


def test_losses_are_those_of_plain_rollouts(random_automaton):
    spec = Spec.of(hidden=16, layers=2)
    training = {"recipe": {"phases": [{"res": 16, "steps": [4, 6]}], "hold": 5}}
    model = Model(automaton=random_automaton(spec, change=0.02), target="circle", training=training)
    found = evaluate(model, seeds=2)
    pixels = torch.from_numpy(targets.load("circle", 16).pixels)
    for channels, loss in ((3, found.rgb), (4, found.rgba)):
        assert loss == report_loss(model.automaton, pixels[:channels], steps=6, hold=5, seeds=2)
    seed = model.automaton.seed_state(16, batch=2)
    with torch.no_grad():
        for look in (found.growth[2], *found.drift[:3]):
            state = model.automaton.rollout(seed, look.steps, seed=EVALUATION_SEED)
            assert look.pattern.mean == pattern_loss(state, pixels[:3]).mean().item()
        before = model.automaton.rollout(seed, 11, seed=EVALUATION_SEED)
        for kind, one in zip(KINDS.values(), found.regeneration, strict=True):
            after = model.automaton.rollout(kind(before), 300, seed=EVALUATION_SEED, start=11)
            assert one.loss.damaged.mean == pattern_loss(kind(before), pixels[:3]).mean().item()
            assert one.loss.healed.mean == pattern_loss(after, pixels[:3]).mean().item()
        undamaged = model.automaton.rollout(seed, 311, seed=EVALUATION_SEED)
        assert found.regeneration[0].loss.undamaged.mean == pattern_loss(undamaged, pixels[:3]).mean().item()
        big = model.automaton.rollout(
            model.automaton.seed_state(24, batch=2), round(11 * 1.5), seed=EVALUATION_SEED
        )
    there = torch.from_numpy(targets.load("circle", 24).pixels[:3])
    assert found.sizes[0].res == 24
    assert found.sizes[0].pattern.mean == pattern_loss(big, there).mean().item()


def test_a_model_that_was_not_trained_to_hold_is_damaged_when_it_has_grown(painter, white):
    model = painter()
    model.training["recipe"]["hold"] = 0
    found = evaluate(model, white, seeds=2)
    assert found.rgb.pattern == found.rgb.stability
    assert [look.steps for look in found.growth] == [1, 2, 4, 8, 12, 16]
    assert (found.regeneration[0].damaged_at, found.regeneration[0].healed_at) == (16, 316)


def test_the_same_model_gives_the_same_figures_and_other_seeds_others(random_automaton):
    model = Model(automaton=random_automaton(Spec.of(hidden=16, layers=2), change=0.02), target="circle")
    one, again, more = (evaluate(model, res=16, seeds=seeds).to_fields() for seeds in (2, 2, 3))
    assert one == again and one["drift"] != more["drift"]


def test_a_figure_keeps_its_size_and_its_place_about_the_seed(idler):
    target = targets.load("emoji:🦎", 32)
    found = evaluate(idler(living=True, seed=target.seed), seeds=2)
    assert found.shows == "rgba"
    assert [look.res for look in found.sizes] == [24, 48, 64]  # 16 cells would cut it
    # Nothing changes, so all that is wrong is the same on every grid, and is counted by the same cells.
    for look in (*found.drift, *found.sizes):
        assert look.pattern.mean == pytest.approx(found.growth[0].pattern.mean, rel=1e-5)
    trained, small, large = found.growth[0].target, found.sizes[0].target, found.sizes[2].target
    assert np.array_equal(small, trained[4:28, 4:28])
    row, column = (
        int(target.seed[1] * 64) - int(target.seed[1] * 32),
        int(target.seed[0] * 64) - int(target.seed[0] * 32),
    )
    assert np.array_equal(large[row : row + 32, column : column + 32], trained)
    assert (large[:row] == 255).all() and (large[row + 32 :] == 255).all()


def test_what_has_not_grown_cannot_heal(idler):
    found = evaluate(idler(living=True), seeds=2)
    assert [(one.percent, one.loss.why) for one in found.regeneration] == [(None, "it had not grown")] * 4


def test_states_that_explode_are_told_and_can_be_written(painter, white):
    found = evaluate(painter(change=3e38, clamp=None), white, seeds=2)
    fields = json.loads(json.dumps(found.to_fields(), allow_nan=False))
    assert fields["drift"][-1]["loss"] is None and fields["loss"]["rgb"]["loss"] is None
    assert {one["why"] for one in fields["regeneration"]} == {"the states are no longer finite"}


def test_letters_too_small_to_read_are_left_out(painter):
    found = evaluate(painter(target="text:letters"), res=32, seeds=2)
    assert [look.res for look in found.sizes] == [48, 64]  # not 16 and 24


@pytest.mark.parametrize(
    ("options", "said"),
    [({"seeds": 1}, "seeds must be"), ({"res": 8}, "res must be"), ({"target": "spirl"}, "did you mean")],
)
def test_what_cannot_be_measured_is_refused(painter, options, said):
    with pytest.raises(BadRequest, match=said):
        evaluate(painter(target="circle"), **options)


def test_hold_is_read_from_the_recipe(painter):
    assert painter().hold == 32
    automaton = painter().automaton
    for hold, read in ((5, 5), (0, 0), (-1, 32), ("9", 32), (10**9, 32)):
        assert (
            modelfile.Model(automaton=automaton, target="", training={"recipe": {"hold": hold}}).hold == read
        )


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")]
)
def test_too_little_memory_is_said(painter, white, monkeypatch, error):
    def seed_state(*_, **__):
        raise error

    model = painter()
    monkeypatch.setattr(model.automaton, "seed_state", seed_state)
    with pytest.raises(RunFailed, match="not enough memory for 9 rollouts of 16×16 cells"):
        evaluate(model, white, seeds=9)


def test_other_errors_are_not_taken_for_it(painter, white, monkeypatch):
    model = painter()
    monkeypatch.setattr(model.automaton, "rollout", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(model, white)

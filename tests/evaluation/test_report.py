import math

import pytest
import torch

from petri import modelfile, models, targets
from petri.errors import BadRequest
from petri.evaluation.report import EVALUATION_SEED, Measure, plain, report_loss
from petri.losses import overflow_loss, pattern_loss
from petri.nca import Automaton, Spec


def test_by_hand():
    automaton = Automaton(Spec.of(hidden=16, layers=2))  # its last layer is zero: the seed stays alone
    target = torch.full((4, 5, 7), 0.5)
    target[3] = 1.0
    rgb = report_loss(automaton, target[:3], steps=3, hold=2, seeds=3)
    # One of 35 cells has 13 of its 16 values at 1.
    overflow = 13 * 0.1 / (16 * 35)
    assert (rgb.steps, rgb.hold) == (3, 2)
    assert rgb.pattern == rgb.stability == pytest.approx(0.25)
    assert rgb.overflow == pytest.approx(overflow, rel=1e-5)
    assert rgb.loss == pytest.approx(0.25 * 1.5 + overflow / 10)
    assert rgb.pattern_spread == rgb.stability_spread == rgb.loss_spread == 0.0
    rgba = report_loss(automaton, target, steps=3, hold=2, seeds=3)
    assert rgba.pattern == pytest.approx((3 * 0.25 * 35 + 34) / (4 * 35))  # alpha is right in one cell
    assert rgba.overflow == rgb.overflow


def test_means_and_spreads_are_those_of_single_rollouts(random_automaton):
    automaton, target = random_automaton(Spec.of(hidden=16, layers=2), change=0.1), torch.rand(3, 8, 8)
    loss = report_loss(automaton, target, steps=6, hold=4, seeds=5)
    with torch.no_grad():
        state = automaton.rollout(automaton.seed_state(8, batch=5), 6, seed=EVALUATION_SEED)
        held = automaton.rollout(state, 4, seed=EVALUATION_SEED, start=6)
    pattern, stability = pattern_loss(state, target).tolist(), pattern_loss(held, target).tolist()
    overflow = overflow_loss(held).tolist()
    whole = [p + s / 2 + o / 10 for p, s, o in zip(pattern, stability, overflow, strict=True)]
    for name, values in (
        ("pattern", pattern), ("stability", stability), ("overflow", overflow), ("loss", whole)
    ):  # fmt: skip
        mean = sum(values) / 5
        assert getattr(loss, name) == pytest.approx(mean, rel=1e-5)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / 4)
        assert spread > 0 and getattr(loss, f"{name}_spread") == pytest.approx(spread, rel=1e-3)


def test_one_rollout_has_no_spread():
    with pytest.raises(BadRequest, match=r"seeds must be a whole number in 2\.\.4096, got 1"):
        report_loss(Automaton(Spec.of(hidden=16, layers=2)), torch.zeros(3, 8, 8), seeds=1)


def test_figures_that_are_not_finite_are_written_as_none():
    assert plain(math.nan) is None and plain(math.inf) is None and plain(0.12345678) == 0.123457
    assert Measure(math.inf, math.nan).to_fields() == {"loss": None, "spread": None}


def test_a_shipped_model_has_the_loss_that_it_was_stored_with():
    model = modelfile.read(models.find("mandelbrot"))
    rgb = torch.from_numpy(targets.load("mandelbrot", model.res).pixels[:3])
    found = report_loss(model.automaton, rgb, steps=model.steps, hold=model.hold).to_fields()
    stored = model.training["loss"]
    # Another processor may round another way.
    assert {name: found[name] for name in stored} == pytest.approx(stored, rel=0.01)

from __future__ import annotations

import re

import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.fire import fire_words, sample_seeds
from petri.nca.rule import SHAPES
from petri.nca.senses.words import PERCEPTIONS


def small(**fields):
    return Spec.of(**{"channels": 5, "hidden": 16, "perception": "learned+dilated", **fields})


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def rollout(automaton, state, steps, **options):
    with torch.no_grad():
        return automaton.rollout(state, steps, engine="torch", **options)


@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_untrained_leaves_every_state_as_it_is(perception, rule):
    for fields in ({"clamp": None}, {"clamp": 1.0, "living": True, "padding": "wrap"}):
        state = noise(2, 5, 9, 7)
        state[:, 3] = state[:, 3].abs() + 0.2  # alive
        state /= 2 if fields["clamp"] else 1e-9
        after = rollout(Automaton(small(perception=perception, **fields, **rule)), state, 3)
        assert torch.equal(after.view(torch.int32), state.view(torch.int32))


def test_rollout_depends_on_nothing_but_its_arguments(rule, random_automaton):
    automaton = random_automaton(small(**rule), change=0.01)
    state = noise(2, 5, 9, 7)
    whole = rollout(automaton, state, 100, seed=3)
    torch.manual_seed(1)
    assert torch.equal(rollout(automaton, state, 100, seed=3), whole)
    half = rollout(automaton, state, 50, seed=3)
    assert torch.equal(rollout(automaton, half, 50, seed=3, start=50), whole)
    assert not torch.equal(rollout(automaton, half, 50, seed=3), whole)
    assert not torch.equal(rollout(automaton, state, 100, seed=4), whole)
    # With gradients the states between are computed twice.
    assert torch.equal(automaton.rollout(state, 100, seed=3, engine="torch"), whole)


def test_rollout_takes_as_many_steps_as_it_is_told():
    automaton = Automaton(small(clamp=None, fire_rate=1.0))
    automaton.rule.biases[-1].data.fill_(1.0)  # each step adds one
    for steps in (0, 1, 16, 17, 40):
        assert (rollout(automaton, torch.zeros(1, 5, 3, 3), steps) == steps).all()


STATE = torch.zeros(1, 5, 8, 8)


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (STATE[0], {}, "a state must be [batch, 5, height, width], got [5, 8, 8]"),
        (STATE[:, :4], {}, "a state must be [batch, 5, height, width], got [1, 4, 8, 8]"),
        (STATE, {"steps": -1}, "steps and start must be at least 0, got -1 and 0"),
        (STATE, {"start": -2}, "steps and start must be at least 0, got 1 and -2"),
        (STATE, {"seed": -1}, "seed must be in 0..4294967295, got -1"),
        (STATE, {"seed": 2**32}, "seed must be in 0..4294967295, got 4294967296"),
        (STATE, {"engine": "abacus"}, "engine must be one of auto, "),
        (STATE, {"precision": "float8"}, "precision must be one of auto, float32, bfloat16, got 'float8'"),
    ],
)
def test_bad_arguments_are_refused(state, options, message):
    with pytest.raises(BadRequest, match=re.escape(message)):
        Automaton(small()).rollout(state, **{"steps": 1, **options})


@pytest.mark.parametrize("living", [False, True])
def test_gradient_is_that_of_a_plain_loop_of_steps(rule, living, random_automaton):
    automaton = random_automaton(small(living=living, **rule), change=0.1)

    def gradients(run):
        automaton.zero_grad()
        state = noise(2, 5, 8, 9).requires_grad_()
        (run(state) * noise(2, 5, 8, 9, seed=1)).sum().backward()
        return [state.grad, *(values.grad.clone() for values in automaton.parameters())]

    def plain(state):
        for step in range(4, 4 + 20):
            state = automaton.step(state, step=step, seeds=sample_seeds(6, 2))
        return state

    expected = gradients(plain)
    assert all(gradient.any() for gradient in expected)
    found = gradients(lambda state: automaton.rollout(state, 20, seed=6, start=4, engine="torch"))
    torch.testing.assert_close(found, expected)


DIFFERENTIATED = [
    *((name, {**shape}) for name in PERCEPTIONS for shape in SHAPES.values() if not shape["gated"]),
    ("sobel+laplacian+learned5", {"layers": 2, "fixed": 2}),
    ("conv3+conv5d2", {"layers": 2, "fixed": 2}),
    ("attention3", {"layers": 2, "fixed": 2}),
    ("attention3d2+dilated", {"layers": 3, "residual": True}),
    ("deformable3", {"layers": 2, "fixed": 2}),
    ("residual3", {"layers": 2, "fixed": 2}),
    ("residual3w5", {"layers": 3}),
    (
        "conv3+sobel",
        {"layers": 2, "rule": {"sensed_bound": 0.3, "hidden_bound": 0.5, "change_bound": 0.4}},
    ),
]


@pytest.mark.parametrize(("perception", "fields"), DIFFERENTIATED, ids=str)
@pytest.mark.parametrize("padding", ["zero", "wrap"])
def test_gradient_is_the_slope_found_by_finite_differences(perception, fields, padding, random_automaton):
    spec = small(perception=perception, padding=padding, living=True, clamp=None, **fields)
    automaton = random_automaton(spec).double()
    state = noise(1, spec.planes, 5, 6, dtype=torch.float64).requires_grad_()
    variables = {"state": state, **dict(automaton.named_parameters())}
    weight = noise(1, spec.planes, 5, 6, seed=1, dtype=torch.float64)

    def loss():
        return (automaton.rollout(state, 3, engine="torch") * weight).sum()

    gradients = torch.autograd.grad(loss(), variables.values())
    for number, (name, gradient) in enumerate(zip(variables, gradients, strict=True)):
        variable, step = variables[name], 1e-6
        way = noise(*variable.shape, seed=number + 2, dtype=torch.float64)
        with torch.no_grad():
            sides = []
            for move in (step, -2 * step, step):
                variable += move * way
                sides.append(loss())
        slope = (sides[0] - sides[1]) / (2 * step)
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close((gradient * way).sum(), slope, rtol=1e-6, atol=1e-7, msg=name)


def test_gradient_of_a_gate_is_that_of_its_probability():
    """The update is `bias · fired`; to the gate's logit the gradient is `bias · σ′(logit)`, fired or not."""
    automaton = Automaton(small(gated=True, clamp=None))
    changes, logit = torch.tensor([0.5, -1.0, 0.25, 2.0, 3.0]), torch.tensor(0.4)
    automaton.rule.biases[-1].data = torch.cat([changes, logit[None]])
    after = automaton.rollout(torch.zeros(1, 5, 9, 7), 1, engine="torch")
    after.sum().backward()
    fired = fire_words(sample_seeds(0, 1), 0, 9, 7)[0, 0] / 2**32 < logit.sigmoid()
    assert 0 < fired.sum() < 63
    assert torch.equal(after[0].detach(), changes[:, None, None] * fired)
    slope = logit.sigmoid() * (1 - logit.sigmoid())
    expected = torch.cat([fired.sum().expand(5), (63 * changes.sum() * slope)[None]])
    torch.testing.assert_close(automaton.rule.biases[-1].grad, expected)


def test_bfloat16_is_close_and_leaves_the_state_float32(rule, random_automaton):
    automaton, state = random_automaton(small(**rule)), noise(2, 5, 9, 7)
    exact, rough = (rollout(automaton, state, 1, precision=p) for p in ("float32", "bfloat16"))
    assert rough.dtype == torch.float32
    # All but the cells whose gate is too close to tell.
    close = ((rough - exact).abs() < 0.03).all(dim=1).float().mean()
    assert close > 0.95 and not torch.equal(rough, exact)

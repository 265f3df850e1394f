"""A step against a second implementation: plain loops in float64 that share no code with petri."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from nca import loops

from petri.nca import (
    Attention,
    Automaton,
    Cell,
    Conv,
    Deformable,
    Grid,
    Mlp,
    Noise,
    Residual,
    Spec,
    Stencil,
    seed_state,
)  # fmt: skip
from petri.nca.fire import sample_seeds
from petri.nca.padding import PADDINGS
from petri.nca.senses.words import PERCEPTIONS

HEIGHT, WIDTH, CHANNELS = 17, 23, 7
SEED, STEP = 0xC0FFEE, 5
CLOSE = 1e-5  # to a threshold: float32 and float64 may then decide differently


def take(spec, state, sample, proposed):
    """The next state, where it is too close to tell, and the cells that each of the masks empties alone."""
    draws = loops.drawn(SEED, sample, STEP, HEIGHT, WIDTH)
    after, doubt = loops.fire(spec, state, proposed, draws), np.zeros((HEIGHT, WIDTH), dtype=bool)
    if spec.rule.gated:
        doubt = abs(1 / (1 + np.exp(-proposed[..., CHANNELS])) - draws) < CLOSE
    if not spec.living:
        return after, doubt, []
    most = [loops.most_around(grid[3], spec.space.padding) for grid in (state, after)]
    # A cell whose firing is in doubt may bring its neighbours to life.
    close = [abs(m - 0.1) < CLOSE for m in most]
    doubt = (loops.most_around(doubt, spec.space.padding) > 0) | close[0] | close[1]
    before, now = (m > 0.1 for m in most)
    return after * (before & now), doubt, [now & ~before, before & ~now]


def start():
    """A seed in the corner at the top right; and a random state where cells live, are born and die."""
    random = np.random.default_rng(1)
    state = np.zeros((2, CHANNELS, HEIGHT, WIDTH))
    state[0, 3:, 0, WIDTH - 1] = 1
    state[1] = random.uniform(-1, 1, state[1].shape)
    state[1, 3, :, 6:11] = random.uniform(-0.1, 0.0999, (HEIGHT, 5))
    state[1, 3, :, 11:] = -0.9
    state[1, 3, 1::3, 12::3] = 0.101
    return torch.tensor(state, dtype=torch.float32)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_step_is_that_of_plain_loops(perception, rule, padding, random_automaton):
    spec = Spec.of(channels=CHANNELS, perception=perception, hidden=16, padding=padding, **rule)
    if not spec.rule.gated:
        spec = dataclasses.replace(spec, fire_rate=0.6)
    trained, state = random_automaton(spec), start()
    samples = state.double().numpy()
    proposed = [loops.propose(trained, sample) for sample in samples]
    # Alpha is to grow in half of the cells and to shrink in the others: some are born then, and some die.
    middle = np.median(proposed[1][..., 3])
    trained.rule.biases[-1].data[3] -= middle
    for outputs in proposed:
        outputs[..., 3] -= middle
    for living, clamp in itertools.product((False, True), (None, 1.0)):
        automaton = Automaton(dataclasses.replace(spec, living=living, clamp=clamp))
        automaton.load_state_dict(trained.state_dict())
        with torch.no_grad():
            got = automaton.rollout(state, 1, seed=SEED, start=STEP, engine="torch").double().numpy()
        for b in range(2):
            expected, doubt, emptied = take(automaton.spec, samples[b], b, proposed[b])
            assert doubt.dtype == bool and doubt.sum() < 9
            np.testing.assert_allclose(got[b][:, ~doubt], expected[:, ~doubt], rtol=0, atol=2e-6)
        # Else the random state, which comes last, would prove less than it seems to.
        assert (abs(expected) == 1).any() == (clamp is not None)
        assert all(mask.any() for mask in emptied)


LIVING = {"living": True, "clamp": None}
GATED = Mlp(hidden=16, layers=2, gated=True)
BOUNDED = Mlp(hidden=16, layers=3, residual=True, sensed_bound=0.5, hidden_bound=0.75, change_bound=0.25)
ALL = tuple(loops.FILTERS)
TRAINED = Stencil(filters=("laplacian", "sobel_y"), size=5, dilation=3, trained=True)
# What is sensed, and a Spec around it.
SENSED = {
    "all filters": ((Stencil(filters=ALL),), {}),
    "all filters 5×5": ((Stencil(filters=ALL, size=5),), LIVING),
    "all filters 7×7": ((Stencil(filters=ALL, size=7, dilation=2),), {"fixed": 1}),
    "a far stencil": ((Stencil(filters=("sobel_y",), dilation=9),), {}),
    "a trained stencil": ((TRAINED,), {"fixed": 3, **LIVING}),
    "three stencils": ((Stencil(filters=("laplacian",)), TRAINED, Stencil(dilation=2)), {"rule": GATED}),
    "conv1": ((Conv(size=1, width=5),), {}),
    "conv3": ((Conv(width=6),), {"fixed": 2, **LIVING}),
    "conv5d2": ((Conv(size=5, dilation=2, width=3),), {"rule": BOUNDED}),
    "conv7d3": ((Conv(size=7, dilation=3, width=2),), {"rule": GATED, **LIVING}),
    "conv3+conv5d2": ((Conv(width=6), Conv(size=5, dilation=2, width=4)), {"fixed": 2}),
    "conv before a stencil": ((Conv(width=3), Stencil(dilation=2)), {"fixed": 1, "rule": BOUNDED}),
    "attention3": ((Attention(width=8),), LIVING),
    "attention5d3": ((Attention(size=5, dilation=3, heads=2, width=6),), {"fixed": 2, "rule": GATED}),
    "deformable3": ((Deformable(width=5),), {"fixed": 2, **LIVING}),
    "deformable5": ((Deformable(size=5, width=3),), {"rule": BOUNDED}),
    "residual3": ((Residual(width=6),), {"fixed": 2, **LIVING}),
    "residual5 as wide as the state": ((Residual(size=5, width=CHANNELS),), {"rule": GATED}),
    "one of each": (
        (Attention(width=4), Stencil(), Deformable(width=3), Conv(width=2), Residual(width=2)),
        {"fixed": 1, "rule": BOUNDED, **LIVING},
    ),
}  # fmt: skip


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("senses", "fields"), SENSED.values(), ids=SENSED)
def test_three_steps_are_those_of_plain_loops(senses, fields, padding, random_automaton):
    fields = {"rule": Mlp(hidden=16, layers=2), "channels": CHANNELS, "clamp": 1.0, **fields}
    spec = Spec(senses=senses, space=Grid(padding=padding), start=Cell(x=1.0, y=0.0), **fields)
    automaton = random_automaton(spec, change=0.5).double()
    chance = torch.Generator().manual_seed(2)
    for name, values in automaton.named_parameters():
        if name.endswith("guide_bias"):  # some taps are to come to where they are stopped
            values.data.uniform_(-9, 9, generator=chance)
    # A start in the corner at the top right, and noise everywhere: around a cell alone little is to be seen.
    fixed = torch.rand(spec.fixed, HEIGHT, WIDTH, generator=chance)
    state = torch.cat(
        [
            seed_state(dataclasses.replace(spec, start=start), HEIGHT, WIDTH, fixed=fixed)
            for start in (spec.start, Noise(level=0.9))
        ]
    ).double()
    with torch.no_grad():
        got = automaton.rollout(state, 3, seed=SEED, start=STEP, engine="torch")
    assert got.dtype == torch.float64
    expected = loops.rollout(automaton, state.numpy(), 3, seed=SEED, first=STEP)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11)
    corner = abs(expected[0] - state[0].numpy()).sum(axis=0)
    assert corner[0, WIDTH - 1] > 0
    assert torch.equal(got[:, CHANNELS:], state[:, CHANNELS:])


@pytest.mark.parametrize("spec", [Spec(living=True), Spec.of(gated=True, padding="wrap", perception="conv3")])
def test_a_step_reads_nothing_of_its_device_and_copies_nothing_there(spec, monkeypatch):
    """On `meta` reading any value, to decide by it or to copy it, is an error."""
    automaton, seeds = Automaton(spec).to("meta"), sample_seeds(0, 2, device="meta")
    start = torch.zeros(2, 16, 9, 7, device="meta", requires_grad=True)
    for maker in ("tensor", "as_tensor", "from_numpy"):
        monkeypatch.setattr(torch, maker, None)
    after = automaton.step(automaton.step(start, step=2**40, seeds=seeds), step=3, seeds=seeds)
    after.square().sum().backward()
    assert after.device.type == start.grad.device.type == "meta"

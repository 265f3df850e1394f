"""A step against a second implementation: plain loops in float64 that share no code with petri."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from petri.nca import Automaton, Spec
from petri.nca.padding import PADDINGS
from petri.nca.senses.words import PERCEPTIONS

HEIGHT, WIDTH, CHANNELS = 17, 23, 7
CELLS = list(itertools.product(range(HEIGHT), range(WIDTH)))
SEED, STEP = 0xC0FFEE, 5
CLOSE = 1e-5  # to a threshold: float32 and float64 may then decide differently

IDENTITY = [[0, 0, 0], [0, 8, 0], [0, 0, 0]]
SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SOBEL_Y = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
FIXED = np.stack([np.array([IDENTITY, SOBEL_X, SOBEL_Y]) / 8] * CHANNELS)  # channel, filter, row, column


def pcg(value: int) -> int:
    a = (value * 747796405 + 2891336453) % 2**32
    w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737 % 2**32
    return (w >> 22) ^ w


def draw(sample: int, y: int, x: int) -> float:
    seed = SEED ^ (sample * 0x9E3779B9 % 2**32)
    return pcg((x + pcg((y + pcg((seed + pcg(STEP)) % 2**32)) % 2**32)) % 2**32) / 2**32


def around(grid, y, x, padding, distance=1):
    """The nine values of a neighbourhood, row by row; beyond the edge they are 0 unless it wraps."""
    for dy, dx in itertools.product((-distance, 0, distance), repeat=2):
        if padding == "wrap":
            yield grid[(y + dy) % HEIGHT][(x + dx) % WIDTH]
        elif 0 <= y + dy < HEIGHT and 0 <= x + dx < WIDTH:
            yield grid[y + dy][x + dx]
        else:
            yield 0 * grid[y][x]


def propose(automaton, state):
    """The rule's outputs for each cell of a state `[channel, height, width]`."""
    spec, near = automaton.spec, FIXED
    if "learned" in spec.perception:
        near = automaton.perception[0].bank.detach().double().numpy().reshape(FIXED.shape)
    banks = [(near, 1)] + [(FIXED, 2)] * ("dilated" in spec.perception)
    weights = [w.detach().double().numpy() for w in automaton.rule.weights]
    biases = [b.detach().double().numpy() for b in automaton.rule.biases]
    columns = np.moveaxis(state, 0, -1)
    proposed = np.empty((HEIGHT, WIDTH, spec.outputs))
    for y, x in CELLS:
        seen = []
        for bank, distance in banks:
            cells = np.reshape(list(around(columns, y, x, spec.space.padding, distance)), (3, 3, CHANNELS))
            seen.append(np.einsum("cfyx,yxc->cf", bank, cells))
        hidden = np.maximum(weights[0] @ np.concatenate(seen, axis=1).ravel() + biases[0], 0)
        if spec.rule.layers == 3:
            second = np.maximum(weights[1] @ hidden + biases[1], 0)
            hidden = second + hidden if spec.rule.residual else second
        proposed[y, x] = weights[-1] @ hidden + biases[-1]
    return proposed


def most_around(grid, padding):
    return np.array([[max(around(grid, y, x, padding)) for x in range(WIDTH)] for y in range(HEIGHT)])


def take(spec, state, sample, proposed):
    """The next state, where it is too close to tell, and the cells that each of the masks empties alone."""
    after, doubt = state.copy(), np.zeros((HEIGHT, WIDTH), dtype=bool)
    for y, x in CELLS:
        outputs, chance, drawn = proposed[y, x], spec.fire_rate, draw(sample, y, x)
        if spec.rule.gated:
            chance = 1 / (1 + math.exp(-outputs[CHANNELS]))
            doubt[y, x] = abs(chance - drawn) < CLOSE
        if drawn < chance:
            after[:, y, x] += outputs[:CHANNELS]
    if spec.clamp is not None:
        after = np.minimum(np.maximum(after, -spec.clamp), spec.clamp)
    if not spec.living:
        return after, doubt, []
    most = [most_around(grid[3].tolist(), spec.space.padding) for grid in (state, after)]
    # A cell whose firing is in doubt may bring its neighbours to life.
    close = [abs(m - 0.1) < CLOSE for m in most]
    doubt = (most_around(doubt.tolist(), spec.space.padding) > 0) | close[0] | close[1]
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
    proposed = [propose(trained, sample) for sample in samples]
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

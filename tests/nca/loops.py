"""A second implementation of a step: plain numpy in float64 that shares no code with petri.

It reads the fields of a Spec and the tensors of an automaton by their names, and calls nothing of theirs.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

IDENTITY = [[0, 0, 0], [0, 8, 0], [0, 0, 0]]
SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SOBEL_Y = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
LAPLACIAN = [[1, 2, 1], [2, -12, 2], [1, 2, 1]]
FILTERS = {"identity": IDENTITY, "sobel_x": SOBEL_X, "sobel_y": SOBEL_Y, "laplacian": LAPLACIAN}  # in eighths


def pcg(value: int) -> int:
    a = (value * 747796405 + 2891336453) % 2**32
    w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737 % 2**32
    return (w >> 22) ^ w


def word(seed: int, sample: int, number: int, y: int, x: int) -> int:
    """What is drawn for a cell; `number` is the step's, or stands for a channel of noise."""
    seed ^= sample * 0x9E3779B9 % 2**32
    return pcg((x + pcg((y + pcg((seed + pcg(number)) % 2**32)) % 2**32)) % 2**32)


@functools.cache
def places(height: int, width: int, size: int, dilation: int, padding: str):
    """Rows and columns of the cells around each cell, `[y, x, size, size]`, and which there are."""
    far = size // 2 * dilation
    ways = range(-far, far + 1, dilation)
    rows, columns = np.zeros((2, height, width, size, size), dtype=int)
    there = np.zeros((height, width, size, size), dtype=bool)
    for y, x in itertools.product(range(height), range(width)):
        for (a, down), (b, right) in itertools.product(enumerate(ways), repeat=2):
            row, column = y + down, x + right
            if padding == "wrap":
                row, column = row % height, column % width
            if 0 <= row < height and 0 <= column < width:
                rows[y, x, a, b], columns[y, x, a, b], there[y, x, a, b] = row, column, True
    return rows, columns, there


def around(cells, size, dilation, padding):
    """Of `[y, x, channel]` the cells around each, `[y, x, size, size, channel]`; 0 where there is none."""
    rows, columns, there = places(*cells.shape[:2], size, dilation, padding)
    return cells[rows, columns] * there[..., None]


def convolved(cells, weight, bias, dilation, padding):
    """A convolution; the weight is `[out, in, row, column]`."""
    near = around(cells, weight.shape[-1], dilation, padding)
    return np.einsum("yxabc,ocab->yxo", near, weight) + bias


def stencil(sense, tensors, cells, padding):
    """Features of each channel, `[y, x, channel, filter]`."""
    if sense.trained:
        bank = tensors["bank"].reshape(cells.shape[-1], -1, sense.size, sense.size)
    else:
        bank = np.zeros((cells.shape[-1], len(sense.filters), sense.size, sense.size))
        middle = slice(sense.size // 2 - 1, sense.size // 2 + 2)
        for number, name in enumerate(sense.filters):
            bank[:, number, middle, middle] = np.array(FILTERS[name]) / 8
    return np.einsum("yxabc,cfab->yxcf", around(cells, sense.size, sense.dilation, padding), bank)


def conv(sense, tensors, cells, padding):
    return np.maximum(convolved(cells, tensors["weight"], tensors["bias"], sense.dilation, padding), 0)


def attention(sense, tensors, cells, padding):
    near = around(cells, sense.size, sense.dilation, padding)
    near = near.reshape(*cells.shape[:2], -1, cells.shape[-1])
    asks, keys, values = (tensors[name][:, :, 0, 0] for name in ("queries", "keys", "values"))
    each, mixed = sense.width // sense.heads, np.empty((*cells.shape[:2], sense.width))
    for y, x in itertools.product(*map(range, cells.shape[:2])):
        ask, key, value = asks @ cells[y, x], near[y, x] @ keys.T, near[y, x] @ values.T
        for head in range(sense.heads):
            its = slice(head * each, (head + 1) * each)
            agreement = key[:, its] @ ask[its] / math.sqrt(each) + tensors["positions"][head]
            share = np.exp(agreement - agreement.max())
            mixed[y, x, its] = share / share.sum() @ value[:, its]
    return np.maximum(mixed @ tensors["out"][:, :, 0, 0].T + tensors["out_bias"], 0)


def deformable(sense, tensors, cells, padding):
    height, width, channels = cells.shape
    taps, most = sense.size**2, max(height, width) / 4
    guide = convolved(cells, tensors["guide"], tensors["guide_bias"], 1, padding)
    weight = tensors["weight"].reshape(-1, channels, taps)

    def cell(row, column):
        if padding == "wrap":
            return cells[row % height, column % width]
        return cells[row, column] if 0 <= row < height and 0 <= column < width else np.zeros(channels)

    sensed = np.zeros((height, width, sense.width))
    for y, x, tap in itertools.product(range(height), range(width), range(taps)):
        down, right = (min(max(guide[y, x, tap + n * taps], -most), most) for n in (0, 1))
        row = y + tap // sense.size - sense.size // 2 + down
        column = x + tap % sense.size - sense.size // 2 + right
        top, left = math.floor(row), math.floor(column)
        low, far = row - top, column - left
        read = (1 - low) * (1 - far) * cell(top, left) + (1 - low) * far * cell(top, left + 1)
        read = read + low * (1 - far) * cell(top + 1, left) + low * far * cell(top + 1, left + 1)
        sensed[y, x] += weight[:, :, tap] @ read * 2 / (1 + math.exp(-guide[y, x, tap + 2 * taps]))
    return np.maximum(sensed, 0)


def residual(sense, tensors, cells, padding):
    inner = np.maximum(convolved(cells, tensors["first"], tensors["first_bias"], 1, padding), 0)
    inner = convolved(inner, tensors["second"], tensors["second_bias"], 1, padding)
    if "past" in tensors:
        return np.maximum(inner + cells @ tensors["past"][:, :, 0, 0].T + tensors["past_bias"], 0)
    return np.maximum(inner + cells, 0)


OTHERS = {"Conv": conv, "Attention": attention, "Deformable": deformable, "Residual": residual}


def perceive(automaton, state):
    """What each cell of a state `[plane, y, x]` senses, `[y, x, feature]`; of stencils first."""
    spec, cells = automaton.spec, np.moveaxis(state, 0, -1)
    all_tensors = {name: values.detach().double().numpy() for name, values in automaton.named_parameters()}
    stencils, others = [], []
    for number, sense in enumerate(spec.senses):
        start = f"perception.{number}."
        tensors = {
            name.removeprefix(start): tensor for name, tensor in all_tensors.items() if name.startswith(start)
        }
        if type(sense).__name__ == "Stencil":
            stencils.append(stencil(sense, tensors, cells, spec.space.padding))
        else:
            others.append(OTHERS[type(sense).__name__](sense, tensors, cells, spec.space.padding))
    near = [np.concatenate(stencils, axis=-1).reshape(*cells.shape[:2], -1)] if stencils else []
    return np.concatenate([*near, *others], axis=-1)


def within(values, bound):
    return values if bound is None else np.clip(values, -bound, bound)


def propose(automaton, state):
    """The rule's outputs for each cell of a state, `[y, x, output]`."""
    rule = automaton.spec.rule
    weights = [w.detach().double().numpy() for w in automaton.rule.weights]
    biases = [b.detach().double().numpy() for b in automaton.rule.biases]
    most = math.inf if rule.hidden_bound is None else rule.hidden_bound
    hidden = within(perceive(automaton, state), rule.sensed_bound)
    hidden = np.clip(hidden @ weights[0].T + biases[0], 0, most)
    if rule.layers == 3:
        second = np.clip(hidden @ weights[1].T + biases[1], 0, most)
        hidden = second + hidden if rule.residual else second
    proposed = hidden @ weights[-1].T + biases[-1]
    channels = automaton.spec.channels
    proposed[..., :channels] = within(proposed[..., :channels], rule.change_bound)
    return proposed


def most_around(grid, padding):
    """The largest value of the 3×3 cells around each."""
    rows, columns, there = places(*grid.shape, 3, 1, padding)
    return np.where(there, grid[rows, columns], -np.inf).max(axis=(2, 3))


def fire(spec, state, proposed, draws):
    """A state `[plane, y, x]` after the changes of the cells that fire, and the clamp."""
    after, channels = state.copy(), spec.channels
    for y, x in itertools.product(*map(range, state.shape[1:])):
        chance = spec.fire_rate
        if spec.rule.gated:
            chance = 1 / (1 + math.exp(-proposed[y, x, channels]))
        if draws[y, x] < chance:
            after[:channels, y, x] += proposed[y, x, :channels]
    after[:channels] = within(after[:channels], spec.clamp)
    return after


def rollout(automaton, state, steps, *, seed, first=0):
    """Take steps from a batch of states `[sample, plane, y, x]` in float64."""
    spec, states = automaton.spec, state.copy()
    for step, sample in itertools.product(range(first, first + steps), range(len(states))):
        before = states[sample]
        draws = drawn(seed, sample, step, *before.shape[1:])
        after = fire(spec, before, propose(automaton, before), draws)
        if spec.living:
            lives = [most_around(grid[3], spec.space.padding) > 0.1 for grid in (before, after)]
            after[: spec.channels] *= lives[0] & lives[1]
        states[sample] = after
    return states


@functools.cache
def drawn(seed, sample, step, height, width):
    """A number in 0..1 for each cell; it fires if its chance is greater."""
    return np.array([[word(seed, sample, step, y, x) for x in range(width)] for y in range(height)]) / 2**32

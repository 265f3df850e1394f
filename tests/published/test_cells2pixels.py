"""Automata with a decoder as Cells2Pixels stores them: made-up weights against plain loops."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton
from petri.nca.decoder import Raster
from petri.published import other_coordinates, read_cells2pixels
from petri.published.cells2pixels import seams

HIDDEN, WIDTH = 32, 8


def made_up(channels=16, outputs=4, turned=True, prefix="lppn", scale=0.05):
    """Tensors of the published form, and where they are stored."""
    chance = np.random.default_rng(0)
    inputs = channels + (4 if turned else 2)

    def drawn(*shape, filled=None):
        values = chance.normal(0, scale, shape).astype(np.float32)
        if filled:
            values = np.pad(values, [(0, 0)] * (len(shape) - 1) + [(0, filled - shape[-1])])
        return values

    tensors = {
        "nca.w1.weight": drawn(HIDDEN, 4 * channels),
        "nca.w1.bias": drawn(HIDDEN),
        "nca.w2.weight.T": drawn(HIDDEN, channels),
        f"{prefix}.net.0.linear.weight": drawn(WIDTH, inputs, filled=-(-inputs // 4) * 4),
        f"{prefix}.net.0.linear.bias": drawn(WIDTH),
        f"{prefix}.net.1.linear.weight": drawn(WIDTH, WIDTH),
        f"{prefix}.net.1.linear.bias": drawn(WIDTH),
        f"{prefix}.net.2.weight": drawn(outputs, WIDTH),
        f"{prefix}.net.2.bias": drawn(outputs, filled=-(-outputs // 4) * 4),
    }
    return tensors


def write(path, tensors):
    stored = {
        name: {
            "shape": list(values.shape),
            "dtype": "float32",
            "data64": base64.b64encode(values.astype("<f4").tobytes()).decode(),
        }
        for name, values in tensors.items()
    }
    path.write_text(json.dumps(stored))
    return path


def plain_step(tensors, state):
    """One step with all cells firing: `[channels, height, width]` to the same."""
    taps = {
        "x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
        "laplacian": [[1, 2, 1], [2, -12, 2], [1, 2, 1]],
    }
    features = [state]
    for kernel in taps.values():
        total = np.zeros_like(state)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                total += kernel[i + 1][j + 1] * np.roll(state, (-i, -j), (1, 2))
        features.append(total)
    seen = np.concatenate(features)
    hidden = np.einsum("hf,fyx->hyx", tensors["nca.w1.weight"].astype(float), seen)
    hidden = np.maximum(hidden + tensors["nca.w1.bias"][:, None, None], 0)
    return state + np.einsum("hc,hyx->cyx", tensors["nca.w2.weight.T"].astype(float), hidden)


def plain_point(tensors, state, y, x, pixels, turned, prefix="lppn"):
    """What the decoder says of one pixel, its cells at the middles of their patches."""
    _, height, width = state.shape
    down, right = (y + 0.5) / pixels, (x + 0.5) / pixels  # in cells
    top, left = math.floor(down - 0.5), math.floor(right - 0.5)
    below, beside = down - 0.5 - top, right - 0.5 - left
    between = sum(
        share * state[:, row % height, column % width]
        for row, column, share in (
            (top, left, (1 - below) * (1 - beside)),
            (top, left + 1, (1 - below) * beside),
            (top + 1, left, below * (1 - beside)),
            (top + 1, left + 1, below * beside),
        )
    )
    u = np.array([2 * (down % 1) - 1, 2 * (right % 1) - 1])
    where = np.concatenate([np.sin(np.pi * u), np.cos(np.pi * u)]) if turned else u
    values = np.concatenate([where, between])
    for number in (0, 1):
        weight = tensors[f"{prefix}.net.{number}.linear.weight"].astype(float)[:, : len(values)]
        values = np.sin(10 * (weight @ values + tensors[f"{prefix}.net.{number}.linear.bias"]))
    last = tensors[f"{prefix}.net.2.weight"].astype(float)
    return last @ values + tensors[f"{prefix}.net.2.bias"][: len(last)]


@pytest.mark.parametrize(
    ("channels", "outputs", "turned", "prefix"),
    [(32, 4, True, "lppn"), (16, 9, False, "lppn"), (16, 9, True, "siren")],
)
def test_a_step_and_a_picture_are_those_of_plain_loops(tmp_path, channels, outputs, turned, prefix):
    tensors = made_up(channels, outputs, turned, prefix)
    model = read_cells2pixels(write(tmp_path / "Moth.json", tensors))
    assert model.target == "Moth" and model.spec.living == (outputs == 4)
    maps = model.spec.decoder.maps
    assert maps == (() if outputs == 4 else ("albedo", "height", "roughness", "occlusion", "normal"))
    assert model.task == ("paint" if outputs == 4 else "material") and model.pixels == 8 * model.res
    automaton = Automaton(replace(model.spec, fire_rate=1.0, living=False))
    automaton.load_state_dict(model.automaton.state_dict())
    state = np.random.default_rng(1).normal(0, 0.3, (channels, 7, 9))
    given = torch.from_numpy(state).float()[None]
    with torch.no_grad():
        after = automaton.rollout(given, 1, engine="torch")[0]
        seen = automaton.paint(given, Raster.of(7 * 4, 9 * 4))[0]
    assert np.allclose(after, plain_step(tensors, state), atol=1e-5)
    for y, x in [(0, 0), (27, 35), (13, 6), (6, 22)]:
        expected = plain_point(tensors, state, y, x, 4, turned, prefix)[:3]
        assert seen[:, y, x].tolist() == pytest.approx(expected, abs=1e-5)


def test_jumps_between_patches_are_measured(tmp_path):
    """A decoder that says hardly more than how far down in its patch a point lies."""
    tensors = {name: np.zeros_like(values) for name, values in made_up(16, 9, False).items()}
    tensors["lppn.net.0.linear.weight"][0, 0] = 0.001
    tensors["lppn.net.1.linear.weight"][0, 0] = 0.001
    tensors["lppn.net.2.weight"][:3, 0] = 1
    automaton = read_cells2pixels(write(tmp_path / "a.json", tensors)).automaton
    # From one pixel to the next an eighth of the patch, and where it ends seven eighths back.
    assert seams(automaton, cells=8, steps=1) == pytest.approx(7, rel=1e-3)


def test_the_place_of_the_cells_is_noticed(tmp_path):
    """Cells that differ by chance, and colours that change most between two of them, at their middles."""
    tensors = {name: np.zeros_like(values) for name, values in made_up(16, 9, False).items()}
    tensors["nca.w1.bias"][0] = 1
    tensors["nca.w2.weight.T"][0, 0] = 0.01  # after 128 steps 0.64 ± 0.057
    tensors["lppn.net.0.linear.weight"][0, 2], tensors["lppn.net.0.linear.bias"][0] = 2.1, -2.1 * 0.64
    tensors["lppn.net.1.linear.weight"][0, 0] = 0.01
    tensors["lppn.net.2.weight"][:3, 0] = 1
    path = write(tmp_path / "a.json", tensors)
    assert other_coordinates(path, coordinates="centre") == "corner"
    assert other_coordinates(path, coordinates="corner") == ""


def changed(**fields):
    """Tensors with others in the place of some; one that becomes None is left out."""
    tensors = made_up()
    for name, values in fields.items():
        tensors[name.replace("__", ".")] = values
    return {name: values for name, values in tensors.items() if values is not None}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (changed(nca__w1__bias=None), "has no nca.w1.bias"),
        (changed(nca__w1__bias=np.zeros(10, np.float32)), "nca.w1.bias must have 32 numbers, has 10"),
        (changed(nca__w1__weight=np.zeros((HIDDEN, 80), np.float32)), "volumes, and automata that see where"),
        (changed(nca__w1__weight=np.zeros(64, np.float32)), "must have 2 sides, has"),
        (changed(lppn__net__1__linear__weight=None), "must have a decoder's layers"),
        (changed(lppn__net__2__weight=np.zeros((5, WIDTH), np.float32)), "paints 5 numbers a point"),
        (changed(lppn__net__0__linear__weight=np.ones((WIDTH, 24), np.float32)), "layer 0 of the decoder"),
        (changed(nca__w1__bias=np.full(HIDDEN, np.nan, np.float32)), "not finite"),
    ],
)
def test_what_is_no_such_file_is_one_line(tmp_path, tensors, words):
    with pytest.raises(BadRequest, match=words) as refusal:
        read_cells2pixels(write(tmp_path / "a.json", tensors))
    assert "\n" not in str(refusal.value) and "a.json" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "must be a JSON object of tensors"),
        ('{"nca.w1.weight": {"shape": [2], "data64": "AAAA"}}', "has 8 bytes, got 3"),
        ('{"nca.w1.weight": {"shape": [-2], "data64": ""}}', "must be a list of whole numbers"),
        ('{"nca.w1.weight": {"shape": [1], "data64": "=*"}}', "is no base64"),
        ('{"nca.w1.weight": {"shape": [1], "data64": 7}}', "is no base64"),
        ('{"a": {"shape": [1], "dtype": "float16", "data64": ""}}', "must be float32"),
        ('{"a": {"shape": [1], "data64": "AAAAAA=="}}', "has no nca.w1.weight; it has a"),
        ("{}", "has no nca.w1.weight; it has nothing"),
    ],
)
def test_what_is_not_even_tensors_is_one_line(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadRequest, match=words):
        read_cells2pixels(tmp_path / "a.json")

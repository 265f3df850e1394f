"""Models of several targets and textures of any shape: the library beneath the page, against Python."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from specs import PAGE

from petri import modelfile
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Spec, seed_state
from petri.nca.seed import under
from petri.nca.start import Noise, Uniform

HEIGHT, WIDTH = 13, 17
ENGINES = ("webgl", "wasm")
LABELS = ("🦎", "🦋")
SPEC = Spec.of(
    channels=5,
    fixed=2,
    hidden=16,
    layers=2,
    perception="sobel",
    padding="wrap",
    start={"kind": "uniform", "value": 0.25},
)


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def content(model):
    return text(np.frombuffer(modelfile.to_bytes(model), np.uint8))


@pytest.fixture
def two(random_automaton):
    """A texture that knows two targets."""
    return Model(automaton=random_automaton(SPEC, change=0.2), target="both", conditions=LABELS)


def painted(planes, x, y, radius, condition, soft=3.0):
    """What a stroke's point makes of the fixed planes, cell by cell: a ramp of three cells at its border."""
    planes = planes.astype(np.float64).copy()
    for row in range(planes.shape[1]):
        for column in range(planes.shape[2]):
            away = np.hypot(column + 0.5 - x, row + 0.5 - y)
            share = np.clip((radius + soft / 2 - away) / soft, 0, 1)
            here = planes[:, row, column]
            if share > here[condition]:
                here *= (1 - share) / (1 - here[condition])
                here[condition] = share
    return planes


@pytest.mark.parametrize("engine", ENGINES)
def test_a_world_that_changes_at_a_step_is_that_of_python(lab, two, engine):
    found = lab.evaluate(
        """async ([content, engine, width, height]) => {
            const model = lab.model(content);
            const dish = await lab.open(model, { width, height, seed: 5, engine });
            const states = [], keep = async () => states.push(lab.text(await dish.read()));
            const told = [model.conditions, dish.condition];
            await keep();
            await dish.step(6);
            await keep();
            dish.setCondition(1);
            told.push(dish.condition, dish.stepNumber);
            await keep();
            await dish.step(6);
            await keep();
            dish.paintCondition(4.5, 6, 2.5, 0);
            dish.paintCondition(6, 7, 2.5, 0);
            told.push(dish.condition);
            await keep();
            await dish.step(4);
            await keep();
            dish.reset();
            await keep();
            dish.setCondition(0);
            dish.reset();
            await keep();
            const errors = [];
            for (const asked of [2, -1, "1", 0.5]) {
                try { dish.setCondition(asked); } catch (error) { errors.push(error.message); }
            }
            dish.close();
            return { states, told, errors };
        }""",
        [content(two), engine, WIDTH, HEIGHT],
    )
    states = [torch.tensor(floats(state).reshape(7, HEIGHT, WIDTH))[None] for state in found["states"]]
    begun, grown, changed, lived, brushed, after, again, first = states

    def rolled(state, steps, start):
        with torch.no_grad():
            return two.rollout(state, steps, seed=5, start=start, engine="torch")

    assert torch.equal(begun, two.seed_state(HEIGHT, WIDTH, condition=0))
    expected = rolled(begun, 6, 0)
    assert (grown - expected).abs().max() < 1e-5 and (grown - begun).abs().max() > 0.1
    assert torch.equal(changed, under(grown, SPEC, 1))  # what evolves is as it was
    expected = rolled(changed, 6, 6)
    assert (lived - expected).abs().max() < 1e-5
    assert (expected - rolled(grown, 6, 6)).abs().max() > 0.05  # as it was asked before, it would be another
    planes = painted(painted(changed[0, 5:].numpy(), 4.5, 6, 2.5, 0), 6, 7, 2.5, 0)
    assert torch.equal(brushed[0, :5], lived[0, :5])
    assert np.abs(brushed[0, 5:].numpy() - planes).max() < 1e-6
    assert np.abs(planes.sum(0) - 1).max() < 1e-9 and ((planes > 0.1) & (planes < 0.9)).any()
    assert (after - rolled(brushed, 4, 12)).abs().max() < 1e-5
    assert torch.equal(again[0, :5], begun[0, :5]) and torch.equal(again[0, 5:], brushed[0, 5:])
    assert torch.equal(first, begun)
    assert found["told"] == [list(LABELS), 0, 1, 6, None]
    assert found["errors"] == [f"the condition must be one of 2, from 0, got {n}" for n in (2, -1, 1, 0.5)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_texture_lives_on_in_the_middle_of_a_grid_of_another_shape(lab, two, engine):
    shapes = [(11, 22), (13, 17), (5, 7)]
    found = lab.evaluate(
        """async ([content, engine, shapes, width, height]) => {
            const dish = await lab.open(lab.model(content), { width, height, seed: 5, engine });
            await dish.step(3);
            dish.setCondition(1);
            const states = [lab.text(await dish.read())], told = [];
            for (const [height, width] of shapes) {
                await dish.reshape(width, height);
                states.push(lab.text(await dish.read()));
                told.push([dish.stepNumber, dish.condition]);
            }
            dish.close();
            return { states, told };
        }""",
        [content(two), engine, shapes, WIDTH, HEIGHT],
    )
    state = floats(found["states"][0]).reshape(7, HEIGHT, WIDTH)
    for (height, width), reshaped in zip(shapes, found["states"][1:], strict=True):
        expected = under(two.seed_state(height, width), SPEC, 1)[0].numpy()
        below, right = (height - state.shape[1]) // 2, (width - state.shape[2]) // 2
        for row in range(height):
            for column in range(width):
                y, x = row - below, column - right
                if 0 <= y < state.shape[1] and 0 <= x < state.shape[2]:
                    expected[:5, row, column] = state[:5, y, x]
        state = floats(reshaped).reshape(7, height, width)
        assert np.array_equal(state, expected)
    assert found["told"] == [[3, 1]] * 3


def test_a_figure_begins_again_on_another_grid(lab, random_automaton):
    spec = Spec.of(channels=5, hidden=16, layers=2, perception="sobel", living=True)
    model = Model(automaton=random_automaton(spec, change=0.2), target="one")
    state, number = lab.evaluate(
        """async (content) => {
            const dish = await lab.open(lab.model(content), { width: 9, height: 9 });
            await dish.step(3);
            await dish.reshape(12, 7);
            const found = [lab.text(await dish.read()), dish.stepNumber];
            dish.close();
            return found;
        }""",
        content(model),
    )
    assert np.array_equal(floats(state).reshape(5, 7, 12), seed_state(spec, 7, 12)[0].numpy()) and number == 0


def test_python_and_the_page_agree_on_what_fills_any_shape(lab):
    textures = [
        Spec.of(hidden=16, padding=padding, living=living, start=start)
        for padding in ("wrap", "zero")
        for living in (False, True)
        for start in (Noise(), Uniform(), {"kind": "cell"}, {"kind": "given"})
        for start in [start if isinstance(start, dict) else {"kind": type(start).__name__.lower()}]
    ]
    specs = [*PAGE, *textures]
    found = lab.evaluate(
        "specs => specs.map((text) => lab.fillsAnyShape(lab.checkSpec(JSON.parse(text))))",
        [spec.to_json() for spec in specs],
    )
    assert found == [spec.fills_any_shape for spec in specs]
    assert sum(spec.fills_any_shape for spec in textures) == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("[1, 2]", "each of the conditions must be"),
        ('["a"]', "there must be a condition for each of"),
        ('["a", "a"]', "conditions must differ"),
        ('["a", "\\u0007"]', "must have no control characters"),
        ("{}", "conditions must be a list"),
        ("[", "conditions is not JSON"),
    ],
)
def test_the_page_refuses_conditions_as_python_does(lab, two, tmp_path, labels, message):
    whole = modelfile.to_bytes(two)
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    header["__metadata__"]["conditions"] = labels
    changed = json.dumps(header).encode()
    changed += b" " * (-len(changed) % 8)
    made = len(changed).to_bytes(8, "little") + changed + whole[8 + size :]
    (tmp_path / "m.safetensors").write_bytes(made)
    with pytest.raises(BadRequest):
        modelfile.read(tmp_path / "m.safetensors")
    said = lab.evaluate(
        "(content) => { try { lab.model(content); return ''; } catch (error) { return error.message; } }",
        text(np.frombuffer(made, np.uint8)),
    )
    assert message in said


def test_many_names_together_are_as_long_for_the_page_as_for_python(lab, two):
    model = replace(two, target=" ".join(f"my_cat_{number:03}" for number in range(500))[:5000])
    assert lab.evaluate("(content) => lab.model(content).name.length", content(model)) == 5000


def test_a_rate_of_pictures_is_kept(lab):
    """Sixty frames of a display of 60 Hz, whose clock is the test's."""
    drawn = lab.evaluate(
        """async () => {
            const { Pace } = await import("./page/pace.js");
            const counts = [];
            for (const frames of [Infinity, 30, 20, 10]) {
                const queue = [];
                const real = window.requestAnimationFrame;
                window.requestAnimationFrame = (action) => queue.push(action);
                let pictures = 0, steps = 0;
                const pace = new Pace({
                    step: (count) => (steps += count, count), draw: () => (pictures += 1), measured: () => {},
                });
                Object.assign(pace, { frames, speed: 60 });
                pace.play();
                for (let frame = 0; frame <= 60; frame++) {
                    for (const action of queue.splice(0)) await action(1000 * frame / 60);
                    await new Promise((resolve) => setTimeout(resolve));
                }
                window.requestAnimationFrame = real;
                counts.push([pictures, steps]);
            }
            return counts;
        }"""
    )
    assert [pictures for pictures, _ in drawn] == [61, 31, 21, 11]
    assert all(55 <= steps <= 61 for _, steps in drawn)  # as many steps a second, whatever is drawn of them

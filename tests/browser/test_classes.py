"""Classifiers on a page: their votes' colours, the verdict, and drawing under the cells, against Python."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest
import torch
from PIL import Image
from specs import tells_brightness

from petri import modelfile
from petri.datasets import own
from petri.images import drawn
from petri.nca import seed_state, show
from petri.nca.colours import COLOURS
from petri.nca.votes import counted, verdict
from petri.shaders.golden import golden

ENGINES = ("webgl", "wasm")
HEIGHT, WIDTH = 9, 12


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def content(model):
    return text(np.frombuffer(modelfile.to_bytes(model), np.uint8))


@pytest.mark.parametrize("engine", ENGINES)
def test_votes_are_seen_and_counted_as_in_python(lab, engine):
    model = tells_brightness()
    spec = model.spec
    state = torch.randn(1, spec.planes, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    state[:, spec.channels :] = torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    state[:, : spec.classes, 2, 3] = 0.25  # undecided
    state[:, spec.channels, 2, 3] = 1.0
    found = lab.evaluate(
        """async ([content, state, engine, width, height]) => {
            const dish = await lab.open(lab.model(content), { width, height, engine });
            Object.assign(dish.canvas, { width, height });
            dish.write(lab.floats(state));
            await dish.draw();
            const { data } = dish.canvas.getContext("2d").getImageData(0, 0, width, height);
            const said = lab.verdict(dish.spec, await dish.read());
            dish.close();
            return [[...data], said];
        }""",
        [content(model), text(state.numpy()), engine, WIDTH, HEIGHT],
    )
    seen = np.array(found[0]).reshape(HEIGHT, WIDTH, 4)[..., :3]
    assert np.abs(seen.astype(int) - drawn(show(state, spec)[0], "#ffffff")).max() <= 1
    counts = counted(state, spec)[0]
    assert found[1]["which"] == int(verdict(state, spec))
    assert found[1]["cells"] == int((state[0, spec.channels] > 0.1).sum())
    assert np.allclose(found[1]["shares"], (counts / found[1]["cells"]).tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_drawn_while_it_lives_is_what_python_gives_it(lab, engine):
    model = tells_brightness()
    spec = model.spec
    strokes = [(3.2, 4.0, 1.4, False), (8.5, 4.5, 2.0, False), (3.0, 4.0, 1.0, True)]
    found = lab.evaluate(
        """async ([content, strokes, engine, width, height]) => {
            const dish = await lab.open(lab.model(content), { width, height, seed: 7, engine });
            const states = [];
            for (const stroke of strokes) {
                dish.drawPicture(...stroke);
                await dish.step(5);
                states.push(lab.text(await dish.read()));
            }
            dish.reset();
            states.push(lab.text(await dish.read()));
            dish.close();
            return states;
        }""",
        [content(model), strokes, engine, WIDTH, HEIGHT],
    )
    picture = np.zeros((HEIGHT, WIDTH))
    state = seed_state(spec, HEIGHT, WIDTH, fixed=torch.zeros(1, HEIGHT, WIDTH))
    for number, (x, y, radius, wipe) in enumerate(strokes):
        for row in range(HEIGHT):
            for column in range(WIDTH):
                away = math.hypot(column + 0.5 - x, row + 0.5 - y)
                share = min(1.0, max(0.0, (radius + 0.75 - away) / 1.5))
                before = picture[row, column]
                picture[row, column] = before * (share == 0) if wipe else max(before, share)
        state[:, spec.channels :] = torch.from_numpy(picture).float()
        state = model.rollout(state, 5, seed=7, start=5 * number, engine="torch").detach()
        there = floats(found[number]).reshape(state.shape[1:])
        assert np.abs(there - state[0].numpy()).max() < 1e-5
    again = floats(found[-1]).reshape(state.shape[1:])
    assert not again[: spec.channels].any() and np.allclose(again[spec.channels], picture, atol=1e-6)


def test_the_file_carries_pictures_and_names(lab):
    model = tells_brightness()
    found = lab.evaluate(
        "content => { const m = lab.model(content); "
        "return [m.classes, m.samples.map(s => [s.width, s.height, ...s.values])]; }",
        content(model),
    )
    assert found[0] == ["dim", "bright"] and len(found[1]) == 2
    for sample, expected in zip(found[1], model.samples, strict=True):
        assert sample[:2] == [16, 16] and np.allclose(sample[2:], expected.flatten().tolist())


@pytest.mark.parametrize("classes", ['["a"]', '["a","a"]', '"a"', "[1,2]"])
def test_names_that_do_not_fit_are_refused_as_in_python(lab, classes):
    from petri.errors import BadRequest

    broken = modelfile.to_bytes(tells_brightness()).replace(
        b'[\\"dim\\", \\"bright\\"]', classes.replace('"', '\\"').ljust(21).encode()
    )
    with pytest.raises(BadRequest) as error:
        _read(broken)
    said = lab.evaluate(
        "content => { try { lab.model(content); } catch (error) { return error.message; } }",
        text(np.frombuffer(broken, np.uint8)),
    )
    assert said.split(",")[0] in str(error.value)


def _read(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        path.write_bytes(content)
        return modelfile.read(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_golden_values_of_a_classifier_are_of_a_picture(lab, engine):
    model = tells_brightness()
    values = golden(model.automaton)
    assert base64.b64decode(values["values"]).strip(b"\0")  # something happens
    found = lab.evaluate(
        "async ([content, golden, engine]) => "
        "(await lab.verify(lab.model(content), golden, { engine })).largest",
        [content(model), values, engine],
    )
    assert found < 1e-4


def drawings(folder):
    """Files of a stroke on an asymmetric grid: bright, dark, on paper in bad light, on nothing …"""
    stroke = np.zeros((HEIGHT, WIDTH), np.uint8)
    stroke[2, 3:10] = stroke[2:7, 8] = 255
    stroke[3, 4] = 120
    paper = (np.linspace(150, 200, WIDTH)[None] * (1 - stroke / 300)).astype(np.uint8)
    clear = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    clear[:] = *(0, 40, 90), 0
    clear[..., 3] = stroke
    coloured = np.stack([stroke, stroke // 2, 255 - stroke], axis=2)
    kinds = {
        "bright": stroke,
        "dark": 255 - stroke,
        "paper": paper,
        "clear": clear,
        "coloured": coloured,
        "large": stroke.repeat(5, axis=0).repeat(5, axis=1),
        "tall": stroke.repeat(4, axis=0),
        "dim": (120 - stroke * 0.4).astype(np.uint8),
    }
    # Of sizes that the grid's are no multiples of: smaller, a little larger, larger.
    for size in ((7, 5), (17, 14), (41, 23), (64, 64)):
        kinds["x".join(map(str, size))] = np.asarray(Image.fromarray(stroke).resize(size))
    for kind, pixels in kinds.items():
        Image.fromarray(pixels).save(folder / f"{kind}.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(stroke)).save(folder / "turned.png", exif=turned)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("planes", [1, 3])
def test_a_picture_of_ones_own_is_what_python_makes_of_it(lab, tmp_path, planes):
    for path in drawings(tmp_path):
        values = lab.evaluate(
            """async ([content, height, width, fixed]) => {
                const file = new File([lab.bytes(content)], "a.png", { type: "image/png" });
                return lab.text((await lab.ownPicture(file, { width, height, spec: { fixed } })).values);
            }""",
            [text(np.frombuffer(path.read_bytes(), np.uint8)), HEIGHT, WIDTH, planes],
        )
        made, _ = own.read(path, planes, (HEIGHT, WIDTH))
        assert np.abs(floats(values).reshape(made.shape) - made.numpy()).max() < 3 / 255, path.name


def test_an_empty_picture_of_ones_own_and_none_are_refused(lab, tmp_path):
    Image.new("L", (20, 20), 200).save(tmp_path / "grey.png")
    for content, message in (
        ((tmp_path / "grey.png").read_bytes(), "there is nothing in a.png: no part of it differs"),
        (b"hello", "a.png is no picture that this browser reads"),
    ):
        said = lab.evaluate(
            """async (content) => {
                const file = new File([lab.bytes(content)], "a.png", { type: "image/png" });
                const dish = { width: 8, height: 8, spec: { fixed: 1 } };
                return lab.ownPicture(file, dish).catch((error) => error.message);
            }""",
            text(np.frombuffer(content, np.uint8)),
        )
        assert message in said


def test_the_colours_are_those_of_python(lab):
    assert lab.evaluate("() => lab.COLOURS") == list(COLOURS)

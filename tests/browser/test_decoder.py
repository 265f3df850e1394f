"""What a decoder paints in the page, on the GPU and on the processor, against PyTorch."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from specs import DECODED

from petri import modelfile
from petri.images import picture
from petri.modelfile import Model
from petri.nca import Automaton, Spec, seed_state
from petri.nca.decoder import Raster
from petri.nca.life import THRESHOLD
from petri.shaders.decoder import texels
from petri.shaders.golden import golden

ENGINES = ("webgl", "wasm")
TINY = {"channels": 4, "perception": "identity", "hidden": 16, "layers": 2}
NOISE = {"kind": "noise", "level": 0.8}
HEIGHT, WIDTH = 9, 14  # cells; neither square nor even in proportion to the pixels
ROWS, COLUMNS = 50, 61


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def content(automaton, **training):
    return text(
        np.frombuffer(modelfile.to_bytes(Model(automaton=automaton, target="m", training=training)), np.uint8)
    )


PAINT = """async ([models, engines, width, height, columns, rows, states]) => {
    const found = [];
    for (const [i, model] of models.entries()) {
        for (const engine of engines) {
            const dish = await lab.open(lab.model(model), { width, height, engine });
            dish.write(lab.floats(states[i]));
            found.push(lab.text(await dish.picture(columns, rows)));
            dish.close();
        }
    }
    return found;
}"""


def made(spec, seed=3):
    """An automaton and a state, part of which is dead."""
    chance = torch.Generator().manual_seed(seed)
    automaton = Automaton(spec, generator=chance)
    automaton.decoder.weights[-1].data *= 4  # as far from zero as trained ones
    state = torch.rand(1, spec.planes, HEIGHT, WIDTH, generator=chance) * 2 - 1
    state[:, 3] += 0.3
    return automaton, state


def test_both_engines_paint_what_pytorch_paints(lab):
    pairs = [made(spec) for spec in DECODED.values()]
    asked = [[content(one) for one, _ in pairs], ENGINES, WIDTH, HEIGHT, COLUMNS, ROWS]
    found = iter(lab.evaluate(PAINT, [*asked, [text(state.numpy()) for _, state in pairs]]))
    for name, (automaton, state) in zip(DECODED, pairs, strict=True):
        raster, living = Raster.of(ROWS, COLUMNS), automaton.spec.living
        with torch.no_grad():
            wanted = automaton.paint(state, raster)[0].permute(1, 2, 0).numpy()
        alpha = automaton.between(state[:, 3:4], raster)[0, 0].numpy()
        clear = np.abs(alpha - THRESHOLD) > 1e-5 if living else np.full(alpha.shape, True)
        assert wanted.std() > 0.1 and clear.mean() > 0.99
        for engine in ENGINES:
            painted = floats(next(found)).reshape(ROWS, COLUMNS, 4)
            difference = np.abs(painted[..., : 3 + living] - wanted) / (1 + np.abs(wanted))
            assert difference[clear].max() < 1e-5, f"{name}, {engine}"
            if not living:
                assert (painted[..., 3] == 1).all()


def test_weights_lie_in_a_uniform_block_where_there_is_room_and_else_in_a_texture(lab):
    """Both were compared above: this browser's GPU has room for some and not for all."""
    room = lab.evaluate(
        "() => { const gl = document.createElement('canvas').getContext('webgl2');"
        " const most = gl.getParameter(gl.MAX_UNIFORM_BLOCK_SIZE);"
        " gl.getExtension('WEBGL_lose_context').loseContext(); return most; }"
    )
    sizes = {name: 16 * texels(spec) for name, spec in DECODED.items()}
    assert sizes["a figure"] == 16 * (16 * 21 + 2 * 16 * 65 + 65) <= room < max(sizes.values())


TAKE = """async ([first, second, engine, state, columns, rows]) => {
    const dish = await lab.open(lab.model(first), { width: 14, height: 9, engine });
    await dish.load(lab.model(second));
    dish.write(lab.floats(state));
    const found = [lab.text(await dish.picture(columns, rows))];
    if (dish.gl) {
        const lose = dish.gl.getExtension("WEBGL_lose_context");
        const back = new Promise((resolve) => { dish.onrestored = resolve; });
        lose.loseContext();
        await new Promise((resolve) => { dish.onlost = resolve; });
        let refused = "";
        await dish.picture(columns, rows).catch((error) => { refused = error.message; });
        found.push(refused);
        setTimeout(() => lose.restoreContext());
        await back;
        found.push(lab.text(await dish.picture(columns, rows)));
    }
    await dish.load(lab.model(first));
    await dish.draw();
    await dish.picture(columns, rows).catch((error) => found.push(error.message));
    dish.close();
    return found;
}"""


def test_a_dish_takes_a_decoder_later_outlives_a_lost_gpu_and_gives_it_up_again(lab):
    automaton, state = made(Spec.of(**TINY, decoder={"kind": "lppn", "width": 8}))
    plain = Automaton(Spec.of(**TINY))
    with torch.no_grad():
        wanted = automaton.paint(state, Raster.of(ROWS, COLUMNS))[0].permute(1, 2, 0).numpy()
    for engine in ENGINES:
        asked = [content(plain), content(automaton), engine, text(state.numpy()), COLUMNS, ROWS]
        found = lab.evaluate(TAKE, asked)
        assert found.pop() == "the model has no decoder to paint with"
        if engine == "webgl":
            assert found.pop(1) == "the graphics are lost" and len(found) == 2
        for each in found:
            np.testing.assert_allclose(floats(each).reshape(ROWS, COLUMNS, 4)[..., :3], wanted, atol=1e-5)


def test_golden_values_of_what_is_painted_are_what_both_engines_find(lab, random_automaton):
    kinds = [DECODED[name] for name in ("a figure", "a plane that wraps")]
    automata = [random_automaton(dataclasses.replace(spec, clamp=1.0), change=0.3) for spec in kinds]
    for automaton in automata:  # as steep as a trained one, not a thousand times more
        first = made(automaton.spec)[0].decoder
        automaton.decoder.load_state_dict(first.state_dict())
    values = [golden(automaton) for automaton in automata]
    for spec, found in zip(kinds, values, strict=True):
        painted = found["painted"]
        assert (painted["height"], painted["width"], len(painted["pixels"])) == (85, 115, 48)
        assert len(floats(painted["values"])) == 3 * 48 * (3 + spec.living)
        assert floats(painted["values"]).std() > 0.05
    asked = [[content(automaton) for automaton in automata], values, ENGINES]
    verified = """async ([models, values, engines]) => {
        const found = [];
        for (const [i, model] of models.entries()) {
            for (const engine of engines) {
                found.push(await lab.verify(lab.model(model), values[i], { engine }));
            }
        }
        return found;
    }"""
    for found in lab.evaluate(verified, asked):
        assert found["same"] and 0 < found["largest"] < 2e-5, found
    for each in values:  # one pixel that is not what it should be
        wrong = floats(each["painted"]["values"]).copy()
        wrong[-1] += 1e-3
        each["painted"]["values"] = text(wrong)
    assert [found["same"] for found in lab.evaluate(verified, asked)] == [False] * 4


PICTURE = """async ([content, engine, width, height, ground]) => {
    const { png } = await import("./page/png.js");
    const dish = await lab.open(lab.model(content), { width: 16, height: 12, engine });
    dish.ground = ground;
    const file = await png(width, height, dish.bands(width, height), { opaque: ground !== null });
    dish.close();
    return lab.text(new Uint8Array(await file.arrayBuffer()));
}"""


def test_a_picture_is_painted_in_tiles_and_see_through(lab):
    """Wider than what is painted at once, of a plane; and of a figure, without and with a ground."""
    plane = Automaton(Spec.of(**TINY, start=NOISE, decoder={"kind": "lppn", "width": 4, "layers": 1}))
    for engine in ("webgl", "wasm"):
        data = base64.b64decode(lab.evaluate(PICTURE, [content(plane), engine, 2100, 1575, None]))
        found = Image.open(io.BytesIO(data))
        assert found.size == (2100, 1575)
        state = seed_state(plane.spec, 12, 16, seed=0)[0]
        difference = np.abs(
            np.asarray(found.convert("RGB")).astype(int) - picture(plane, state, "#ffffff", 2100)
        )
        assert difference.max() <= 1

    figure = Automaton(Spec.of(**TINY, start=NOISE, living=True, decoder={"kind": "lppn", "width": 8}))
    state = seed_state(figure.spec, 12, 16, seed=0)[0]
    for ground, named in (([0, 0, 0], "#000000"), (None, "transparent")):
        data = base64.b64decode(lab.evaluate(PICTURE, [content(figure), "wasm", 160, 120, ground]))
        found, like = np.asarray(Image.open(io.BytesIO(data))).astype(int), picture(figure, state, named, 160)
        assert found.shape == like.shape == (120, 160, 3 if ground else 4)
        seen = like[..., -1:] > 8  # colours that are hardly there are a matter of rounding
        assert np.abs((found - like) * seen).max() <= 2 and np.abs(found - like)[..., -1].max() <= 1


def test_as_many_pixels_are_painted_as_there_is_time_for(lab):
    found = lab.evaluate(
        """async () => {
            const { Sharpness } = await import("./page/sharpness.js");
            return [[10, 2], [10, 400], [20, 5000], [1, 1]].map(([steps, whole]) => {
                const sharpness = new Sharpness();
                let frame = 0;
                for (let i = 0; i < 300; i++) {
                    frame = steps + whole * sharpness.share ** 2;
                    sharpness.follow(frame);
                }
                return [sharpness.share, frame];
            });
        }"""
    )
    for (share, frame), slow in zip(found, (False, True, True, False), strict=True):
        assert 38 < frame < 58 if slow else share == 1, found


@pytest.mark.parametrize(("processor", "least"), [(True, 96), (False, 96 / 2)])
def test_however_busy_a_processor_is_it_paints_a_picture_that_can_be_seen(lab, processor, least):
    share = lab.evaluate(
        """async (processor) => {
            const { Sharpness } = await import("./page/sharpness.js");
            const sharpness = new Sharpness();
            const dish = {
                spec: { decoder: {} }, canvas: { width: 600, height: 400 },
                gl: processor ? null : {}, mesh: null, draw: ({ share }) => share,
            };
            const pace = { playing: true, passed: 1000, frames: Infinity };
            let share;
            for (let i = 0; i < 300; i++) share = sharpness.draw(dish, pace);
            return share;
        }""",
        processor,
    )
    assert 600 * share == pytest.approx(least)

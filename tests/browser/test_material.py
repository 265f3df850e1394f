"""Materials in the page: the surface under a light, and each of its maps, on the GPU and on the processor."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from PIL import Image
from specs import DECODED

from petri import lit, modelfile
from petri.ground import WHITE
from petri.images import drawn
from petri.maps import MAPS
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.viewing.export import export
from petri.viewing.site import build
from petri.viewing.specimens import gather

SIDE, PIXELS = 8, 40  # cells and pixels
SHARE = 0.02  # of what is shown that may be rounded to another of 256 levels
SPECS = {
    "all maps": DECODED["a material"],
    "without normals and albedo": Spec.of(
        channels=8,
        hidden=16,
        layers=2,
        padding="wrap",
        decoder={"width": 8, "outputs": 2, "maps": ["roughness", "occlusion"]},
    ),
}

SHOW = """async ([model, state, engine, pixels, shown]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: pixels, height: pixels });
    const dish = await lab.openDish(canvas, lab.model(model), { width: 8, height: 8, engine });
    dish.write(lab.floats(state));
    const found = [];
    for (const [map, light] of shown) {
        Object.assign(dish, { map, light });
        await dish.draw();
        found.push(lab.text(canvas.getContext("2d").getImageData(0, 0, pixels, pixels).data));
    }
    Object.assign(dish, { map: "lit", light: null });
    const bands = [];
    for await (const band of dish.bands(pixels, pixels)) bands.push(...band);
    found.push(lab.text(Uint8ClampedArray.from(bands)));
    Object.assign(canvas, { width: 272, height: 272 }); // more than is painted before the page may answer
    dish.light = { x: 0.9, y: 0.2 };
    const drawn = [];
    for (const going of [null, () => true]) {
        await dish.draw({ going });
        drawn.push(canvas.getContext("2d").getImageData(0, 0, 272, 272).data);
    }
    found.push(drawn[0].reduce((most, value, i) => Math.max(most, Math.abs(value - drawn[1][i])), 0));
    dish.close();
    return found;
}"""


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def made(spec):
    """An automaton and a state; its maps are about 0.5, so that little of them is out of bounds."""
    chance = torch.Generator().manual_seed(3)
    automaton = Automaton(spec, generator=chance)
    automaton.decoder.biases[-1].data.fill_(0.5)
    state = torch.rand(spec.planes, SIDE, SIDE, generator=chance) * 2 - 1
    return automaton, state


def content(automaton):
    file = modelfile.to_bytes(Model(automaton=automaton, target="m"))
    return text(np.frombuffer(file, np.uint8))


@pytest.mark.parametrize("engine", ["webgl", "wasm"])
@pytest.mark.parametrize("name", SPECS)
def test_a_surface_and_its_maps_are_what_python_draws(lab, name, engine):
    automaton, state = made(SPECS[name])
    maps = automaton.spec.decoder.maps
    shown = [["lit", None], *([one, None] for one in maps), ["lit", {"x": 0.9, "y": 0.2}]]
    found = lab.evaluate(SHOW, [content(automaton), text(state.numpy()), engine, PIXELS, shown])
    assert found.pop() <= 1  # in parts it is the same
    pictures = [
        np.frombuffer(base64.b64decode(each), np.uint8).reshape(PIXELS, PIXELS, 4)[..., :3].astype(int)
        for each in found
    ]
    values = torch.cat(list(automaton.bands(state, PIXELS, whole=True)), dim=1)
    places = automaton.spec.decoder.places()
    wanted = [drawn(lit.seen(values, automaton.spec.decoder), WHITE)]
    wanted += [drawn(values[list(places[one])].expand(3, -1, -1), WHITE) for one in maps]
    for each, there in zip([*pictures[: len(wanted)], pictures[-1]], [*wanted, wanted[0]], strict=True):
        off = np.abs(each - there.astype(int)).max(axis=2)
        assert off.max() <= 1 and (off > 0).mean() < SHARE
        assert there.std() > 1
    # On the GPU each point has its own way to a near light; on the processor all have that of the middle.
    at = (torch.arange(PIXELS) + 0.5) if engine == "webgl" else torch.full((PIXELS,), PIXELS / 2)
    right, up = 0.9 * PIXELS - at.expand(PIXELS, -1), at[:, None].expand(-1, PIXELS) - 0.2 * PIXELS
    light = torch.stack([right, up, torch.full((PIXELS, PIXELS), 0.35 * PIXELS)])
    named = {one: values[list(where)] for one, where in places.items()}
    there = drawn(lit.lit(named, light=light), WHITE).astype(int)
    assert np.abs(pictures[len(wanted)] - there).max() <= 1 and np.abs(there - wanted[0]).mean() > 2


@pytest.mark.parametrize("engine", ["webgl", "wasm"])
def test_heights_alone_are_lit_by_their_slopes(lab, engine):
    automaton, state = made(DECODED["heights alone"])
    shown = [["lit", None], ["height", None]]
    found = lab.evaluate(SHOW, [content(automaton), text(state[:4].numpy()), engine, PIXELS, shown])
    surface, height = (
        np.frombuffer(base64.b64decode(each), np.uint8).reshape(PIXELS, PIXELS, 4).astype(int)
        for each in found[:2]
    )
    assert surface[..., 0].std() > 1 and (height[..., 0] == height[..., 2]).all()
    values = torch.cat(list(automaton.bands(state, PIXELS, whole=True)), dim=1)
    there = drawn(lit.seen(values, automaton.spec.decoder), WHITE).astype(int)
    # Away from the edges, around which Python goes. A GPU takes differences of pixels in pairs, the processor
    # those of both sides; a slope of the wrong sign along one axis comes to less than 0.5.
    inner = np.s_[2:-2, 2:-2, 0]
    alike = np.corrcoef(surface[inner].ravel(), there[inner].ravel())[0, 1]
    assert alike > {"webgl": 0.7, "wasm": 0.95}[engine]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An exported page of one material."""
    folder, models = (tmp_path_factory.mktemp(name) for name in ("site", "models"))
    automaton, _ = made(DECODED["a material"])
    for values in (automaton.rule.weights[-1], automaton.rule.biases[-1]):
        values.data.zero_()  # it stays as it begins
    recipe = {"task": "material", "phases": [{"res": 16, "steps": [1, 2]}], "loss": {"pixels": 64}}
    path = models / "wall.safetensors"
    modelfile.write(path, Model(automaton=automaton, target="wall", training={"recipe": recipe}))
    export(build(gather([str(models)])[0]), folder)
    return folder


def test_the_light_is_under_the_pointer_and_each_map_may_be_shown(visit):
    page = visit("#play=no&engine=wasm&model=wall")
    page.wait_for_function("document.getElementById('engine').textContent !== ''")
    options = page.locator("#channel option").all_inner_texts()
    assert options[:6] == ["Under a light", "Albedo", "Height", "Roughness", "Occlusion", "Normal"]
    data = "document.getElementById('dish').toDataURL()"

    def changes(do):
        before = page.evaluate(data)
        do()
        page.wait_for_function(f"before => {data} !== before", arg=before)

    box = page.locator("#dish").bounding_box()
    changes(lambda: page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"]))
    changes(lambda: page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.8 * box["height"]))
    changes(lambda: page.select_option("#channel", "normal"))
    assert "map=normal" in page.evaluate("location.hash")
    page.select_option("#pixels", "1024")
    with page.expect_download() as saving:  # what is shown is saved
        page.click("#picture")
    saved = np.asarray(Image.open(saving.value.path()).convert("RGB")).astype(float)
    automaton, _ = made(DECODED["a material"])
    there = automaton.seed_state(16)[0]
    values = torch.cat(list(automaton.bands(there, 1024, whole=True)), dim=1)
    normals = drawn(values[list(automaton.spec.decoder.places()["normal"])], WHITE)
    assert np.abs(saved - normals).max() <= 1 and normals.std() > 1
    changes(lambda: page.select_option("#channel", ""))
    assert "map=" not in page.evaluate("location.hash")
    again = visit("#play=no&engine=wasm&model=wall&map=height")
    again.wait_for_function("document.getElementById('engine').textContent !== ''")
    assert again.input_value("#channel") == "height"


def test_maps_are_named(lab):
    assert lab.evaluate("() => lab.MAPS") == MAPS

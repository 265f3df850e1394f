from __future__ import annotations

import base64
import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from petri import modelfile, targets
from petri.errors import BadRequest
from petri.published import read_distill

PUBLISHED = Path(__file__).parents[1] / "data" / "distill"

# What the models grow: how many cells are not empty, rows and columns they lie in, colour of what is there.
GROWN = {
    "ex1_lizard": ((640, 740), (17, 54), (16, 54), (0.32, 0.60, 0.20)),
    "ex2_eye": ((700, 750), (22, 48), (17, 54), (0.63, 0.58, 0.56)),
    "ex3_butterfly": ((700, 780), (22, 51), (16, 54), (0.58, 0.35, 0.08)),
}


@pytest.fixture(scope="module")
def grown():
    """Grow a model by its name on 72×72 cells; the automaton, its state after 100 and after 150 steps."""

    @functools.cache
    def grow(name):
        automaton = read_distill(PUBLISHED / f"{name}.json").automaton
        with torch.no_grad():
            early = automaton.rollout(automaton.seed_state(72), 100, engine="torch")
            return automaton, early, automaton.rollout(early, 50, start=100, engine="torch")

    return grow


@pytest.mark.parametrize(
    ("name", "trained_to"), [("ex1_lizard", "grow"), ("ex2_eye", "persist"), ("ex3_butterfly", "regenerate")]
)
def test_provenance_travels_with_the_model(name, trained_to, tmp_path):
    modelfile.write(tmp_path / "m", read_distill(PUBLISHED / f"{name}.json"))
    model = modelfile.read(tmp_path / "m")
    assert model.target == name[4:] and model.automaton.spec.parameters == 8336
    assert model.training["trained_to"] == trained_to and model.training["imported"] is True
    assert model.training["licence"] == "CC BY 4.0" and "Mordvintsev" in model.training["authors"]
    assert model.training["source"] == "Growing Neural Cellular Automata, Distill 2020"


@pytest.mark.parametrize(("name", "area", "rows", "columns", "colour"), [(n, *v) for n, v in GROWN.items()])
@pytest.mark.parametrize("late", [False, True], ids=["100 steps", "150 steps"])
def test_pattern_stands_complete(name, area, rows, columns, colour, late, grown):
    state = grown(name)[1 + late][0]
    there = state[3] > 0.1
    assert area[0] <= there.sum() <= area[1]
    for axis, (first, last) in ((1, rows), (0, columns)):
        found = there.any(dim=axis).nonzero()
        assert abs(found[0] - first) <= 2 and abs(found[-1] - last) <= 2
    assert (state[3] > 0.9).sum() > 0.6 * area[0]  # solid, not a haze
    assert (state[:3].sum((1, 2)) / state[3].sum()).tolist() == pytest.approx(colour, abs=0.03)
    assert ((state[:3] > -0.2) & (state[:3] < 1.2)).float().mean() > 0.999


def silhouette(path):
    """An emoji's outline as the article trains on it: 40×40, with 16 cells of nothing around."""
    alpha = Image.open(path).convert("RGBA").resize((40, 40), Image.Resampling.LANCZOS).getchannel("A")
    return torch.tensor(np.pad(np.asarray(alpha) > 25, 16))


def test_lizard_looks_the_way_of_the_emoji(grown):
    """The drawing is another one, but its pose is the same: no mirrored or turned silhouette fits as well."""
    cells = grown("ex1_lizard")[2][0, 3] > 0.1
    there = silhouette(Path(targets.__file__).parent / "emoji" / "emoji_u1f98e.png")
    ways = [turned.rot90(quarter) for turned in (cells, cells.flip(1)) for quarter in range(4)]
    upright, *others = (float((way & there).sum() / (way | there).sum()) for way in ways)
    assert upright > 0.53 > max(others)


def test_butterfly_and_eye_are_symmetric_and_upright(grown):
    for name in ("ex2_eye", "ex3_butterfly"):
        state = grown(name)[2][0, :4]
        left_right, up_down = (float(((state - state.flip(axis)) ** 2).mean()) for axis in (2, 1))
        assert left_right < 0.004 and up_down > 4 * left_right
    # The light in the eye is to the left of the pupil and above it.
    eye = grown("ex2_eye")[2][0, :3].mean(0)
    light, right, below = eye[31:35, 29:32], eye[31:35, 40:43], eye[38:42, 29:32]
    assert light.mean() > 0.8 and max(right.mean(), below.mean()) < 0.6


def test_eye_persists_and_butterfly_regenerates(grown):
    _, early, late = grown("ex2_eye")
    assert float(((early - late)[:, :4] ** 2).mean()) < 1e-3
    automaton, _, whole = grown("ex3_butterfly")
    row, column = torch.arange(72)[:, None], torch.arange(72)
    hurt = whole * ((row - 32) ** 2 + (column - 44) ** 2 > 10**2)  # most of a wing is gone
    with torch.no_grad():
        healed = automaton.rollout(hurt, 100, start=150, engine="torch")
    errors = [float(((state - whole)[:, :4] ** 2).mean()) for state in (hurt, healed)]
    assert errors[0] > 0.01 and errors[1] < 0.15 * errors[0]


SIZES = [(48, 128), (128, 16)]


def made_up():
    """Two layers of the published form, in which no two weights of a row are alike."""
    layers = []
    for inputs, outputs in SIZES:
        values = np.random.default_rng(inputs).integers(0, 256, (inputs + 1) * outputs, dtype=np.uint8)
        data = base64.b64encode(values.tobytes()).decode()
        layers.append({"data_b64": data, "in_ch": inputs, "out_ch": outputs, "type": "uint8"})
        layers[-1] |= {"weight_scale": 2.0, "bias_scale": 0.5}
    return layers


def test_bytes_are_put_where_they_belong(tmp_path):
    path, layers = tmp_path / "ex7_moth.json", made_up()
    path.write_text(json.dumps(layers))
    model = read_distill(path)
    assert model.target == "moth" and "trained_to" not in model.training
    rule = model.automaton.rule.requires_grad_(False)
    for number, (inputs, outputs) in enumerate(SIZES):
        data = base64.b64decode(layers[number]["data_b64"])
        for row, out in [(0, 0), (1, 0), (17, 5), (inputs - 1, outputs - 1), (40, 3)]:
            kind, channel = divmod(row, 16)
            column = row if number else channel * 3 + kind
            expected = (data[row * outputs + out] / 255 - 0.5) * 2.0
            assert float(rule.weights[number][out, column]) == pytest.approx(expected, rel=1e-6)
        expected = (data[inputs * outputs + 7] / 255 - 0.5) * 0.5
        assert float(rule.biases[number][7]) == pytest.approx(expected, rel=1e-6)


def changed(layer, **fields):
    """Give a layer other fields; one that becomes `...` is left out."""

    def change(layers):
        layers[layer] = {key: value for key, value in {**layers[layer], **fields}.items() if value is not ...}
        return layers

    return change


BAD = [
    (lambda layers: b"\x89PNG", "is not JSON"),
    (lambda layers: b"[" * 100_000, "is not JSON"),
    (lambda layers: json.dumps(layers).encode()[:-9], "is not JSON"),
    (lambda layers: b" " * (1 << 20) + b"[]", "has at most 1048576 bytes"),
    (lambda layers: {"layers": layers}, "must be a list of 2 layers, got dict"),
    (lambda layers: layers[:1], "must be a list of 2 layers, got a list of 1"),
    (lambda layers: layers * 2, "must be a list of 2 layers, got a list of 4"),
    (lambda layers: [layers[0], 3], "layer 1 must be a JSON object, got int"),
    (lambda layers: layers[::-1], "layer 0: in_ch must be 48, got 128"),
    *((changed(1, **{key: ...}), f"layer 1 lacks {key}") for key in ("data_b64", "in_ch", "out_ch")),
    *((changed(0, **{key: ...}), f"layer 0 lacks {key}") for key in ("weight_scale", "bias_scale")),
    (changed(0, in_ch=48.0), "layer 0: in_ch must be 48, got 48.0"),
    (changed(1, out_ch=17), "layer 1: out_ch must be 16, got 17"),
    (changed(0, weight_scale=float("nan")), "layer 0: weight_scale must be in [0, 10000], got nan"),
    (changed(1, bias_scale=float("inf")), "layer 1: bias_scale must be in [0, 10000], got inf"),
    (changed(1, bias_scale=10**4000), "layer 1: bias_scale must be in [0, 10000], got 1000"),
    (changed(0, weight_scale="2"), "layer 0: weight_scale must be in [0, 10000], got '2'"),
    (changed(0, weight_scale=True), "layer 0: weight_scale must be in [0, 10000], got True"),
    (changed(1, type="float32"), "layer 1: type must be uint8, got 'float32'"),
    (changed(0, data_b64=[1, 2]), "layer 0: data_b64 is not base64"),
    (changed(0, data_b64="größer"), "layer 0: data_b64 is not base64"),
    (changed(1, data_b64="AAAA"), "layer 1: data_b64 must hold 2064 bytes, got 3"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_no_published_model_is_refused(tmp_path, change, message):
    path, content = tmp_path / "ex1_bad.json", change(made_up())
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(BadRequest) as caught:
        read_distill(path)
    text = str(caught.value)
    assert (
        text.startswith(f"{path}: ")
        and message in text
        and "\n" not in text
        and len(text) < 300 + len(str(path))
    )


def test_a_folder_or_nothing_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(BadRequest, match="there is no such file"):
            read_distill(path)

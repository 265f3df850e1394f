"""Textures of atlases, raw numbers and PyTorch's files: self-made ones, and published ones."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from atlases import atlas
from PIL import Image

from petri import modelfile
from petri.errors import BadRequest
from petri.models import find
from petri.nca import Automaton
from petri.published import (
    Convention,
    complaint,
    read_distill,
    read_raw,
    read_textures,
    read_torch,
    remedy,
    texture_names,
)

DATA = Path(__file__).parents[1] / "data" / "published"


def one_step(model, state):
    """What a model makes of a state if all its cells fire and none is emptied."""
    automaton = Automaton(replace(model.spec, fire_rate=1.0, living=False))
    automaton.load_state_dict(model.automaton.state_dict())
    with torch.no_grad():
        return automaton.rollout(state, 1, engine="torch")[0]


def waves(channels):
    """An uneven state, `[1, channels, 8, 10]`."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    c = torch.arange(channels)[:, None, None]
    return (0.25 * torch.sin((0.7 * y + 1.3 * x + 0.9 * c).double())).float()[None]


FILES = {
    "bubbly": lambda name: modelfile.read(find(name)),
    "texture-weave.bin": read_raw,
    "dots.pt": read_torch,
}


@pytest.mark.parametrize("name", FILES)
def test_published_models_take_the_step_that_an_independent_reader_computed(name):
    expected = json.loads((DATA / "one_step.json").read_text())[name]
    model = FILES[name](DATA / name if "." in name else name)
    state = waves(model.spec.channels)
    after = one_step(model, state).double()
    for place, values in expected["cells"].items():
        row, column = map(int, place.split(","))
        assert after[:, row, column].tolist() == pytest.approx(values, abs=1e-5)
    assert float(after.sum()) == pytest.approx(expected["sum"], abs=1e-3)
    assert float(after.abs().sum()) == pytest.approx(expected["sum_abs"], abs=1e-3)
    assert complaint(model) == ""


# ---- what a plain loop makes of such weights

TAPS = {
    "x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "laplacian": [[1, 2, 1], [2, -12, 2], [1, 2, 1]],
}


def stepped(state, first, bias, last, last_bias, *, filters, blocks, divisor, wrap, bound=None):
    """A step as the authors take it, cell by cell, float64 `[channels, height, width]`."""

    def within(values, low):
        return values if bound is None else np.clip(values, low, bound)

    state = np.asarray(state, dtype=np.float64)
    channels, height, width = state.shape
    after = state.copy()
    for row in range(height):
        for column in range(width):
            features = [state[:, row, column]]
            for name in filters:
                felt = np.zeros(channels)
                for i in range(3):
                    for j in range(3):
                        y, x = row + i - 1, column + j - 1
                        if wrap or (0 <= y < height and 0 <= x < width):
                            felt += TAPS[name][i][j] / divisor * state[:, y % height, x % width]
                features.append(felt)
            sensed = np.stack(features)  # [filter, channel]
            flat = within((sensed if blocks else sensed.T).ravel(), bound and -bound)
            hidden = within(np.maximum(first @ flat + bias, 0), 0)
            change = within(last @ hidden + last_bias, bound and -bound)
            after[:, row, column] = within(state[:, row, column] + change, bound and -bound)
    return after


def drawn(channels=12, hidden=96, filters=4, seed=0, biased=True):
    """Weights of two layers, float32."""
    chance = np.random.default_rng(seed)
    shapes = (hidden, filters * channels), (hidden,), (channels, hidden), (channels,)
    first, bias, last, last_bias = (chance.normal(0, 0.1, shape).astype(np.float32) for shape in shapes)
    return first, bias, last, last_bias if biased else np.zeros_like(last_bias)


TEXTURE, FIGURE = ("x", "y", "laplacian"), ("x", "y")


def near(model, weights, **how):
    """Whether a model's step is what the loop makes of its weights."""
    state = 3 * waves(model.spec.channels)
    ours = one_step(model, state)
    theirs = stepped(state[0], *weights, **how)
    return np.abs(ours.numpy() - theirs).max() < 1e-5


# ---- atlases


def test_a_texture_of_an_atlas_takes_the_step_of_a_plain_loop_with_its_four_clamps(tmp_path):
    path = tmp_path / "models.json"
    made, weights = atlas()
    path.write_text(json.dumps(made))
    assert texture_names(path) == ["spots", "lines", "knots"]
    for which in ("lines", 2):
        model = read_textures(path, which)
        name = which if isinstance(which, str) else "knots"
        (first, last) = weights[name]
        layers = (first[:-1].T, first[-1], last[:-1].T, last[-1])
        how = {"filters": TEXTURE, "blocks": True, "divisor": 8, "wrap": True}
        assert near(model, layers, bound=2.0, **how)
        assert not near(model, layers, bound=None, **how)  # the clamps are at work in this state
        assert model.target == name and model.grid == (128, 128) and model.steps == 400
        assert (model.spec.colour_offset, model.spec.colour_scale) == (0.5, 0.5)
        state = model.seed_state(16, 24)
        assert state.shape == (1, 12, 16, 24) and not state.any()
        modelfile.write(tmp_path / "m", model)
        assert modelfile.read(tmp_path / "m").training["authors"].startswith("Eyvind Niklasson")


def changed(layer, **fields):
    """Give a layer other fields; one that becomes `...` is left out."""

    def change(made):
        layers = list(made["layers"])
        layers[layer] = {key: value for key, value in {**layers[layer], **fields}.items() if value is not ...}
        return made | {"layers": layers}

    return change


def png(width, height, mode="RGBA"):
    content = io.BytesIO()
    Image.new(mode, (width, height)).save(content, format="PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


BAD_ATLASES = [
    (lambda made: b"\x89PNG", "is not JSON"),
    (lambda made: b"[" * 100_000, "is not JSON"),
    (lambda made: [1, 2], "an atlas must be a JSON object with model_names and layers"),
    (lambda made: made | {"layers": made["layers"][:1]}, "an atlas must have 2 layers"),
    (lambda made: made | {"model_names": []}, "model_names must be a list of 1 to 4096 names"),
    (lambda made: made | {"model_names": ["a", 3]}, "a name in model_names must be a text"),
    (lambda made: made | {"model_names": ["a\x1b", "b"]}, "must have no control characters"),
    (lambda made: made | {"model_names": list("abcdefgh")}, "layout must have a tile for each of 8 models"),
    (changed(0, data=...), "layer 0 lacks data"),
    (changed(1, shape=[97, 16]), "layer 1: shape must be [97, 12], got [97, 16]"),
    (changed(0, scale=float("nan")), "layer 0: scale must be in [0, 10000], got nan"),
    (changed(0, layout=[10**9, 10**9]), "layer 0: layout must have a tile for each"),
    (changed(0, layout="2x2"), "layer 0: layout must be 2 counts of tiles"),
    (changed(0, data="data:image/png;base64,größer"), "layer 0: data is not base64"),
    (changed(0, data=3), "layer 0: data is not base64"),
    (changed(0, data="data:image/jpeg;base64,AAAA"), "layer 0: data must be a PNG, got 'data:image/jpeg"),
    (changed(0, data="data:image/png;base64,AAAA"), "layer 0: data cannot be read as a PNG"),
    (changed(0, data=png(48, 97)), "layer 0: data must be 48×98 pixels in RGBA, got 48×97 in RGBA"),
    (changed(0, data=png(48, 98, "RGB")), "got 48×98 in RGB"),
    (changed(0, data=png(9000, 9000, "L")), "got 9000×9000 in L"),  # refused before it is unpacked
    (lambda made: {"w1": 1, "b1": 2, "w2": 3}, "is an isotropic automaton on a grid of hexagons"),
]


@pytest.mark.parametrize(("change", "message"), BAD_ATLASES, ids=[message for _, message in BAD_ATLASES])
def test_what_is_no_atlas_is_refused_in_one_line(tmp_path, change, message):
    path, content = tmp_path / "models.json", change(atlas()[0])
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    refused(read_textures, path, message, 0)


def refused(read, path, message, *more):
    with pytest.raises(BadRequest) as caught:
        read(path, *more)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text, text
    assert "\n" not in text and len(text) < 600 + len(str(path))


def test_a_file_of_another_family_is_named(tmp_path):
    figure = Path(__file__).parents[1] / "data" / "distill" / "ex1_lizard.json"
    refused(read_textures, figure, "petri import distill reads it", 0)
    path = tmp_path / "models.json"
    path.write_text(json.dumps(atlas()[0]))
    refused(read_distill, path, "is an atlas of textures: petri import textures reads it")


def test_a_texture_that_an_atlas_does_not_have(tmp_path):
    path = tmp_path / "models.json"
    path.write_text(json.dumps(atlas()[0]))
    refused(read_textures, path, "has no texture 'spot', did you mean \"spots\"?", "spot")
    refused(read_textures, path, "the index must be in 0..2, got 3", 3)
    refused(read_textures, path, "the index must be in 0..2, got -1", -1)


# ---- raw numbers


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("filters", "sizes", "how"),
    [
        (TEXTURE, {}, {"blocks": False, "divisor": 1, "wrap": True}),
        (FIGURE, {"channels": 16, "hidden": 128}, {"blocks": True, "divisor": 1, "wrap": True}),
    ],
    ids=["texture", "figure"],
)
def test_raw_numbers_take_the_step_of_a_plain_loop(tmp_path, filters, sizes, how, biased):
    weights = drawn(**sizes, filters=len(filters) + 1, biased=biased)
    path = tmp_path / "weave.bin"
    path.write_bytes(b"".join(values.tobytes() for values in weights[: 3 + biased]))
    model = read_raw(path, **sizes)
    assert near(model, weights, filters=filters, **how)
    assert model.target == "weave" and model.spec.living == (filters == FIGURE)
    told = read_raw(path, **sizes, order="interleaved", divisor=8.0, axes="yx", padding="zero", offset=0.25)
    turned = ("y", "x", *filters[2:])
    assert near(told, weights, filters=turned, blocks=False, divisor=8, wrap=False)
    assert told.spec.colour_offset == 0.25


def test_what_are_no_such_numbers_is_refused_in_one_line(tmp_path):
    path = tmp_path / "weights.bin"
    for content, message in [
        (b"", "must hold float32 numbers, 4 bytes each, got 0 bytes"),
        (b"12345", "must hold float32 numbers, 4 bytes each, got 5 bytes"),
        (bytes(4 * 8320), "holds 8,320 numbers; for 12 channels and 96 hidden units it must be one of"),
        (bytes(2 << 20), "a published model has at most 1048576 bytes"),
        (struct.pack("<f", float("nan")) * 5856, "has weights that are not finite"),
    ]:
        path.write_bytes(content)
        refused(read_raw, path, message)
    refused(read_raw, tmp_path, "there is no such file")


# ---- what torch.save wrote


class CA(torch.nn.Module):
    """A module as people save whole."""

    def __init__(self, weights):
        super().__init__()
        first, bias, last, _ = map(torch.from_numpy, weights)
        self.w1 = torch.nn.Conv2d(first.shape[1], len(first), 1)
        self.w2 = torch.nn.Conv2d(len(first), len(last), 1, bias=False)
        self.w1.weight.data, self.w1.bias.data = first[:, :, None, None], bias
        self.w2.weight.data = last[:, :, None, None]


CA.__module__ = "__main__"


def saved(path, what, monkeypatch, **how):
    import __main__

    monkeypatch.setattr(__main__, "CA", CA, raising=False)
    torch.save(what, path, **how)
    return path


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("form", ["module", "state_dict", "checkpoint", "double"])
def test_a_file_of_pytorch_takes_the_step_of_a_plain_loop(tmp_path, form, legacy, monkeypatch):
    weights = drawn(biased=False)
    module = CA(weights)
    what = {
        "module": lambda: module,
        "state_dict": module.state_dict,
        "checkpoint": lambda: {
            "epoch": 3,
            "optimizer": {"state": {0: {"exp_avg": torch.zeros(96, 48), "step": torch.tensor(5)}}},
            "model": module.state_dict(),
        },
        "double": lambda: {name: value.double() for name, value in module.state_dict().items()},
    }[form]()
    path = saved(tmp_path / "dots.pt", what, monkeypatch, _use_new_zipfile_serialization=not legacy)
    model = read_torch(path)
    assert near(model, weights, filters=TEXTURE, blocks=False, divisor=1, wrap=True)
    assert model.spec.colour_offset == 0.5 and model.target == "dots" and not model.spec.living


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_figure_of_pytorch_with_linear_layers_and_turned_axes(tmp_path, legacy, monkeypatch):
    weights = drawn(16, 128, 3)
    # One storage for all, and a matrix that lies the other way round in it.
    flat = torch.cat([torch.from_numpy(weights[0]).T.flatten(), *map(torch.from_numpy, weights[1:2])])
    state = {
        "fc0.weight": flat[: 48 * 128].view(48, 128).T,
        "fc0.bias": flat[48 * 128 :],
        "fc1.weight": torch.from_numpy(weights[2]),
        "fc1.bias": torch.from_numpy(weights[3]),
    }
    path = saved(tmp_path / "m.pth", state, monkeypatch, _use_new_zipfile_serialization=not legacy)
    model = read_torch(path)
    assert near(model, weights, filters=("y", "x"), blocks=True, divisor=8, wrap=False)
    assert model.spec.living


class Foreign:
    """What runs a command when it is unpickled."""

    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return self.made


def test_foreign_code_is_refused_and_not_run(tmp_path):
    path, trace = tmp_path / "evil.pt", tmp_path / "trace"
    for made, named in [
        ((os.system, (f"touch {trace}",)), ".system, which is never run"),
        ((eval, (f"open({str(trace)!r}, 'w')",)), ".eval, which is never run"),
        ((getattr, ("os", "system")), ".getattr, which is never run"),
    ]:
        for protocol in (0, 2, 4):
            evil = {"fc0.weight": Foreign(made)}
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", pickle.dumps(evil, protocol=protocol))
            refused(read_torch, path, named)
            torch.save(evil, path, _use_new_zipfile_serialization=False, pickle_protocol=2)
            refused(read_torch, path, named)
    assert not trace.exists()
    for name in (b"torch.hub\nload", b"__main__\nrun"):  # a class may be of these, a function may not
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"c" + name + b"\n(S'x'\ntR.")
        refused(read_torch, path, "asks for foreign code, " + name.decode().replace("\n", "."))


def zipped(content, **more):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for name, (stored, how) in more.items():
            archive.writestr(f"archive/{name}", stored, compress_type=how)
    return made.getvalue()


def tensor_pickle(count, size, stride, offset=0, key="0", kind="FloatStorage"):
    """A pickle of one tensor, by hand."""

    def whole(number):
        return f"I{number}\n".encode()

    shape, steps = (b"(" + b"".join(map(whole, values)) + b"t" for values in (size, stride))
    storage = f"(S'storage'\nctorch\n{kind}\nS'{key}'\nS'cpu'\n".encode() + whole(count) + b"tQ"
    return (
        b"(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + whole(offset)
        + shape
        + steps
        + b"I00\nNtRs."
    )


def shared_pickle(count, tensors):
    """A pickle of tensors that have all numbers of one storage each."""
    one = tensor_pickle(count, [count], [1]).removeprefix(b"(dS'w'\n").removesuffix(b"s.")
    return b"(" + one * tensors + b"l."


def legacy(content):
    """A file as PyTorch wrote it before 1.6, without storages."""
    system = {"little_endian": True}
    pickles = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, system, [])]
    return b"".join([*pickles[:3], content, pickles[3]])


STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
HOSTILE = [
    (b"", "was not written by torch.save"),
    (b"PK\x03\x04 and nothing more", "its zip archive is damaged"),
    (os.urandom(64), "was not written by torch.save"),
    (pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), "its pickle is damaged"),
    (zipped(b"\x80\x02}."), "no pair of layers [hidden, 3 or 4 · channels] and [channels, hidden]"),
    (zipped(b"\x80\x02}"), "its pickle is damaged"),
    (zipped(b"\x80\x02."), "its pickle is damaged"),
    (zipped(b"\x80\x02h\x05."), "its pickle is damaged"),
    (zipped(b"\x80\x02}" + b"0" * 9 + b"."), "its pickle is damaged"),
    (zipped(b"\x80\x02" + b"]" * 1_000_001 + b"."), "its pickle has more than 1,000,000 steps"),
    (zipped(b"(" * (2 << 20)), "its pickle has more than 1048576 bytes"),
    (zipped(tensor_pickle(4, [2, 2], [2, 1])), "lacks the numbers archive/data/0"),
    (zipped(tensor_pickle(4, [2, 2], [2, 1]), **{"data/0": (bytes(12), STORED)}), "12 bytes instead of 16"),
    (zipped(tensor_pickle(4, [2, 3], [2, 1]), **{"data/0": (bytes(16), STORED)}), "within its 4 numbers"),
    (zipped(tensor_pickle(4, [10**9], [0]), **{"data/0": (bytes(16), STORED)}), "within its 4 numbers"),
    (zipped(tensor_pickle(4, [2], [1], 3), **{"data/0": (bytes(16), STORED)}), "within its 4 numbers"),
    (zipped(tensor_pickle(4, [2], [-1], 3), **{"data/0": (bytes(16), STORED)}), "a tensor has no size"),
    (zipped(tensor_pickle(10**12, [2], [1]), **{"data/0": (bytes(16), STORED)}), "16 bytes instead of"),
    (zipped(tensor_pickle(10**4000, [2], [1])), "a storage has no kind, key or count"),
    (zipped(tensor_pickle(4, [10**4000], [1])), "a tensor has no size"),
    (zipped(tensor_pickle(4, [1] * 9, [1] * 9)), "a size and strides of different lengths"),
    # A key so deep that to hash it would end Python itself.
    (zipped(b"\x80\x02})" + b"\x85" * 500_000 + b"K\x01s."), "a name must be a text or a number"),
    # A bomb: a million zeros in a thousand bytes.
    (zipped(tensor_pickle(10**6, [2], [1]), **{"data/0": (bytes(4 * 10**6), DEFLATED)}), "is compressed"),
    (zipped(tensor_pickle(4, [4], [1]), **{"byteorder": (b"big", STORED)}), "the other byte order"),
    (zipped(b"\x80\x02}.")[:-30], "its zip archive is damaged"),
    # A name that stands before each of many values would be copied for each.
    (zipped(b"\x80\x02}(X\xe9\x03\x00\x00" + b"a" * 1001 + b"]u."), "of more than 1,000"),
    # One list of a thousand, of which a thousand sets are made.
    (
        zipped(
            b"\x80\x02]("
            + b"K\x00" * 1000
            + b"e\x85q\x010c__builtin__\nset\nq\x020("
            + b"h\x02h\x01R" * 1000
            + b"l."
        ),
        "its pickle has more than 1,000,000 steps",
    ),
    # A number with more digits than Python writes.
    (legacy(b"\x80\x02}\x8b\x88\x13\x00\x00" + b"\x7f" * 5000 + b"]s."), "a name must be a text or a number"),
    # Seventeen tensors of the same four megabytes.
    (
        zipped(shared_pickle(1 << 20, 17), **{"data/0": (bytes(4 << 20), STORED)}),
        "its tensors have more than 67108864 bytes",
    ),
]


@pytest.mark.parametrize(("content", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_are_one_line(tmp_path, content, message):
    path = tmp_path / "hostile.pt"
    path.write_bytes(content)
    refused(read_torch, path, message)


def test_what_refers_to_itself_ends(tmp_path):
    path = tmp_path / "loop.pt"
    path.write_bytes(zipped(b"\x80\x02]q\x00h\x00a."))
    refused(read_torch, path, "among its tensors: none")
    laughs = b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(100)) + b"."
    # A list of lists that would be 2¹⁰⁰ if each were looked at wherever it stands.
    path.write_bytes(zipped(laughs))
    refused(
        read_torch, path, "its pickle is damaged" if b"." not in laughs[-1:] else "among its tensors: none"
    )


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_that_is_cut_anywhere_is_one_line(tmp_path, legacy, monkeypatch):
    path = saved(
        tmp_path / "m.pt", CA(drawn()).state_dict(), monkeypatch, _use_new_zipfile_serialization=not legacy
    )
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(read_torch, path, "")


def test_other_tensors_are_named(tmp_path, monkeypatch):
    path = saved(tmp_path / "m.pt", {"conv.weight": torch.zeros(8, 3, 3, 3)}, monkeypatch)
    refused(read_torch, path, "among its tensors: conv.weight [8, 3, 3, 3]")
    twice = {f"{part}.{name}": value for part in "ab" for name, value in CA(drawn()).state_dict().items()}
    refused(read_torch, saved(path, twice, monkeypatch), "has several pairs of layers")


# ---- whether anything grows


def test_a_model_with_which_nothing_grows_or_explodes_is_told(tmp_path):
    first, bias, last, _ = drawn()
    path = tmp_path / "weights.bin"

    def put(*weights):
        path.write_bytes(b"".join(values.tobytes() for values in weights))

    put(first * 0, bias * 0, last * 0)
    model = read_raw(path)
    assert complaint(model) == "after 128 steps the plane is still of one colour"
    assert remedy(lambda **how: read_raw(path, **how), Convention()) == ""
    put(first * 9, abs(bias), last * 9)
    assert complaint(read_raw(path)) == "its values explode within 128 steps"
    figure = drawn(16, 128, 3)
    put(*(values * 0 for values in figure[:3]))
    assert "one cell is alive" in complaint(read_raw(path, channels=16, hidden=128))
    figure[1][0], figure[2][3, 0] = 1, 0.25
    put(figure[0] * 0, figure[1] * (figure[1] == 1), figure[2] * (figure[2] == 0.25))
    assert "it has filled the whole grid" in complaint(read_raw(path, channels=16, hidden=128))


def test_the_published_figures_grow():
    for path in sorted((Path(__file__).parents[1] / "data" / "distill").glob("*.json")):
        assert complaint(read_distill(path)) == ""

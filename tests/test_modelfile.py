from __future__ import annotations

import json
import pickle
import re
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save

import petri
from petri import modelfile
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Spec

SPEC = Spec.of(channels=5, perception="learned+dilated", hidden=16, layers=2)
TRAINING = {"epochs": 3, "loss": [0.5, 0.25], "note": "größer", "nested": {"a": None}}


@pytest.fixture
def model(random_automaton):
    return Model(automaton=random_automaton(SPEC), target="spiral", training=TRAINING)


@pytest.fixture
def file(tmp_path, model):
    path = tmp_path / "spiral.safetensors"
    modelfile.write(path, model)
    return path


def header(content: bytes) -> dict:
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size])


def refuses(path, message):
    with pytest.raises(BadRequest) as caught:
        modelfile.read(path)
    text = str(caught.value)
    assert text.startswith(str(path)) and message in text and "\n" not in text


@pytest.mark.parametrize(
    "spec",
    [SPEC, Spec.of(), Spec.of(perception="sobel", gated=True, living=True, clamp=None, seed=(0.25, 1))],
    ids=Spec.describe,
)
def test_round_trip_is_exact(tmp_path, spec, random_automaton):
    automaton = random_automaton(spec)
    automaton.rule.biases[0].data[:3] = torch.tensor([-0.0, 1e-45, 1 / 3])
    modelfile.write(tmp_path / "m", Model(automaton=automaton, target="emoji:🦎", training=TRAINING))
    model = modelfile.read(tmp_path / "m")
    assert (model.automaton.spec, model.target, model.training) == (spec, "emoji:🦎", TRAINING)
    for (name, values), read in zip(automaton.named_parameters(), model.automaton.parameters(), strict=True):
        assert torch.equal(values.view(torch.int32), read.view(torch.int32)), name
    state = torch.rand(1, spec.channels, 9, 7)
    grown = (a.rollout(state, 5, engine="torch") for a in (automaton, petri.load(tmp_path / "m")))
    assert torch.equal(*grown)


def test_a_file_holds_what_is_trained_and_nothing_else(file):
    sizes = {name: list(values.shape) for name, values in load_file(file).items()}
    assert sizes == {
        "perception.0.bank": [15, 1, 3, 3],
        "rule.weights.0": [16, 30],
        "rule.biases.0": [16],
        "rule.weights.1": [5, 16],
        "rule.biases.1": [5],
    }


def test_the_same_model_gives_the_same_bytes(file, model):
    before = file.read_bytes()
    for _ in range(5):
        modelfile.write(file, model)
        assert file.read_bytes() == before


METADATA = [  # a field, what it becomes (None: it is left out), what the message says
    ("format", None, "lacks format = petri"),
    ("format", "pt", "lacks format = petri"),
    ("schema", None, "the metadata lacks schema"),
    ("schema", "3", "schema must be 2, got '3': written by petri '9.9'"),
    ("version", None, "the metadata lacks version"),
    ("target", None, "the metadata lacks target"),
    ("training", None, "the metadata lacks training"),
    ("training", "{", "training is not JSON"),
    ("training", "[" * 100_000, "training is not JSON"),
    ("training", "3", "training must be a JSON object, got int"),
    ("spec", None, "the metadata lacks spec"),
    ("spec", "", "the Spec is not JSON"),
    ("spec", SPEC.to_json().replace("hidden", "hiden"), "unknown field 'hiden', did you mean \"hidden\"?"),
    ("spec", SPEC.to_json().replace("zero", "mirror"), "padding must be one of zero, wrap, got 'mirror'"),
    ("spec", SPEC.to_json().replace("16", "32"), "rule.weights.0 must be [32, 30] by the Spec, got [16, 30]"),
    (
        "spec",
        SPEC.to_json().replace('"trained": true', '"trained": false'),
        "the Spec has no place for the tensor perception.0.bank",
    ),
    ("spec", SPEC.to_json().replace('"layers": 2', '"layers": 3'), "the Spec needs the tensor rule.biases.2"),
]


@pytest.mark.parametrize(
    ("name", "value", "message"), METADATA, ids=[f"{name}={str(value)[:9]}" for name, value, _ in METADATA]
)
def test_a_wrong_field_is_named(file, name, value, message):
    metadata = header(file.read_bytes())["__metadata__"]
    if value is None:
        del metadata[name]
    else:
        metadata[name] = value
    if name == "schema":
        metadata["version"] = "9.9"
    file.write_bytes(save(load_file(file), metadata))
    refuses(file, message)


TENSORS = ["perception.0.bank", "rule.weights.0", "rule.biases.0", "rule.weights.1", "rule.biases.1"]


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: None, "the Spec needs the tensor {}"),
        (lambda values: values.double(), "{} must be float32, got torch.float64"),
        (lambda values: values.half(), "{} must be float32, got torch.float16"),
        (lambda values: values.int(), "{} must be float32, got torch.int32"),
        (lambda values: values[1:].contiguous(), "{} must be "),
        (lambda values: values[None], "{} must be "),
        (lambda values: values.clone().fill_(torch.nan), "{} has values that are not finite"),
        (lambda values: values / 0, "{} has values that are not finite"),
    ],
    ids=["missing", "float64", "float16", "int32", "short", "deeper", "nan", "infinite"],
)
def test_a_wrong_tensor_is_named(file, name, change, message):
    tensors, metadata = load_file(file), header(file.read_bytes())["__metadata__"]
    values = change(tensors.pop(name))
    file.write_bytes(save(tensors if values is None else {**tensors, name: values}, metadata))
    refuses(file, message.format(name))


def test_one_tensor_too_many_is_named(file):
    metadata = header(file.read_bytes())["__metadata__"]
    file.write_bytes(save(load_file(file) | {"rule.weights.9": torch.zeros(1)}, metadata))
    refuses(file, "the Spec has no place for the tensor rule.weights.9")


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("reading a model executed what was in it",)


FOREIGN = {
    "empty": lambda content: b"",
    "text": lambda content: b"not a model\n" * 9,
    "pickle": lambda content: pickle.dumps(Bomb()),
    "cut in the header": lambda content: content[:100],
    "cut in the tensors": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "endless header": lambda content: struct.pack("<Q", 2**63) + content[8:],
    "huge header": lambda content: struct.pack("<Q", 90_000_000) + content[8:],
    "huge tensor": lambda content: content.replace(b"[16,30]", b"[99999]", 1),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_model_file_is_refused(file, foreign):
    content = foreign(file.read_bytes())
    assert content != file.read_bytes()
    file.write_bytes(content)
    refuses(file, "is not a model file")


def test_a_folder_or_nothing_is_refused(tmp_path):
    with pytest.raises(BadRequest, match=re.escape(f"the folder {tmp_path} has no model.safetensors")):
        petri.load(tmp_path)
    with pytest.raises(BadRequest, match=re.escape(f"there is no model '{tmp_path / 'none'}'")):
        petri.load(tmp_path / "none")


def test_a_failed_write_leaves_the_old_model(file, model, monkeypatch):
    def fails(_):
        raise OSError("the disk is full")

    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="the disk is full"):
        modelfile.write(file, Model(automaton=model.automaton, target="other"))
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_what_can_be_trained_can_be_read(tmp_path, model):
    long = replace(model, target="text:" + "word " * 200)
    modelfile.write(tmp_path / "long.safetensors", long)
    assert modelfile.read(tmp_path / "long.safetensors").target == long.target
    for broken in ("a\x1b[31m", "a\udcff"):
        with pytest.raises(BadRequest, match=r"control characters|UTF-8"):
            modelfile.write(tmp_path / "broken.safetensors", replace(model, target=broken))
    assert not (tmp_path / "broken.safetensors").exists()

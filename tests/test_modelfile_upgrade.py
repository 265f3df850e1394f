"""Model files as version 0.1 wrote them, schema 1: a flat Spec, and one trained bank."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import save

from petri import modelfile
from petri.errors import BadRequest
from petri.nca import Spec

FLAT = {
    "channels": 5, "perception": "learned+dilated", "hidden": 16, "layers": 2, "residual": False,
    "gated": False, "fire_rate": 0.5, "living": False, "padding": "zero", "clamp": 1.0, "seed": [0.25, 1.0],
}  # fmt: skip
SHAPES = {
    "perception.bank": (15, 1, 3, 3),
    "rule.weights.0": (16, 30),
    "rule.biases.0": (16,),
    "rule.weights.1": (5, 16),
    "rule.biases.1": (5,),
}


def tensors():
    chance = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=chance) for name, shape in SHAPES.items()}


@pytest.fixture
def write(tmp_path):
    """Write a file of schema 1 of a flat Spec and tensors."""

    def made(fields=FLAT, held=None):
        metadata = {
            "format": "petri", "schema": "1", "version": "0.1.0", "spec": json.dumps(fields),
            "target": "spiral", "training": "{}",
        }  # fmt: skip
        path = tmp_path / "old.safetensors"
        path.write_bytes(save(tensors() if held is None else held, metadata))
        return path

    return made


def test_it_is_read(write):
    automaton = modelfile.read(write()).automaton
    assert automaton.spec == Spec.of(**FLAT)
    for name, tensor in tensors().items():
        assert torch.equal(automaton.get_parameter(name.replace("n.bank", "n.0.bank")), tensor)


DAMAGED = {
    "channels": (None, 3, 1e9, "5", [], {}),
    "perception": (None, 3, "", "lerned", "sobel+", [], {}, [None]),
    "hidden": (None, 24, -16, "16", [16]),
    "layers": (None, 1, 4, True, {"a": 1}),
    "residual": (None, 1, "no", True),  # which needs three layers
    "gated": (None, 0, True),  # which has no fire rate
    "fire_rate": (0, 2, math.nan, "0.5", []),
    "living": (None, 1, "x"),
    "padding": (None, "mirror", 0, ["zero"], {}),
    "clamp": (0, math.inf, "1", []),
    "seed": (None, 0.5, [], [0.5], [0.5, 2], [None, None], {"x": 0.5}, "ab"),
}


@pytest.mark.parametrize("name", FLAT)
def test_a_damaged_field_is_refused_by_name(write, name):
    for value in DAMAGED[name]:
        with pytest.raises(BadRequest) as caught:
            modelfile.read(path := write(FLAT | {name: value}))
        said = str(caught.value)
        assert said.startswith(f"{path}: ") and "\n" not in said
        assert name in said or (name == "perception" and "sense" in said), (value, said)


def test_a_field_that_version_0_1_did_not_know_is_refused(write):
    with pytest.raises(BadRequest, match="unknown field 'hiden', did you mean \"hidden\""):
        modelfile.read(write(FLAT | {"hiden": 16}))


@pytest.mark.parametrize("name", SHAPES)
def test_a_damaged_tensor_is_refused_by_name(write, name):
    left = {other: tensor for other, tensor in tensors().items() if other != name}
    now = name.replace("n.bank", "n.0.bank")
    for held, said in [
        (left, f"the Spec needs the tensor {now}"),
        (left | {name: tensors()[name][1:]}, f"{now} must be "),
        (left | {name: tensors()[name] / 0}, f"{now} has values that are not finite"),
        (tensors() | {"perception.1.bank": torch.ones(3)}, "has no place for the tensor perception.1.bank"),
    ]:
        with pytest.raises(BadRequest) as caught:
            modelfile.read(write(held=held))
        assert said in str(caught.value)

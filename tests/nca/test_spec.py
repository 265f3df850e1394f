from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import re

import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton, Cell, Conv, Grid, Mlp, Spec, Stencil
from petri.nca.rule import SHAPES
from petri.nca.senses.words import PERCEPTIONS

# The models whose parameters the report counts.
REPORT = {
    "braid": (15_473, {"perception": "learned+dilated", "hidden": 128, "layers": 2, "gated": True}),
    "circle": (11_840, {"perception": "dilated", "hidden": 64, "layers": 3, "residual": True}),
    "mandelbrot": (15_344, {"perception": "learned+dilated", "hidden": 128, "layers": 2}),
    "topo": (15_344, {"perception": "learned+dilated", "hidden": 128, "layers": 2}),
    "cross": (12_272, {"perception": "learned+dilated", "hidden": 64, "layers": 3, "residual": True}),
    "rings": (31_856, {"perception": "learned+dilated", "hidden": 128, "layers": 3, "residual": True}),
}


@pytest.mark.parametrize(("count", "fields"), REPORT.values(), ids=REPORT)
def test_parameters_are_as_many_as_the_report_counts(count, fields):
    assert Spec.of(**fields).parameters == count


@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_parameters_are_those_of_the_tensors(perception, rule):
    spec = Spec.of(channels=7, perception=perception, hidden=32, **rule)
    automaton = Automaton(spec)
    far = [sense.bank for sense in automaton.perception if sense.kind.dilation > 1]  # fixed, and counted too
    trained = sum(values.numel() for values in automaton.parameters())
    assert trained + sum(bank.numel() for bank in far) == spec.parameters


# 16 channels and 5 fixed planes, 80 hidden (a condition of five), and without planes.
NCATORCH = [
    ("sobel+laplacian", 5, 8_096),
    ("conv3", 5, 22_976),
    ("conv3+conv5d2", 5, 71_456),
    ("conv3", 0, 19_376),
    ("attention3", 0, 18_132),
    ("conv5", 5, 49_856),
    ("deformable3", 5, 28_026),
]


@pytest.mark.parametrize(("perception", "fixed", "count"), NCATORCH)
def test_parameters_are_as_many_as_ncatorch_has(perception, fixed, count):
    spec = Spec.of(perception=perception, fixed=fixed, hidden=80, layers=2)
    assert spec.parameters == count == sum(values.numel() for values in Automaton(spec).parameters())


def test_the_rules_are_all_that_a_spec_may_have_by_the_words_that_describe_it():
    kinds = []
    for layers, residual, gated in itertools.product((1, 2, 3, 4), (False, True), (False, True)):
        with contextlib.suppress(BadRequest):
            spec = Spec.of(layers=layers, residual=residual, gated=gated)
            kinds.append({"layers": layers, "residual": residual, "gated": gated})
            [name] = [name for name, fields in SHAPES.items() if fields == kinds[-1]]
            assert f" · {name}" in spec.describe() + " · "
    assert len(kinds) == len(SHAPES) == 6


# What is wrong, and what the message has to say of it.
INVALID = [
    ({"channels": 3}, "channels must be a whole number in 4..64, got 3"),
    ({"channels": 65}, "channels must be a whole number in 4..64, got 65"),
    ({"channels": 16.0}, "channels must be a whole number in 4..64, got 16.0"),
    ({"channels": True}, "channels must be a whole number in 4..64, got True"),
    ({"perception": "laplace"}, "an unknown sense 'laplace' in 'laplace', did you mean \"laplacian\"?"),
    ({"perception": None}, "perception must be a name, got None"),
    ({"perception": "conv4"}, "the size of a convolution must be odd, so that it has a centre, got 4"),
    ({"perception": "conv33"}, "the size of a convolution must be a whole number in 1..31, got 33"),
    ({"perception": "residual3d2"}, "perception's 'residual3d2' has no place for a dilation (d2)"),
    ({"perception": "learned3d2"}, "'learned3d2' can have a size alone"),
    ({"perception": "sobel+sobel"}, "perception names 'sobel' twice"),
    ({"perception": "conv3d17"}, "the dilation of a convolution must be a whole number in 1..16, got 17"),
    ({"perception": "attention3w10"}, "the width of attention must be a multiple of its 4 heads, got 10"),
    ({"senses": []}, "senses must be a name or at least one sense"),
    ({"senses": [{"kind": "convolution"}]}, "sense 1 is of an unknown kind 'convolution'"),
    (
        {"senses": [{"kind": "conv", "sizes": 3}]},
        "(conv) has an unknown field 'sizes', did you mean \"size\"?",
    ),
    ({"senses": [{"kind": "stencil", "filters": ["sobel"]}]}, "each filter of a stencil must be one of"),
    ({"fixed": -1}, "fixed must be a whole number in 0..64, got -1"),
    ({"rule": {"kind": "tree"}}, "rule is of an unknown kind 'tree'; there are mlp"),
    ({"rule": {"sensed_bound": 0}}, "sensed_bound must be in (0, 1e+06], got 0"),
    ({"start": {"kind": "noise", "level": 0}}, "the level of noise must be in (0, 1e+06], got 0"),
    ({"start": {"kind": "cell", "z": 0}}, "start (cell) has an unknown field 'z'"),
    ({"space": 3}, "space must be a table, got 3"),
    ({"decoder": {"kind": "siren"}}, "decoder is of an unknown kind 'siren'; there are lppn"),
    ({"decoder": {"omega": 0}}, "omega must be in (0, 1000], got 0"),
    ({"decoder": {"coordinates": "middle"}}, "coordinates must be one of centre, corner, got 'middle'"),
    (
        {"living": True, "decoder": {"outputs": 3}},
        "the decoder of a figure paints RGB and alpha, 4 outputs, got 3",
    ),
    ({"colour_scale": 0}, "colour_scale must be in (0, 1000], got 0"),
    ({"hidden": 0}, "hidden must be a whole number in 16..512, got 0"),
    ({"hidden": 1024}, "hidden must be a whole number in 16..512, got 1024"),
    ({"hidden": 65}, "hidden must be a multiple of 16, got 65"),
    ({"layers": 1}, "layers must be a whole number in 2..3, got 1"),
    ({"layers": "3"}, "layers must be a whole number in 2..3, got '3'"),
    ({"layers": 2, "residual": True}, "residual needs layers = 3, got layers = 2"),
    ({"residual": 1}, "residual must be true or false, got 1"),
    ({"gated": "yes"}, "gated must be true or false, got 'yes'"),
    ({"living": None}, "living must be true or false, got None"),
    ({"gated": True, "fire_rate": 0.5}, "spec.fire_rate must be none, got 0.5"),
    ({"fire_rate": 0}, "fire_rate must be in (0, 1], got 0"),
    ({"fire_rate": 1.5}, "fire_rate must be in (0, 1], got 1.5"),
    ({"fire_rate": math.nan}, "fire_rate must be in (0, 1], got nan"),
    ({"padding": "reflect"}, "padding must be one of zero, wrap, got 'reflect'"),
    ({"clamp": 0.5}, "clamp must be in [1, 1e+06], got 0.5"),
    ({"clamp": math.inf}, "clamp must be in [1, 1e+06], got inf"),
    ({"seed": (0.5,)}, "seed must be two fractions (x, y), got (0.5,)"),
    ({"seed": 0.5}, "seed must be two fractions (x, y), got 0.5"),
    ({"seed": (1.1, 0.5)}, "seed x must be in [0, 1], got 1.1"),
    ({"seed": (0.5, "top")}, "seed y must be in [0, 1], got 'top'"),
]


@pytest.mark.parametrize(("fields", "message"), INVALID, ids=[str(fields) for fields, _ in INVALID])
def test_what_is_invalid_is_refused_by_name(fields, message):
    with pytest.raises(BadRequest, match=re.escape(message)):
        Spec.of(**fields)


SPECS = [
    Spec.of(),
    Spec.of(gated=True, residual=True, living=True, padding="wrap", clamp=None, seed=(0, 1)),
    Spec.of(channels=4, perception="sobel", hidden=16, layers=2, fire_rate=1, clamp=2, seed=(0.1, 0.7)),
]


@pytest.mark.parametrize("spec", SPECS, ids=Spec.describe)
def test_json_round_trip(spec):
    assert Spec.from_json(spec.to_json()) == spec
    assert hash(Spec.from_json(spec.to_json())) == hash(spec)


def test_fire_rate_is_a_half_where_there_is_no_gate():
    assert Spec.of().fire_rate == 0.5 and Spec.of(gated=True).fire_rate is None


FIELDS = json.loads(Spec.of().to_json())


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_takes_its_default(name):
    left = {key: value for key, value in FIELDS.items() if key != name}
    assert Spec.from_json(json.dumps(left)) == Spec()


FLAT = {
    "channels": 12, "perception": "learned+dilated", "hidden": 32, "layers": 3, "residual": True,
    "gated": True, "fire_rate": None, "living": True, "padding": "wrap", "clamp": None, "seed": [0.25, 1.0],
}  # fmt: skip


def test_a_spec_of_version_0_1_is_read():
    spec = Spec.from_json(json.dumps(FLAT))
    assert spec == Spec(
        channels=12,
        senses=(Stencil(trained=True), Stencil(dilation=2)),
        rule=Mlp(hidden=32, layers=3, residual=True, gated=True),
        living=True,
        space=Grid(padding="wrap"),
        clamp=None,
        start=Cell(x=0.25, y=1.0),
    )
    assert Spec.from_fields(spec.to_fields()) == spec == Spec.from_json(spec.to_json())


NAMES = [
    *PERCEPTIONS, "laplacian", "sobel+laplacian", "identity", "learned5", "learned+laplacian", "conv3",
    "conv5d2", "conv3+conv5d2",
    "conv3w24", "sobel+conv3", "attention3", "attention5d2w32", "deformable3", "residual3",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_senses_is_read_and_written(name):
    spec = Spec.of(perception=name, hidden=48)
    assert spec.perception == name and spec.to_fields()["senses"] == name
    assert Spec.from_json(spec.to_json()) == spec
    assert Automaton(spec).perception(torch.zeros(1, 16, 33, 33)).shape == (1, spec.features, 33, 33)


def test_senses_without_a_name_are_written_as_tables():
    spec = Spec(senses=(Stencil(filters=("sobel_y",), size=5, dilation=3), Conv(width=7)))
    assert spec.perception == "stencil5d3(sobel_y)+conv3w7"
    assert [table["kind"] for table in spec.to_fields()["senses"]] == ["stencil", "conv"]
    assert Spec.from_fields(spec.to_fields()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(FIELDS | {"fire_rat": 1}), "unknown field 'fire_rat', did you mean \"fire_rate\"?"),
        (json.dumps(FIELDS | {"zzz": 1}), "unknown field 'zzz'"),
        (json.dumps(FLAT | {"hidden": 24}), "hidden must be a multiple of 16, got 24"),
        ("{", "the Spec is not JSON"),
        ("[" * 100_000, "the Spec is not JSON"),
        ('{"channels": ' + "1" * 5000 + "}", "the Spec is not JSON"),
        ("[]", "the Spec must be a JSON object, got list"),
    ],
    ids=["near", "far", "invalid", "cut", "deep", "long", "list"],
)
def test_json_that_is_no_spec_is_refused(text, message):
    with pytest.raises(BadRequest, match=re.escape(message)):
        Spec.from_json(text)


def test_a_spec_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Spec.of().channels = 8


def test_description_tells_what_is_special():
    assert Spec.of().describe() == "dilated · 64 hidden · 3 layers"
    assert (
        SPECS[1].describe() == "dilated · 64 hidden · 3 layers residual gated · living mask · wrapped edges"
    )

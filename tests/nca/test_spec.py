from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import re

import pytest

from petri.errors import BadRequest
from petri.nca import Automaton, Spec
from petri.nca.spec import PERCEPTIONS, RULES

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
    assert Spec(**fields).parameters == count


@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_parameters_are_those_of_the_tensors(perception, rule):
    spec = Spec(channels=7, perception=perception, hidden=32, **rule)
    automaton = Automaton(spec)
    far = automaton.perception.far_bank  # fixed, and counted all the same
    trained = sum(values.numel() for values in automaton.parameters())
    assert trained + (0 if far is None else far.numel()) == spec.parameters


def test_the_rules_are_all_that_a_spec_may_have_by_the_words_that_describe_it():
    kinds = []
    for layers, residual, gated in itertools.product((1, 2, 3, 4), (False, True), (False, True)):
        with contextlib.suppress(BadRequest):
            spec = Spec(layers=layers, residual=residual, gated=gated)
            kinds.append({"layers": layers, "residual": residual, "gated": gated})
            [name] = [name for name, fields in RULES.items() if fields == kinds[-1]]
            assert f" · {name}" in spec.describe() + " · "
    assert len(kinds) == len(RULES) == 6


# What is wrong, and what the message has to say of it.
INVALID = [
    ({"channels": 3}, "channels must be a whole number in 4..64, got 3"),
    ({"channels": 65}, "channels must be a whole number in 4..64, got 65"),
    ({"channels": 16.0}, "channels must be a whole number in 4..64, got 16.0"),
    ({"channels": True}, "channels must be a whole number in 4..64, got True"),
    (
        {"perception": "laplace"},
        "perception must be one of sobel, learned, dilated, learned+dilated, got 'la",
    ),
    ({"perception": None}, "perception must be one of sobel, learned, dilated, learned+dilated, got None"),
    ({"hidden": 0}, "hidden must be a whole number in 16..512, got 0"),
    ({"hidden": 1024}, "hidden must be a whole number in 16..512, got 1024"),
    ({"hidden": 65}, "hidden must be a multiple of 16, got 65"),
    ({"layers": 1}, "layers must be a whole number in 2..3, got 1"),
    ({"layers": "3"}, "layers must be a whole number in 2..3, got '3'"),
    ({"layers": 2, "residual": True}, "residual needs layers = 3, got layers = 2"),
    ({"residual": 1}, "residual must be true or false, got 1"),
    ({"gated": "yes"}, "gated must be true or false, got 'yes'"),
    ({"living": None}, "living must be true or false, got None"),
    ({"gated": True, "fire_rate": 0.5}, "leave fire_rate out, got 0.5"),
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
        Spec(**fields)


SPECS = [
    Spec(),
    Spec(gated=True, residual=True, living=True, padding="wrap", clamp=None, seed=(0, 1)),
    Spec(channels=4, perception="sobel", hidden=16, layers=2, fire_rate=1, clamp=2, seed=(0.1, 0.7)),
]


@pytest.mark.parametrize("spec", SPECS, ids=Spec.describe)
def test_json_round_trip(spec):
    assert Spec.from_json(spec.to_json()) == spec
    assert hash(Spec.from_json(spec.to_json())) == hash(spec)


def test_fire_rate_is_a_half_where_there_is_no_gate():
    assert Spec().fire_rate == 0.5 and Spec(gated=True).fire_rate is None


FIELDS = json.loads(Spec().to_json())


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(name):
    with pytest.raises(BadRequest, match=f"lacks the field '{name}'$"):
        Spec.from_json(json.dumps({key: value for key, value in FIELDS.items() if key != name}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(FIELDS | {"fire_rat": 1}), "unknown field 'fire_rat', did you mean \"fire_rate\"?"),
        (json.dumps(FIELDS | {"zzz": 1}), "unknown field 'zzz'"),
        (json.dumps(FIELDS | {"hidden": 24}), "hidden must be a multiple of 16, got 24"),
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
        Spec().channels = 8


def test_description_tells_what_is_special():
    assert Spec().describe() == "dilated · 64 hidden · 3 layers"
    assert (
        SPECS[1].describe() == "dilated · 64 hidden · 3 layers residual gated · living mask · wrapped edges"
    )

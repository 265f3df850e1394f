"""What the manifest says of a model beside what its file says."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.shaders.manifest import content, entry, healed

CIRCLE = {"kind": "circle", "percent": 97.8}


@pytest.mark.parametrize(
    ("evaluation", "percent"),
    [
        ({"regeneration": [{"kind": "half", "percent": 12.0}, CIRCLE]}, 97.8),
        ({"regeneration": [{"kind": "circle", "percent": -75}]}, -75),
        ({"regeneration": [{"kind": "circle", "percent": None}]}, None),  # the damage did not show
        ({"regeneration": [{"kind": "circle", "percent": float("nan")}]}, None),
        ({"regeneration": [{"kind": "half", "percent": 12.0}]}, None),
        ({"regeneration": {"circle": 97.8}}, None),
        ({"regeneration": ["circle"]}, None),
        ([CIRCLE], None),
        (None, None),
    ],
)
def test_how_much_heals_is_what_was_measured_of_a_circle(evaluation, percent):
    automaton = Automaton(Spec.of(channels=6, hidden=16, layers=2))
    assert healed(Model(automaton=automaton, target="t", training={"evaluation": evaluation})) == percent
    assert healed(Model(automaton=automaton, target="t")) is None


def described(*, res=12, **fields):
    automaton = Automaton(Spec.of(**{"channels": 5, "hidden": 16, "layers": 2} | fields))
    automaton.rule.biases[-1].data.fill_(0.01)
    training = {"recipe": {"phases": [{"res": res, "steps": [4, 8]}]}}
    return entry(Model(automaton=automaton, target="t", training=training), name="t", file="t.safetensors")


@pytest.mark.parametrize("perception", ["attention3w8", "deformable3w8", "residual3w8"])
@pytest.mark.parametrize("start", ["cell", "noise", "given"])
def test_what_a_browser_cannot_compute_has_a_sentence_and_a_film(perception, start):
    found = described(perception=perception, start={"kind": start})
    kind = perception.partition("3")[0]
    assert (
        found["obstacle"]
        == f"a browser computes senses of the kind stencil or conv or harmonics or invariants, not {kind}"
    )
    assert found["golden"] is None
    film = Image.open(io.BytesIO(content(found["film"])))
    assert (film.size, film.n_frames) == (
        (12, 12),
        51,
    )  # before the first step, and every fourth
    first = np.asarray(film.convert("RGB")).astype(int)
    film.seek(50)
    last = np.asarray(film.convert("RGB")).astype(int)
    assert (last - first).mean() > 50


def test_what_a_browser_computes_has_golden_values_of_its_channels():
    for fields in (
        {"perception": "conv3+conv5d2", "fixed": 3},
        {"start": {"kind": "given"}, "fixed": 1},
        {"start": {"kind": "noise"}, "perception": "conv19w4", "res": 20},
    ):
        found = described(**fields)
        assert found["obstacle"] is found["film"] is None
        golden = found["golden"]
        values = np.frombuffer(base64.b64decode(golden["values"]), "<f4")
        assert len(values) == len(golden["steps"]) * len(golden["cells"]) * 5 and values.any()

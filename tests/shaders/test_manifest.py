"""What the manifest says of a model beside what its file says."""

import pytest

from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.shaders.manifest import healed

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

"""What is measured of a model that colours a mesh."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from petri import Automaton, Harmonics, Mesh, Mlp, Model, Ring, Spec, Uniform, worn
from petri.errors import BadRequest
from petri.evaluation import evaluate
from petri.graph import icosphere

SPEC = Spec(space=Mesh(), senses=(Harmonics(),), channels=4, rule=Mlp(hidden=16, layers=2), start=Uniform(),
            fire_rate=1.0)  # fmt: skip


def fading_in(colour=0.5, share=0.5):
    """Every vertex comes nearer to a grey by the same share of the way, step by step."""
    automaton = Automaton(SPEC)
    for values in automaton.parameters():
        values.data.zero_()
    for channel in range(3):  # of the features of a channel its own value is the first
        automaton.rule.weights[0].data[channel, 5 * channel] = 1.0
        automaton.rule.weights[1].data[channel, channel] = -share
        automaton.rule.biases[1].data[channel] = share * colour
    recipe = {"phases": [{"res": [1, 42], "steps": [4, 8]}], "task": "surface"}
    model = Model(automaton=automaton, target="grey", training={"recipe": recipe})
    return worn.on(model, icosphere(1).coloured(np.full((42, 3), 0.5)))


def test_figures_are_those_of_plain_arithmetic():
    found = evaluate(fading_in(), seeds=3)
    assert (found.vertices, found.seeds, found.plain) == (42, 3, 0)
    for look, times in zip(found.drift, (1, 2, 10, 20), strict=True):
        assert look.steps == 8 * times
        assert look.pattern.mean == pytest.approx((0.5 * 0.5 ** (8 * times)) ** 2, abs=1e-9)
    by_kind = {one.kind: one.loss for one in found.regeneration}
    assert list(by_kind) == ["patch", "half", "scatter", "5 patches"]
    assert by_kind["scatter"].damaged.mean == pytest.approx(10 / 42 * 0.25, rel=0.02)
    assert by_kind["half"].damaged.mean == pytest.approx(21 / 42 * 0.25, rel=0.05)
    for one in by_kind.values():
        assert one.percent == pytest.approx(100, abs=0.1)
        assert one.damaged.mean > 0.04 and one.healed.mean < 1e-4
    assert [one.damaged_at for one in found.regeneration] == [8, 8, 8, 40]
    fields = found.to_fields()
    assert fields["task"] == "surface" and fields["regeneration"][3]["healed_at"] == 48
    assert evaluate(fading_in(), seeds=3).to_fields() == fields


def test_what_does_not_heal_is_told_from_what_does():
    model = fading_in()
    state = model.automaton.rollout(model.automaton.seed_state(42), 8)
    assert torch.allclose(state[:, :3], torch.tensor(0.5), atol=0.01)
    model.automaton.rule.biases[1].data.zero_()  # it now fades out
    found = evaluate(model, seeds=2, damage_at=1, heal_steps=3)
    assert all(one.loss.percent is None and one.loss.why == "it had not grown" for one in found.regeneration)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"res": 64}, "leave out res"),
        ({"target": "spots"}, "leave out 'spots'"),
        ({"seeds": 1}, "seeds must be"),
        ({"heal_steps": -1}, "heal_steps must be"),
    ],
)
def test_a_bad_request_is_named(how, said):
    with pytest.raises(BadRequest, match=said):
        evaluate(fading_in(), **how)


def test_a_model_without_its_mesh_or_of_a_ring_says_so():
    bare = fading_in()
    with pytest.raises(BadRequest, match="colours that it is to come to are not to be found"):
        evaluate(Model(automaton=bare.automaton, target="t", training=bare.training))
    ring = Spec(space=Ring(), senses=(Harmonics(dimensions=1, valence=2),))
    with pytest.raises(BadRequest, match="petri mesh ring"):
        evaluate(Model(automaton=Automaton(ring), target="t"))

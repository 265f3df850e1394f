"""An automaton that does more than its Spec and weights say is computed as it is, or refused by name."""

import pytest
import torch
from torch import nn

from petri import engine, modelfile
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.nca.automaton import departure
from petri.nca.perception import Perception
from petri.nca.rule import Rule
from petri.shaders.pack import pack

SPEC = Spec.of(channels=4, hidden=16, layers=2, perception="sobel", fire_rate=1.0, clamp=None)
native = pytest.mark.skipif(not engine.native_status()[0], reason=engine.native_status()[1])


class Falling(Automaton):
    """Whatever the rule says, everything moves a row down."""

    def step(self, state, *, step, seeds):
        return torch.roll(super().step(state, step=step, seeds=seeds), 1, dims=2)


class Deaf(nn.Module):
    """A perception that is none of petri's."""

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, state):
        return state.repeat(1, self.features // state.shape[1], 1, 1)


class Growing(nn.Module):
    """A rule without weights."""

    def forward(self, features):
        return torch.ones_like(features[:, :4])


class Louder(Rule):
    def forward(self, features):
        return 2 * super().forward(features)


def own_step(automaton):
    automaton.step = lambda state, *, step, seeds: state + 1
    return automaton


def changed(**parts):
    automaton = Automaton(SPEC, generator=torch.Generator().manual_seed(0))
    automaton.rule.biases[-1].data.fill_(0.25)
    for name, part in parts.items():
        setattr(automaton, name, part)
    return automaton


def hooked():
    automaton = changed()
    automaton.rule.register_forward_hook(lambda module, inputs, output: 3 * output)
    return automaton


def narrowed():
    automaton = changed()
    automaton.rule.weights[0] = nn.Parameter(automaton.rule.weights[0].data[:8])
    automaton.rule.biases[0] = nn.Parameter(automaton.rule.biases[0].data[:8])
    automaton.rule.weights[1] = nn.Parameter(automaton.rule.weights[1].data[:, :8])
    return automaton


def other_filters():
    automaton = changed()
    automaton.perception[0].bank.mul_(2.0)
    automaton.rule.weights[-1].data.fill_(0.1)
    return automaton


OWN = {
    "a step": (lambda: Falling(SPEC), "Falling has a step of its own"),
    "a step put in place": (lambda: own_step(changed()), "Automaton has a step of its own"),
    "a perception": (lambda: changed(perception=Deaf(12)), "its perception is a module of its own, Deaf"),
    "a rule without weights": (lambda: changed(rule=Growing()), "its rule is a module of its own, Growing"),
    "a kind of rule": (
        lambda: changed(rule=Louder(SPEC.rule, 12, 4)),
        "its rule is a module of its own, Louder",
    ),
    "a hook": (hooked, "its rule has hooks"),
    "fewer hidden units": (narrowed, "its rule has tensors of other shapes than its Spec describes"),
    "other filters": (other_filters, "its perception has other filters than its Spec describes"),
    "other edges": (
        lambda: changed(perception=Perception(Spec.of(channels=4, perception="sobel", padding="wrap"))),
        "its perception is not the one that its Spec describes",
    ),
}


OTHER_SENSES = ["conv3+conv5d2", "attention3", "deformable3", "residual3"]


@pytest.mark.parametrize("perception", OTHER_SENSES)
def test_a_module_in_the_place_of_a_sense_is_not_saved(perception):
    automaton = Automaton(Spec.of(channels=4, hidden=16, layers=2, perception=perception))
    model = Model(automaton=automaton, target="it")
    modelfile.to_bytes(model)
    automaton.perception[0] = nn.Conv2d(4, automaton.spec.features, 3, padding=1)
    with pytest.raises(BadRequest, match=r"a model file .*: its perception is a module of its own, Conv2d"):
        modelfile.to_bytes(model)


def test_weights_of_the_same_shape_for_another_dilation_are_a_departure():
    automaton = Automaton(Spec.of(channels=4, hidden=16, layers=2, perception="conv3"))
    automaton.perception = Perception(Spec.of(channels=4, hidden=16, layers=2, perception="conv3d2"))
    assert departure(automaton) == "its perception is not the one that its Spec describes"


def stepped(automaton, state, steps):
    """What a loop over the automaton's own step gives."""
    for step in range(steps):
        state = automaton.step(state, step=step, seeds=torch.zeros(1, dtype=torch.int64))
    return state


@pytest.mark.parametrize(("make", "said"), OWN.values(), ids=OWN)
def test_auto_takes_the_steps_that_the_automaton_takes(make, said):
    automaton = make()
    with torch.no_grad():
        state = torch.rand(1, 4, 9, 7, generator=torch.Generator().manual_seed(1))
        expected = stepped(automaton, state, 3)
        for name in ("auto", "torch"):
            assert torch.equal(automaton.rollout(state, 3, engine=name), expected), name
        assert torch.equal(automaton.seed_state(9), Automaton(SPEC).seed_state(9))
    assert departure(automaton) == said


@pytest.mark.parametrize(("make", "said"), OWN.values(), ids=OWN)
def test_what_is_made_of_a_spec_and_weights_refuses_it(make, said):
    automaton = make()
    with pytest.raises(BadRequest, match=f"the native engine cannot take this rollout: {said}"):
        automaton.rollout(torch.zeros(1, 4, 9, 7), 3, engine="native")
    with pytest.raises(BadRequest, match=f"a model file holds a Spec and weights.*: {said}"):
        modelfile.to_bytes(Model(automaton=automaton, target="it"))
    with pytest.raises(BadRequest, match=f"shaders are made of a Spec and weights.*: {said}"):
        pack(automaton)


@pytest.mark.parametrize("perception", ["sobel", "learned+dilated", *OTHER_SENSES])
def test_trained_weights_are_no_departure(rule, perception, random_automaton):
    assert departure(random_automaton(Spec.of(perception=perception, padding="wrap", **rule))) == ""


class Renamed(Automaton):
    """A subclass that computes what every automaton does."""


@native
def test_a_subclass_with_the_same_step_keeps_the_native_step():
    automaton = Renamed(SPEC)
    state = automaton.seed_state(9)
    assert torch.equal(automaton.rollout(state, 2), automaton.rollout(state, 2, engine="native"))


@pytest.mark.slow
@native  # torch.compile needs a compiler too
def test_the_compiled_step_is_the_automatons_own():
    automaton, state = Falling(SPEC), torch.rand(1, 4, 9, 7)
    automaton.rule.biases[-1].data.fill_(0.25)
    with torch.no_grad():
        for each in (automaton, own_step(changed()), Automaton(SPEC)):
            expected = stepped(each, state, 3)
            assert torch.allclose(each.rollout(state, 3, engine="compiled"), expected, atol=1e-6)


def test_filters_on_a_gpu_are_read_once(monkeypatch):
    """Reading them waits for all that the device has to do."""
    automaton = Automaton(Spec.of(perception="sobel", hidden=16))
    kept, reads = automaton.perception[0].bank, []
    automaton.to("meta")  # of whose tensors nothing can be read
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: reads.append(self.device.type) or kept)
    assert departure(automaton) == departure(automaton) == ""
    assert reads == ["meta"]
    automaton.perception[0].bank.add_(1.0)
    assert departure(automaton) == ""
    assert reads == ["meta", "meta"]

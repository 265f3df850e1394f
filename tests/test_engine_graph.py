"""The native step on rings and meshes: the numbers of the reference, the same bits by any threads."""

from __future__ import annotations

import pytest
import torch

from petri import Automaton, Harmonics, Invariants, Mesh, Mlp, Ring, Spec
from petri.engine import native, native_status
from petri.errors import BadRequest
from petri.graph import icosphere
from petri.nca.graph import Graph, of_edges, ring

pytestmark = pytest.mark.skipif(not native_status()[0], reason="the native step cannot be had here")
SPHERE = icosphere(2).graph()
PAIRS = torch.randint(0, 90, (250, 2), generator=torch.Generator().manual_seed(1))


def of(space, sense, **how) -> Spec:
    how = {"channels": 5, "rule": Mlp(hidden=16, layers=2)} | how
    return Spec(space=space, senses=(sense,), **how)


# All orders, sums and means, fixed planes, gates, bounds, and a graph that is read one way alone.
ONE_WAY = Graph(torch.tensor([0, 2, 2, 3]), torch.tensor([1, 2, 0]))
CASES = [
    (of(Ring(), Harmonics(dimensions=1, valence=2)), None, 700),
    (of(Ring(), Harmonics(dimensions=1, order=0, valence=2), clamp=None), None, 3),
    (of(Mesh(), Harmonics(order=2), channels=17), SPHERE, 162),
    (of(Mesh(), Harmonics(gather="sum"), rule=Mlp(hidden=16, layers=2, gated=True)), SPHERE, 162),
    (of(Mesh(), Harmonics(order=0), fixed=2, rule=Mlp(hidden=32, residual=True)), of_edges(90, PAIRS), 90),
    (of(Mesh(), Harmonics(order=0), rule=Mlp(hidden=16, layers=2, sensed_bound=0.4, hidden_bound=0.5,
        change_bound=0.2)), ONE_WAY, 3),
    (of(Mesh(), Invariants()), SPHERE, 162),
    (of(Mesh(), Invariants(valence=3), channels=17, fixed=2, rule=Mlp(hidden=16, sensed_bound=0.4)),
     SPHERE, 162),
]  # fmt: skip


def rolled(automaton, state, flow, engine):
    state = state.clone().requires_grad_()
    after = automaton.rollout(state, 5, seed=3, start=2, engine=engine)
    return [after.detach(), *torch.autograd.grad((after * flow).sum(), [state, *automaton.parameters()])]


def prepared(spec, graph, nodes):
    random = torch.Generator().manual_seed(nodes)
    automaton = Automaton(spec, generator=random, graph=graph)
    with torch.no_grad():
        automaton.rule.weights[-1].uniform_(-0.3, 0.3, generator=random)
    shape = (3, spec.planes, nodes)
    return automaton, *(torch.randn(shape, generator=random).mul(0.5) for _ in range(2))


@pytest.mark.parametrize(("spec", "graph", "nodes"), CASES)
def test_states_and_gradients_are_those_of_the_reference(spec, graph, nodes):
    automaton, state, flow = prepared(spec, graph, nodes)
    expected, got = (rolled(automaton, state, flow, engine) for engine in ("torch", "native"))
    for ours, theirs in zip(got, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max() + 1e-6


def test_threads_do_not_change_a_bit():
    graph = icosphere(4).graph()
    automaton, state, flow = prepared(of(Mesh(), Harmonics(order=2)), graph, graph.nodes)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            found.append(rolled(automaton, state, flow, "native"))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_a_rollout_in_parts_has_the_same_bits():
    automaton, state, _ = prepared(*CASES[0])
    with torch.no_grad():
        whole = automaton.rollout(state, 9, seed=5, engine="native")
        part = automaton.rollout(state, 4, seed=5, engine="native")
        assert torch.equal(whole, automaton.rollout(part, 5, seed=5, start=4, engine="native"))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (of(Mesh(), Invariants(), living=True), "no living mask"),
        (of(Ring(), Harmonics(dimensions=1), living=True), "no living mask"),
        (Spec(space=Mesh(), senses=(Harmonics(), Harmonics(order=2))), "one sense, got 2"),
    ],
)
def test_what_it_does_not_take_is_said(spec, said):
    assert said in native.obstacle(spec)
    automaton = Automaton(spec, graph=ring(9) if isinstance(spec.space, Ring) else SPHERE)
    nodes = 9 if isinstance(spec.space, Ring) else 162
    with pytest.raises(BadRequest, match=said):
        automaton.rollout(torch.zeros(1, spec.planes, nodes), 1, engine="native")
    assert automaton.rollout(torch.zeros(1, spec.planes, nodes), 1).shape == (1, spec.planes, nodes)

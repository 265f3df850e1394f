"""Rings and meshes: who is whose neighbour, what a node senses, and the step there."""

from __future__ import annotations

import math

import pytest
import torch

from petri import Automaton, Grid, Harmonics, Invariants, Mesh, Mlp, Model, Ring, Spec, Stencil
from petri.errors import BadRequest
from petri.nca.fire import pcg, sample_seeds
from petri.nca.graph import harmonics, hops, nearest, of_edges, ring

OCTAHEDRON = torch.tensor(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float64
)
EDGES = torch.tensor([[a, b] for a in range(6) for b in range(a) if a // 2 != b // 2])


def octahedron(places=OCTAHEDRON):
    """Six nodes of four neighbours each, and one that has none."""
    return of_edges(7, EDGES, torch.cat([places, places[:1] + 3]))


def made(spec: Spec, *, graph=None, seed: int = 0) -> Automaton:
    random = torch.Generator().manual_seed(seed)
    automaton = Automaton(spec, generator=random, graph=graph)
    with torch.no_grad():
        automaton.rule.weights[-1].uniform_(-0.3, 0.3, generator=random)
    return automaton


def ring_spec(**how) -> Spec:
    sense = Harmonics(order=how.pop("order", 1), dimensions=1, valence=2)
    how = {"channels": 5, "rule": Mlp(hidden=16, layers=2)} | how
    return Spec(space=Ring(), senses=(sense,), **how)


def mesh_spec(sense=None, **how) -> Spec:
    how = {"channels": 5, "rule": Mlp(hidden=16, layers=2)} | how
    return Spec(space=Mesh(), senses=(sense or Harmonics(order=2),), **how)


def test_the_rule_of_gary_mesh_has_2364_parameters():
    spec = ring_spec(channels=12, rule=Mlp(hidden=48, layers=2))
    assert spec.features == 36
    assert spec.parameters == 2364
    assert sum(weights.numel() for weights in Automaton(spec).parameters()) == 2364


def test_a_ring_senses_the_difference_and_its_odd_part():
    state = torch.tensor([[1.0, 4.0, 9.0, 20.0]])[None, :, None]
    own, even, odd = Harmonics(dimensions=1, valence=2).build(1, "none")(state, ring(4))[0, :, 0]
    assert own.tolist() == [1, 4, 9, 20]
    assert even.tolist() == [22, 2, 6, -30]  # before + after − 2 · own
    assert odd.tolist() == [-16, 8, 16, -8]  # after − before


def test_harmonics_of_an_order_have_the_same_squares_in_every_direction():
    directions = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = harmonics(directions / directions.norm(dim=1, keepdim=True), 2).square()
    for first, end in ((0, 1), (1, 4), (4, 9)):
        assert torch.allclose(found[first:end].sum(0), torch.ones(50, dtype=torch.float64), atol=1e-12)
    some = harmonics(directions, 2) @ harmonics(directions, 2).T
    assert torch.linalg.matrix_rank(some) == 9


@pytest.mark.parametrize("gather", ["mean", "sum"])
def test_what_a_node_senses_is_the_weighted_difference_to_its_neighbours(gather):
    graph, kind = octahedron(), Harmonics(order=2, gather=gather, valence=6)
    state = torch.randn(2, 3, 1, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sensed = kind.build(3, "none")(state, graph).unflatten(1, (3, 10))
    expected = torch.zeros_like(sensed)
    expected[:, :, 0] = state
    for node in range(6):
        near = [other for other in range(6) if other // 2 != node // 2]
        for other in near:
            along = OCTAHEDRON[other] - OCTAHEDRON[node]
            basis = harmonics(along[None] / along.norm(), 2)[:, 0]
            share = 6 / len(near) if gather == "mean" else 1
            for number, value in enumerate(basis):
                difference = state[..., other] - state[..., node]
                expected[:, :, 1 + number, :, node] += share * value * difference
    assert torch.allclose(sensed, expected, atol=1e-12)
    assert not sensed[:, :, 1:, :, 6].any()  # nobody is near the last one


def test_the_mean_over_neighbours_does_not_grow_with_their_number():
    hub = of_edges(101, torch.tensor([[0, leaf] for leaf in range(1, 101)]))
    state = torch.zeros(1, 1, 1, 101)
    state[..., 0] = 1.0
    mean = Harmonics(order=0).build(1, "none")(state, hub)[0, 1, 0]
    total = Harmonics(order=0, gather="sum").build(1, "none")(state, hub)[0, 1, 0]
    assert math.isclose(mean[0], -6, rel_tol=1e-6) and total[0] == -100


def test_invariants_do_not_turn_with_the_mesh_and_slopes_do():
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double())
    state = torch.randn(1, 4, 1, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for kind, turns in ((Invariants(), False), (Harmonics(order=0), False), (Harmonics(order=1), True)):
        here, there = (kind.build(4, "none")(state, octahedron(at)) for at in (OCTAHEDRON, OCTAHEDRON @ turn))
        assert torch.allclose(here, there, atol=1e-10) is not turns


def test_a_node_fires_by_the_hash_of_its_number():
    spec = ring_spec(fire_rate=0.5, clamp=None)
    automaton = made(spec)
    with torch.no_grad():
        automaton.rule.biases[-1].fill_(1.0)
        automaton.rule.weights[-1].zero_()
    state = torch.zeros(2, 5, 9)
    seeds = sample_seeds(7, 2)
    after = automaton.step(state, step=3, seeds=seeds)
    for sample, seed in enumerate(seeds):
        inner = pcg((seed + pcg(torch.tensor(3))) & 0xFFFFFFFF)
        row = pcg(inner)  # y is 0
        for node in range(9):
            fires = int(pcg((node + row) & 0xFFFFFFFF)) < 2**31
            assert after[sample, 0, node] == float(fires)


@pytest.mark.parametrize(
    ("spec", "graph", "nodes"),
    [
        (ring_spec(), None, 6),
        (ring_spec(rule=Mlp(hidden=16, layers=3, residual=True), clamp=None), None, 5),
        (mesh_spec(), octahedron(), 7),
        (mesh_spec(Invariants()), octahedron(), 7),
    ],
)
def test_gradients_are_those_of_finite_differences(spec, graph, nodes):
    automaton = made(spec, graph=graph).double()
    random = torch.Generator().manual_seed(4)
    state = torch.randn(1, spec.planes, nodes, generator=random, dtype=torch.float64).mul(0.3)
    flow = torch.randn(state.shape, generator=random, dtype=torch.float64)
    inputs = [state.requires_grad_(), *automaton.parameters()]

    def value():
        return (automaton.rollout(state, 3, seed=1, engine="torch") * flow).sum()

    gradients = torch.autograd.grad(value(), inputs)
    far = 1e-5
    with torch.no_grad():
        for tensor, gradient in zip(inputs, gradients, strict=True):
            flat = tensor.view(-1)
            for place in range(0, len(flat), max(1, len(flat) // 8)):
                before = flat[place].item()
                flat[place] = before + far
                above = value()
                flat[place] = before - far
                below = value()
                flat[place] = before
                found = gradient.reshape(-1)[place]
                assert abs((above - below) / (2 * far) - found) <= 1e-8 * max(1, abs(found))


def test_a_model_of_one_mesh_runs_on_another_and_a_ring_on_any_length():
    automaton = made(mesh_spec())
    for graph in (octahedron(), of_edges(6, EDGES, OCTAHEDRON)):
        worn = automaton.on(graph)
        assert next(worn.parameters()) is next(automaton.parameters())
        state = worn.seed_state(graph.nodes)
        assert worn.rollout(state, 3, engine="torch").shape == (1, 5, graph.nodes)
    assert automaton.graph is None
    with pytest.raises(BadRequest, match=r"automaton\.on\(graph\)"):
        automaton.rollout(state, 1)
    with pytest.raises(BadRequest, match="7 nodes, the state 6"):
        automaton.on(octahedron()).rollout(state, 1)
    rule = made(ring_spec())
    for nodes in (3, 64, 1000):
        assert rule.rollout(rule.seed_state(nodes), 2, engine="torch").shape == (1, 5, nodes)


def test_a_ring_that_is_turned_goes_on_turned():
    automaton = made(ring_spec(fire_rate=1.0))
    state = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(0))
    there = automaton.rollout(state.roll(5, -1), 4, engine="torch")
    assert torch.allclose(there, automaton.rollout(state, 4, engine="torch").roll(5, -1), atol=1e-6)


def test_the_living_mask_is_of_a_node_and_its_neighbours():
    spec = ring_spec(living=True, fire_rate=1.0)
    automaton = Automaton(spec)  # which changes nothing
    state = torch.full((1, 5, 10), 0.5)
    state[:, 3] = 0.0
    state[:, 3, 4] = 1.0
    after = automaton.step(state, step=0, seeds=sample_seeds(0, 1))
    assert after[0, 0].nonzero()[:, 0].tolist() == [3, 4, 5]


def test_nodes_are_one_row_inside_and_give_the_same():
    automaton = made(mesh_spec(), graph=octahedron())
    state = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    rows = automaton.rollout(state[:, :, None], 4, seed=3, engine="torch")
    assert torch.equal(rows[:, :, 0], automaton.rollout(state, 4, seed=3, engine="torch"))


def test_a_spec_of_a_ring_or_a_mesh_is_written_and_read():
    for spec in (
        ring_spec(),
        ring_spec(order=0),
        mesh_spec(),
        mesh_spec(Invariants()),
        mesh_spec(living=True),
    ):
        assert Spec.from_json(spec.to_json()) == spec
    model = Model(automaton=Automaton(ring_spec()), target="a ring")
    assert model.grid == (1, 72)
    assert model.seed_state().shape == (1, 5, 72)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Spec(space=Ring()), "a ring has other senses"),
        (lambda: Spec(space=Grid(), senses=(Harmonics(),)), "a grid has other senses"),
        (lambda: Spec(space=Mesh(), senses=(Stencil(),)), "a mesh has other senses"),
        (lambda: Harmonics(order=2, dimensions=1), "order 0 or 1, got 2"),
        (lambda: Harmonics(order=3), "0..2"),
        (lambda: Harmonics(dimensions=2), "dimensions of harmonics"),
        (lambda: Harmonics(valence=0), "valence"),
        (lambda: ring(2), "at least 3 nodes, got 2"),
        (lambda: of_edges(3, torch.tensor([[0, 3]])), r"nodes in 0\.\.2"),
        (lambda: made(ring_spec()).on(ring(5)), "an automaton of a mesh"),
        (
            lambda: Automaton(mesh_spec()).on(of_edges(3, EDGES[:1])).rollout(torch.zeros(1, 5, 3), 1),
            "order 0",
        ),
        (lambda: Automaton(ring_spec()).rollout(torch.zeros(1, 5, 2, 8), 1), "one row, got 2 rows"),
        (lambda: Spec.of(perception="harmonics3"), "unknown sense"),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(BadRequest, match=said):
        make()


def test_how_far_nodes_lie_from_one():
    assert hops(ring(7), 1).tolist() == [1, 0, 1, 2, 3, 3, 2]
    assert hops(octahedron(), 0).tolist() == [0, 2, 1, 1, 1, 1, -1]
    assert nearest(ring(10), 0, 4).nonzero()[:, 0].tolist() == [0, 1, 2, 8, 9]
    assert nearest(octahedron(), 6, 4).nonzero()[:, 0].tolist() == [6]

"""Views of surfaces, upright frames, and what is cut finer."""

import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.graph import Surface, icosphere, named
from petri.graph.mesh import upright
from petri.graph.shapes import SHAPES
from petri.graph.sphere import nodes_of
from petri.graph.views import look, views
from petri.nca import Automaton, Harmonics, Mesh, Noise, Spec
from petri.nca.graph import Graph, of_edges

QUAD = np.array([[0, 1, 2], [0, 2, 3]])
SQUARE = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


def turned(angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])


def test_a_pixel_sees_what_lies_straight_below_it():
    sphere = icosphere(4)
    places = torch.from_numpy(sphere.vertices.T.copy())
    middle = sphere.vertices[100]
    corners, weights, well = look(sphere, middle, middle, 0.8, 12)
    seen = (places[:, torch.from_numpy(corners)] * torch.from_numpy(weights)).sum(-1).numpy()
    right, up, out = upright(middle[None])[0]
    centre = (np.arange(12) + 0.5) / 12 - 0.5
    assert well == 1 and np.abs(weights.sum(-1) - 1).max() < 1e-9 and weights.min() >= -1e-9
    assert np.abs(np.einsum("c,cyx->yx", right, seen) - (right @ middle) - 0.8 * centre[None]).max() < 1e-9
    assert np.abs(np.einsum("c,cyx->yx", up, seen) - (up @ middle) + 0.8 * centre[:, None]).max() < 1e-9
    assert (np.einsum("c,cyx->yx", out, seen) > 0.7).all()  # the near side


def test_the_nearest_is_seen_and_what_faces_away_is_not():
    front, behind = SQUARE + np.array([0.0, 0, 1]), SQUARE * 2
    both = Surface(np.concatenate([behind, front]), np.concatenate([QUAD, QUAD + 4]))
    eye = np.array([0.0, 0.0, 1.0])
    corners, weights, well = look(both, np.zeros(3), eye, 4.0, 8)
    assert well == 1
    assert (corners[2:6, 2:6] >= 4).all() and (corners[:2] < 4).all() and (corners[:, 6:] < 4).all()
    assert look(both, np.zeros(3), -eye, 4.0, 8)[2] == 0
    assert look(both, np.zeros(3), eye, 8.0, 8)[2] == 0.25  # beyond it there is nothing
    corners, weights, _ = look(both, np.zeros(3), eye, 8.0, 8)
    assert not weights[:2].any() and np.allclose(weights[3:5, 3:5].sum(-1), 1)


def test_views_are_drawn_by_their_seed_and_carry_gradients():
    sphere = icosphere(3)
    first, again, other = (views(sphere, 4, width=0.9, side=6, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.corners, again.corners) and torch.equal(first.weights, again.weights)
    assert not torch.equal(first.corners, other.corners) and len(first) == 4
    colours = torch.rand(2, 3, len(sphere.vertices), requires_grad=True)
    seen = first[[0, 2]].of(colours)
    assert seen.shape == (4, 3, 6, 6)
    plain = torch.stack([
        sum(colours[sample][:, first.corners[view, :, :, k]] * first.weights[view, :, :, k] for k in range(3))
        for sample in (0, 1) for view in (0, 2)
    ])  # fmt: skip
    assert torch.allclose(seen, plain, atol=1e-6)
    seen.sum().backward()
    assert colours.grad.sum().item() == pytest.approx(seen.numel(), rel=1e-5)
    assert len(views(Surface(SQUARE, QUAD), 2, width=3.0, side=4, seed=0)) == 0  # larger than it is


def test_upright_frames_turn_with_the_mesh_about_the_upright_axis():
    ball = icosphere(2)
    axes = upright(ball.vertices)
    assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(axes), 1) and np.allclose(axes[:, 2], ball.vertices)
    assert (axes[:, 1, 1] >= -1e-12).all()  # up goes up
    assert np.allclose(upright(np.array([[0.0, 0.0, 1.0]]))[0], np.eye(3))
    assert np.isfinite(upright(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))).all()
    moved = Surface(ball.vertices @ turned(1.1).T, ball.faces)
    apart = ball.graph("upright").directions - moved.graph("upright").directions
    steep = torch.from_numpy(np.abs(ball.normals()[:, 1]) > 0.999)[ball.graph().rows]
    assert apart[~steep].abs().max() < 1e-9
    assert (ball.graph().directions - moved.graph().directions).abs().max() > 0.5


def test_an_automaton_of_one_frame_is_not_run_in_another():
    spec = Spec(space=Mesh(frame="upright"), senses=(Harmonics(order=1),), start=Noise())
    ball = icosphere(1)
    made = Automaton(spec)
    state = made.seed_state(42)
    made.on(ball.graph("upright")).rollout(state, 2)
    with pytest.raises(BadRequest, match="directions by 'upright', the graph has them by 'world'"):
        made.on(ball.graph()).rollout(state, 2)
    assert Spec.from_fields(spec.to_fields()) == spec
    old = spec.to_fields()
    del old["space"]["frame"]
    assert Spec.from_fields(old).space == Mesh(frame="world")
    with pytest.raises(BadRequest, match="frame must be one of"):
        Mesh(frame="sideways")


def area(surface):
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def test_cut_triangles_lie_where_they_lay():
    knot = Surface(SQUARE, QUAD, np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]))
    finer = knot.cut()
    assert (len(finer.vertices), len(finer.faces)) == (4 + 5, 8)
    assert area(finer) == pytest.approx(area(knot)) and finer.edge == pytest.approx(knot.edge / 2, rel=0.1)
    middle = np.flatnonzero((finer.vertices == 0).all(axis=1))
    assert np.allclose(finer.colours[middle], (knot.colours[0] + knot.colours[2]) / 2)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_closed_and_face_outwards(name):
    surface = named.load(name).surface
    assert surface.border == 0 and surface.parts == 1
    assert len(surface.vertices) - len(surface.edges) + len(surface.faces) == 0  # one hole
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0
    assert np.linalg.norm(surface.vertices, axis=1).max() == pytest.approx(1)
    lengths = np.linalg.norm(
        surface.vertices[surface.edges[:, 0]] - surface.vertices[surface.edges[:, 1]], axis=1
    )
    assert lengths.max() < 6 * lengths.min()


def test_a_sphere_has_as_many_vertices_as_its_level_says():
    assert [nodes_of(level) for level in (0, 3)] == [len(icosphere(level).vertices) for level in (0, 3)]
    assert nodes_of(6) == 40_962


def test_a_sense_by_length_finds_the_same_slope_on_a_finer_mesh():
    square = Surface(SQUARE, QUAD)
    coarse, finer = (square.cut().cut().cut(), square.cut().cut().cut().cut())
    found = {}
    for mesh in (coarse, finer):
        x, y = (torch.from_numpy(mesh.vertices[:, axis].copy()) for axis in (0, 1))
        inside = (x.abs() < 0.6) & (y.abs() < 0.6)
        state = torch.stack([x, x.square()])[None, :, None]
        for edge in (0.0, coarse.edge):
            kind = Harmonics(edge=edge)
            sensed = kind.build(2, "none")(state, mesh.graph()).unflatten(1, (2, 5))
            found[mesh is finer, edge] = sensed[0, 0, 4, 0][inside].mean(), sensed[0, 1, 1, 0][inside].mean()
    for slope, bend in (
        (found[True, 0.0][0] / found[False, 0.0][0], found[True, 0.0][1] / found[False, 0.0][1]),
    ):
        assert slope.item() == pytest.approx(0.5) and bend.item() == pytest.approx(0.25)
    for coarsely, finely in zip(found[False, coarse.edge], found[True, coarse.edge], strict=True):
        assert finely.item() == pytest.approx(coarsely.item(), rel=1e-6)
    with pytest.raises(BadRequest, match="needs places"):
        Harmonics(edge=1.0, order=0).weights(Graph(torch.tensor([0, 1, 2]), torch.tensor([1, 0])))
    together = of_edges(2, torch.tensor([[0, 1]]), torch.zeros(2, 3, dtype=torch.float64))
    assert Harmonics(edge=1.0, order=0).weights(together).tolist() == [[6.0, 6.0]]  # lengths that are none

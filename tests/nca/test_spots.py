"""Decoders on triangles, against an implementation in plain loops that shares nothing with them."""

import itertools
import math

import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.graph import icosphere
from petri.nca import Automaton, Harmonics, Mesh, Noise, Ring, Spec
from petri.nca.decoder import Decoder, Lppn, Raster
from petri.nca.spots import Spots

KINDS = (Lppn(width=8, outputs=3, frequencies=0), Lppn(width=5, layers=2, omega=3.0, frequencies=2))
SPEC = Spec(
    space=Mesh(), senses=(Harmonics(),), start=Noise(), decoder=Lppn(width=8, outputs=3, frequencies=0)
)


def share_below(value, low, mode, high):
    """Of a triangular distribution the share that lies below a value."""
    if value < mode:
        return (value - low) ** 2 / ((high - low) * (mode - low))
    return 1 - (high - value) ** 2 / ((high - low) * (high - mode))


def painted(decoder, state, corners, shares):
    """What a decoder says at one point of a state `[channel, node]`, in loops over float64."""
    kind = decoder.kind
    seen = [
        sum(share * state[channel, node] for node, share in zip(corners, shares, strict=True))
        for channel in range(decoder.channels)
    ]
    great, middle, small = sorted(shares, reverse=True)
    u = [
        2 * share_below(great, 1 / 3, 1 / 2, 1) - 1,
        2 * share_below(middle, 0, 1 / 3, 1 / 2) - 1,
        2 * share_below(small, 0, 0, 1 / 3) - 1,
    ]
    where = u if not kind.frequencies else []
    for turn in (math.sin, math.cos):
        where = where + [turn(k * math.pi * value) for k in range(1, kind.frequencies + 1) for value in u]
    values = np.array([*where, *seen])
    for number, (weight, bias) in enumerate(zip(decoder.weights, decoder.biases, strict=True)):
        values = weight.detach().numpy() @ values + bias.detach().numpy()
        if number < kind.layers:
            values = np.sin(kind.omega * values)
    return values


def anywhere(count, nodes, seed=0):
    """Points that are spread evenly over triangles of any nodes."""
    chance = torch.Generator().manual_seed(seed)
    parts = -torch.rand(*count, 3, generator=chance, dtype=torch.float64).log()
    corners = torch.randint(nodes, (*count, 3), generator=chance)
    return Spots(corners=corners, shares=parts / parts.sum(dim=-1, keepdim=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_paints_on_triangles_what_loops_say(kind):
    chance = torch.Generator().manual_seed(3)
    decoder = Decoder(kind, 6, padding="none", axes=3, generator=chance).double()
    state = torch.randn(2, 7, 1, 9, generator=chance, dtype=torch.float64)  # a fixed plane it must not see
    spots = anywhere((4, 5), 9)
    found = decoder(state, spots).detach()
    assert found.shape == (2, kind.outputs, 4, 5)
    for sample, row, column in itertools.product((0, 1), range(4), range(5)):
        corners, shares = (one[row, column].tolist() for one in (spots.corners, spots.shares))
        wanted = painted(decoder, state[sample, :6, 0].numpy(), corners, shares)
        np.testing.assert_allclose(found[sample, :, row, column], wanted, atol=1e-11)


def test_gradients_on_triangles_are_those_of_finite_differences():
    decoder = Decoder(KINDS[1], 4, padding="none", axes=3).double()
    state = torch.rand(2, 4, 1, 5, dtype=torch.float64, requires_grad=True)
    spots = anywhere((6,), 5)
    assert torch.autograd.gradcheck(lambda values: decoder(values, spots), (state,))
    named = [*decoder.weights, *decoder.biases]
    assert torch.autograd.gradcheck(lambda *_: decoder(state.detach(), spots), named)


def test_the_order_of_the_corners_makes_no_difference():
    decoder = Decoder(KINDS[1], 4, padding="none", axes=3).double()
    state, spots = torch.rand(1, 4, 1, 9, dtype=torch.float64), anywhere((50,), 9)
    first = decoder(state, spots)
    for order in itertools.permutations(range(3)):
        turned = Spots(corners=spots.corners[:, list(order)], shares=spots.shares[:, list(order)])
        assert torch.equal(turned.where(), spots.where())
        torch.testing.assert_close(decoder(state, turned), first, rtol=0, atol=1e-12)


def test_what_is_painted_has_no_seams():
    """On an edge its two triangles say the same, around a vertex all do, and near them nearly the same."""
    decoder = Decoder(KINDS[0], 4, padding="none", axes=3).double()
    state = torch.rand(1, 4, 1, 9, dtype=torch.float64)
    along = torch.linspace(0, 1, 21, dtype=torch.float64)
    said = {}
    for beyond, far in itertools.product((5, 7), (0.0, 1e-9)):
        shares = torch.stack([along * (1 - far), (1 - along) * (1 - far), torch.full_like(along, far)], dim=1)
        corners = torch.tensor([2, 3, beyond]).expand(21, 3)
        said[beyond, far] = decoder(state, Spots(corners=corners, shares=shares))
    torch.testing.assert_close(said[5, 0.0], said[7, 0.0], rtol=0, atol=1e-12)
    torch.testing.assert_close(said[5, 1e-9], said[7, 1e-9], rtol=0, atol=1e-5)
    nodes = decoder(state, Spots.of_nodes(9))
    torch.testing.assert_close(said[5, 0.0][..., -1], nodes[..., 2], rtol=0, atol=1e-12)
    assert (said[5, 0.0][..., 10] - nodes[..., 2]).abs().max() > 1e-3


def test_coordinates_of_points_that_are_spread_evenly_are_spread_evenly():
    where = anywhere((40_000,), 3).where()
    assert where.min() >= -1 and where.max() <= 1
    even = torch.linspace(-1, 1, 40_000, dtype=torch.float64)
    apart = (where.sort(dim=1).values - even).abs().amax(dim=1) / 2
    assert apart.max() < 1.95 / 200  # Kolmogorov and Smirnov's bound, one in a thousand by chance


def test_a_decoder_of_triangles_counts_as_the_published_one_does():
    """2,851 of 16 channels on a mesh, as its authors' code has it."""
    kind = Lppn(width=32, outputs=3, frequencies=0)
    assert kind.parameters(16, axes=3) == 2_851
    spec = Spec(space=Mesh(), senses=(Harmonics(),), decoder=kind)
    assert spec.parameters - Spec(space=Mesh(), senses=(Harmonics(),)).parameters == 2_851
    assert Spec.from_json(spec.to_json()) == spec
    assert sum(values.numel() for values in Automaton(spec).decoder.parameters()) == 2_851


def test_a_view_of_a_painted_mesh_is_what_is_painted_at_its_nodes():
    automaton = Automaton(SPEC, generator=torch.Generator().manual_seed(1))
    states = torch.rand(2, 16, 1, 42, generator=torch.Generator().manual_seed(2))
    seen = automaton.view(states)
    assert seen.shape == (2, 3, 1, 42)
    shares = torch.tensor([0.0, 1.0, 0.0]).expand(80, 3)
    faces = torch.from_numpy(icosphere(1).faces)
    said = automaton.paint(states, Spots(corners=faces, shares=shares))
    torch.testing.assert_close(said, seen[:, :, 0, faces[:, 1]], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"space": Ring(), "senses": (Harmonics(dimensions=1),)},
            "the cells of a grid or the nodes of a mesh",
        ),
        ({"living": True, "decoder": Lppn()}, "the colours of a whole mesh: leave out living mask and maps"),
        ({"decoder": Lppn(maps=("height",), outputs=1)}, "leave out living mask and maps"),
        (
            {"decoder": Lppn(coordinates="corner")},
            "are of squares, not of triangles: leave them out, got corner",
        ),
        ({"decoder": Lppn(order="xy")}, "are of squares, not of triangles"),
    ],
)
def test_what_makes_no_sense_on_a_mesh_is_refused(fields, said):
    with pytest.raises(BadRequest, match=said):
        Spec(**{"space": Mesh(), "senses": (Harmonics(),), "decoder": Lppn()} | fields)


def test_rasters_are_of_grids_and_spots_of_meshes():
    flat = Automaton(Spec.of(decoder={"kind": "lppn", "width": 8}))
    with pytest.raises(BadRequest, match="a raster is of a grid, and spots are of a mesh"):
        Automaton(SPEC).paint(torch.zeros(1, 16, 1, 4), Raster.of(8, 8))
    with pytest.raises(BadRequest, match="a raster is of a grid, and spots are of a mesh"):
        flat.paint(torch.zeros(1, 16, 4, 4), Spots.of_nodes(4))

"""Decoders, against an implementation in plain loops that shares nothing with them."""

import math

import numpy as np
import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton, Spec, show
from petri.nca.decoder import Decoder, Lppn, Raster, interpolate

KINDS = (
    Lppn(width=8),
    Lppn(width=8, layers=1, frequencies=0, order="xy"),
    Lppn(width=5, layers=2, outputs=9, omega=3.0, frequencies=2, coordinates="corner"),
)


def painted(decoder, state, row, column):
    """What a decoder says at one point of a state `[channel, height, width]`, in loops over float64."""
    kind, (channels, height, width) = decoder.kind, state.shape
    shift = 0.5 if kind.coordinates == "centre" else 0.0
    down, right = row * height - shift, column * width - shift
    seen = np.zeros(channels)
    for y in (math.floor(down), math.floor(down) + 1):
        for x in (math.floor(right), math.floor(right) + 1):
            share = (1 - abs(down - y)) * (1 - abs(right - x))
            if decoder.padding == "wrap":
                seen += share * state[:, y % height, x % width]
            elif 0 <= y < height and 0 <= x < width:
                seen += share * state[:, y, x]
    u = [2 * (row * height % 1) - 1, 2 * (column * width % 1) - 1]
    if kind.order == "xy":
        u.reverse()
    where = u if not kind.frequencies else []
    for turn in (math.sin, math.cos):
        where = where + [turn(k * math.pi * value) for k in range(1, kind.frequencies + 1) for value in u]
    values = np.array([*where, *seen])
    for number, (weight, bias) in enumerate(zip(decoder.weights, decoder.biases, strict=True)):
        values = weight.detach().numpy() @ values + bias.detach().numpy()
        if number < kind.layers:
            values = np.sin(kind.omega * values)
    return values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["zero", "wrap"])
def test_a_decoder_paints_what_loops_say(kind, padding):
    chance = torch.Generator().manual_seed(3)
    decoder = Decoder(kind, 6, padding=padding, generator=chance).double()
    state = torch.randn(2, 7, 5, 9, generator=chance, dtype=torch.float64)  # a fixed plane it must not see
    raster = Raster.of(13, 20)
    found = decoder(state, raster).detach()
    assert found.shape == (2, kind.outputs, 13, 20)
    for row in (0, 1, 6, 12):
        for column in (0, 7, 19):
            wanted = painted(decoder, state[1, :6].numpy(), (row + 0.5) / 13, (column + 0.5) / 20)
            np.testing.assert_allclose(found[1, :, row, column], wanted, atol=1e-11)


def test_a_crop_is_a_part_of_the_whole_bit_for_bit():
    decoder = Decoder(Lppn(width=16), 12, padding="zero", generator=torch.Generator().manual_seed(1))
    state = torch.rand(1, 12, 8, 8, generator=torch.Generator().manual_seed(2))
    raster = Raster.of(64, 64)
    whole, part = decoder(state, raster), decoder(state, raster.crop(10, 30, 16, 20))
    torch.testing.assert_close(part, whole[..., 10:26, 30:50], rtol=0, atol=1e-6)


def test_at_the_middles_of_the_cells_the_state_is_what_it_is():
    state = torch.rand(1, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(interpolate(state, Raster.of(4, 6), padding="zero"), state)
    corners = Raster(rows=torch.arange(4) / 4, columns=torch.arange(6) / 6)
    seen = interpolate(state, corners, padding="zero", coordinates="corner")
    torch.testing.assert_close(seen, state)


def test_gradients_are_those_of_finite_differences():
    decoder = Decoder(Lppn(width=4, layers=2), 4, padding="wrap").double()
    state = torch.rand(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: decoder(values, Raster.of(5, 7)), (state,))


def test_a_decoder_counts_as_published_ones_do():
    """10,948 of a growing one and 3,017 of one with nine maps, as its authors' code has them."""
    assert Lppn().parameters(32) == 10_948
    assert Lppn(width=32, outputs=9, frequencies=0).parameters(16) == 3_017
    spec = Spec.of(decoder={"kind": "lppn"}, living=True)
    plain = Spec.of(living=True)
    assert spec.parameters - plain.parameters == Lppn().parameters(16)
    assert Spec.from_json(spec.to_json()) == spec
    assert sum(w.numel() for w in Automaton(spec).decoder.parameters()) == Lppn().parameters(16)


@pytest.mark.parametrize("living", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_without_a_decoder_a_view_is_what_is_shown_bit_for_bit(living, scale):
    automaton = Automaton(Spec.of(living=living, colour_scale=scale))
    states = torch.randn(3, 16, 6, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(automaton.view(states, 400), show(states, automaton.spec))
    (band,) = automaton.bands(states[1], 400)
    assert torch.equal(band, show(states[1], automaton.spec))


@pytest.mark.parametrize("living", [False, True])
def test_in_bands_the_same_is_painted_as_at_once(living, monkeypatch):
    spec = Spec.of(channels=8, living=living, decoder={"kind": "lppn", "width": 8})
    automaton = Automaton(spec, generator=torch.Generator().manual_seed(2))
    states = torch.rand(2, 8, 4, 6, generator=torch.Generator().manual_seed(3))
    states[:, 3] -= 0.4  # some of it dead
    whole = automaton.view(states, 90)
    assert whole.shape == (2, 3 + living, 60, 90)
    monkeypatch.setattr("petri.nca.automaton.BAND", 700)
    bands = list(automaton.bands(states[1], 90))
    assert [band.shape[1] for band in bands] == [7] * 8 + [4]
    torch.testing.assert_close(torch.cat(bands, dim=1), whole[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(automaton.view(states, 90), whole, rtol=0, atol=1e-6)


def test_a_figure_is_painted_only_where_the_alpha_between_its_cells_lives():
    spec = Spec.of(channels=8, living=True, decoder={"kind": "lppn", "width": 8})
    automaton = Automaton(spec, generator=torch.Generator().manual_seed(2))
    state = torch.rand(1, 8, 5, 5, generator=torch.Generator().manual_seed(3)) - 0.3
    raster = Raster.of(40, 40)
    lives = interpolate(state[:, 3:4], raster, padding="zero") > 0.1
    assert 0.1 < lives.float().mean() < 0.9
    seen = automaton.paint(state, raster)
    torch.testing.assert_close(seen, automaton.decoder(state, raster) * lives, rtol=0, atol=1e-6)


def test_who_has_no_decoder_cannot_paint():
    with pytest.raises(BadRequest, match="no decoder to paint with"):
        Automaton(Spec.of()).paint(torch.zeros(1, 16, 4, 4), Raster.of(8, 8))

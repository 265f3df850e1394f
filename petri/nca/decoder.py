"""Decoders: what paints a picture of a state at any resolution, from what lies between the cells."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest
from petri.maps import MAPS
from petri.nca.spots import Spots

COORDINATES = ("centre", "corner")
ORDERS = ("yx", "xy")


@dataclass(frozen=True, kw_only=True)
class Lppn:
    """A local pattern producing network, which is asked at every point of a picture.

    It is given the state as it is between the cells, by bilinear interpolation, and where in its patch the
    point lies: the patch is a square as large as a cell, and a coordinate u in it goes from −1 to 1. On a
    mesh the patches are triangles, of three coordinates: see `petri.nca.spots.Spots`. Layers of sines follow,
    sin(omega · (W x + b)), and a linear one.

    Raises:
        BadRequest: a value out of range.

    Source: Pajouheshgar et al., Cells2Pixels (arXiv 2506.22899). Its text has cells at the corners of the
    patches, its code at their centres.
    """

    width: int = 64  # of the layers of sines
    layers: int = 3  # of sines
    outputs: int = 4  # numbers a point: RGB, of a figure alpha, then what else there is to paint
    omega: float = 10.0
    frequencies: int = 1  # n: what is given is sin kπu and cos kπu for k = 1…n; 0: u itself
    coordinates: str = "centre"  # of a square, where its cell sits; corner: at the first corner
    order: str = "yx"  # of a square's coordinates: down and then right, or the other way about
    maps: tuple[str, ...] = ()  # of a material: names of MAPS, in their order, which the outputs are

    def __post_init__(self) -> None:
        checks.whole("width", self.width, 1, 512)
        checks.whole("layers", self.layers, 1, 8)
        if self.maps:
            self._check_maps()
        else:
            checks.whole("outputs", self.outputs, 3, 64)
        object.__setattr__(self, "omega", checks.number("omega", self.omega, 0, 1e3, low_open=True))
        checks.whole("frequencies", self.frequencies, 0, 16)
        checks.choice("coordinates", self.coordinates, COORDINATES)
        checks.choice("order", self.order, ORDERS)

    def _check_maps(self) -> None:
        names = tuple(self.maps) if isinstance(self.maps, (tuple, list)) else (self.maps,)
        for name in names:
            checks.choice("each of maps", name, tuple(MAPS))
        if names != tuple(name for name in MAPS if name in names):
            raise BadRequest(f"maps must be in the order {', '.join(MAPS)}, got {', '.join(names)}")
        object.__setattr__(self, "maps", names)
        wanted = sum(MAPS[name] for name in names)
        if self.outputs != wanted:
            raise BadRequest(f"the maps {', '.join(names)} are {wanted} outputs, got {self.outputs}")

    def places(self) -> dict[str, tuple[int, ...]]:
        """The outputs of each map, by its name."""
        found, at = {}, 0
        for name in self.maps:
            found[name] = tuple(range(at, at + MAPS[name]))
            at += MAPS[name]
        return found

    def seen(self, *, alpha: bool) -> tuple[int, ...]:
        """The outputs that are RGB of what is seen, and alpha if there is any.

        Of a material they are its albedo; without one its normals, or else its first map, in grey.
        """
        places = self.places()
        for name in ("albedo", "normal"):
            if name in places:
                return places[name]
        return (0, 0, 0) if self.maps else tuple(range(3 + alpha))

    def inputs(self, channels: int, axes: int = 2) -> int:
        """Numbers that it is given at a point, which has so many coordinates in its patch."""
        return (2 * axes * self.frequencies or axes) + channels

    def parameters(self, channels: int, axes: int = 2) -> int:
        """Its weights and biases."""
        sizes = self.sizes(channels, axes)
        return sum(before * after + after for before, after in itertools.pairwise(sizes))

    def sizes(self, channels: int, axes: int = 2) -> list[int]:
        """Numbers before, between and after its layers."""
        return [self.inputs(channels, axes)] + [self.width] * self.layers + [self.outputs]

    def describe(self) -> str:
        """In a few words, such as `decoder of 3 × 64`."""
        return f"decoder of {self.layers} × {self.width}"


DECODERS: dict[str, type] = {"lppn": Lppn}


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Points in rows and columns, at which a picture is painted.

    Attributes:
        rows: where the rows lie, `[height]`, as fractions of the grid from its top.
        columns: where the columns lie, `[width]`, as fractions of the grid from its left.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, height: int, width: int, *, device: torch.device | None = None) -> Raster:
        """The middles of all pixels of a picture of the whole grid."""
        rows, columns = (
            (torch.arange(size, device=device, dtype=torch.float64) + 0.5) / size for size in (height, width)
        )
        return cls(rows=rows, columns=columns)

    def crop(self, top: int, left: int, height: int, width: int) -> Raster:
        """A part of it."""
        return Raster(rows=self.rows[top : top + height], columns=self.columns[left : left + width])


class Decoder(nn.Module):
    """What an `Lppn` describes.

    Args:
        lppn: its layers.
        channels: of the state that evolve; it sees no other.
        padding: of the grid; beyond a zero-padded one all values are 0.
        axes: coordinates in a patch: two of a grid, three of a mesh.

    Attributes:
        weights: matrices `[out, in]`, first layer first.
        biases: vectors `[out]`.

    Source: Sitzmann et al. 2020 for the first weights; the last layer's are drawn as the others' are.
    """

    def __init__(
        self,
        lppn: Lppn,
        channels: int,
        *,
        padding: str,
        axes: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.channels, self.padding = lppn, channels, padding
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for number, (inputs, outputs) in enumerate(itertools.pairwise(lppn.sizes(channels, axes))):
            bound = 1 / inputs if number == 0 else math.sqrt(6 / inputs) / lppn.omega
            for values, shape in ((self.weights, (outputs, inputs)), (self.biases, (outputs,))):
                values.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))

    def forward(self, state: Tensor, points: Raster | Spots, only: Tensor | None = None) -> Tensor:
        """Paint.

        Args:
            state: `[batch, planes, height, width]`, the channels that evolve first; of a mesh
                `[batch, planes, 1, node]`.
            points: of a grid a raster, of a mesh spots on its triangles.
            only: the points that are painted, bool `[batch, 1, rows, columns]`; others are 0. All if None.

        Returns:
            `[batch, outputs, rows, columns]`, of spots `[batch, outputs, …]`, not bounded.
        """
        state = state[:, : self.channels]
        if isinstance(points, Spots):
            seen, where = points.between(state.squeeze(-2)), points.where()
        else:
            seen = interpolate(state, points, padding=self.padding, coordinates=self.kind.coordinates)
            where = self._where(points, *state.shape[-2:])
        batch, _, *size = seen.shape
        where = self._turned(where).to(seen)
        given = torch.cat([where.expand(batch, *where.shape), seen], dim=1).transpose(0, 1).flatten(1)
        if only is None:
            said = self._ask(given)
        else:  # a figure leaves much of its picture empty
            places = only.flatten().nonzero()[:, 0]
            said = given.new_zeros(self.kind.outputs, given.shape[1])
            said = said.index_copy(1, places, self._ask(given.index_select(1, places)))
        return said.unflatten(1, (batch, *size)).transpose(0, 1)

    def _ask(self, given: Tensor) -> Tensor:
        """What the layers make of what they are given: `[inputs, points]` to `[outputs, points]`."""
        *sines, (last, shift) = zip(self.weights, self.biases, strict=True)
        for weight, bias in sines:
            # Omega is multiplied into the few weights, not into the many sums.
            given = torch.addmm((self.kind.omega * bias)[:, None], self.kind.omega * weight, given).sin()
        return torch.addmm(shift[:, None], last, given)

    def _where(self, raster: Raster, height: int, width: int) -> Tensor:
        """Where the points lie in their patches, `[2, rows, columns]` in −1…1."""
        down = (raster.rows * height % 1 * 2 - 1)[:, None].expand(-1, len(raster.columns))
        right = (raster.columns * width % 1 * 2 - 1)[None].expand(len(raster.rows), -1)
        return torch.stack([down, right] if self.kind.order == "yx" else [right, down])

    def _turned(self, where: Tensor) -> Tensor:
        """Coordinates `[axes, …]` as the layers are given them, `[2 · axes · n or axes, …]`."""
        if not self.kind.frequencies:
            return where
        turns = [math.pi * k * where for k in range(1, self.kind.frequencies + 1)]
        return torch.cat([*(turn.sin() for turn in turns), *(turn.cos() for turn in turns)])


def interpolate(state: Tensor, raster: Raster, *, padding: str, coordinates: str = "centre") -> Tensor:
    """A state between its cells, by bilinear interpolation.

    Args:
        state: `[batch, channel, height, width]`.
        raster: the points.
        padding: `wrap`, or `zero` beyond the grid.
        coordinates: where in its patch a cell sits: `centre` or `corner`.

    Returns:
        `[batch, channel, rows, columns]`.
    """
    height, width = state.shape[-2:]
    down, right = (
        _shares(at, cells, padding=padding, coordinates=coordinates).to(state)
        for at, cells in ((raster.rows, height), (raster.columns, width))
    )
    return down @ state @ right.T


def _shares(at: Tensor, cells: int, *, padding: str, coordinates: str) -> Tensor:
    """What each of the cells along one side gives to each point, `[points, cells]`."""
    place = at.double() * cells - (0.5 if coordinates == "centre" else 0.0)
    first = place.floor()
    after = place - first
    shares = torch.zeros(len(at), cells, dtype=torch.float64, device=at.device)
    for index, share in ((first.long(), 1 - after), (first.long() + 1, after)):
        if padding == "wrap":
            index = index % cells
        within = (index >= 0) & (index < cells)
        shares.scatter_add_(1, index.clamp(0, cells - 1)[:, None], (share * within)[:, None])
    return shares

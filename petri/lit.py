"""Materials under a light: what maps come to together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from petri.nca import Automaton
    from petri.nca.decoder import Lppn

LIGHT = (-0.5, 0.6, 0.75)  # where it comes from: right, up, out of the surface; of any length
BRIGHT, AROUND = 3.2, 0.35  # of the light, and of what comes from everywhere
GAMMA = 2.2  # of what a screen shows
FACING = 0.04  # share of light that a surface of no metal throws back where it is met squarely
PLAIN = 0.6  # albedo of a material that has none
DULL = 0.8  # roughness
DEPTH = 0.02  # of the whole range of heights, as a share of the side, where there are no normals


def lit(maps: Mapping[str, Tensor], *, light: tuple[float, float, float] | Tensor = LIGHT) -> Tensor:
    """A surface seen from above, a light beside it.

    Args:
        maps: by their names, `[1 or 3, height, width]` in 0..1, as of `petri.maps.MAPS`; those that
            are missing are plain.
        light: where it comes from: one direction for all points, or of each its own, `[3, height, width]`; of
            any length.

    Returns:
        RGB `[3, height, width]` in 0..1.

    Source: Walter et al. 2007 (GGX), Smith's shadows by Karis 2013, Schlick 1994.
    """
    some = next(iter(maps.values()))
    albedo = maps["albedo"].clamp(0, 1) ** GAMMA if "albedo" in maps else some.new_tensor(PLAIN)
    rough = maps["roughness"].clamp(0.1, 1) if "roughness" in maps else some.new_tensor(DULL)
    reached = maps["occlusion"].clamp(0.05, 1) if "occlusion" in maps else some.new_tensor(1.0)
    faces = facing(maps)
    towards = light if isinstance(light, Tensor) else some.new_tensor(light)[:, None, None]
    towards = towards / towards.norm(dim=0, keepdim=True)
    half = towards + some.new_tensor([0.0, 0.0, 1.0])[:, None, None]
    half = half / half.norm(dim=0, keepdim=True)
    met = (faces * towards).sum(0, keepdim=True).clamp_min(0)
    seen = faces[2:].clamp_min(1e-3)
    along = (faces * half).sum(0, keepdim=True).clamp_min(0)
    alpha = rough.square().square()
    spread = alpha / (along.square() * (alpha - 1) + 1).square() / math.pi
    shadow = (rough + 1).square() / 8
    hidden = 1 / ((met * (1 - shadow) + shadow) * (seen * (1 - shadow) + shadow)) / 4
    thrown = FACING + (1 - FACING) * (1 - half[2:]) ** 5
    light_back = (1 - thrown) * albedo / math.pi + spread * hidden * thrown
    colour = BRIGHT * met * light_back + AROUND * reached * albedo
    return colour.expand(3, *some.shape[1:]).clamp(0, 1) ** (1 / GAMMA)


def seen(values: Tensor, decoder: Lppn) -> Tensor:
    """What a decoder says, `[outputs, height, width]`, as it is seen: RGB, of a material under the light."""
    if not decoder.maps:
        return values[:3]
    return lit({name: values[list(places)] for name, places in decoder.places().items()})


def bands(automaton: Automaton, state: Tensor, pixels: int | None = None) -> Iterator[Tensor]:
    """A material under the light, in bands of whole rows from the top, `[3, rows, columns]` each.

    Args:
        automaton: whose decoder paints maps.
        state: `[planes, height, width]`.
        pixels: along the longer side, as of `Automaton.view`.
    """
    decoder = automaton.spec.decoder
    assert decoder is not None, "who asks has one"
    painted: Iterable[Tensor] = automaton.bands(state, pixels, whole=True)
    if "normal" not in decoder.maps:  # what a place is like depends on those around it
        painted = [torch.cat(list(painted), dim=-2)]
    for band in painted:
        yield seen(band, decoder)


def facing(maps: Mapping[str, Tensor]) -> Tensor:
    """The directions that a surface faces, of length 1: `[3, height, width]`; right, up and out of it."""
    some = next(iter(maps.values()))
    if "normal" in maps:
        way = 2 * maps["normal"] - 1
    elif "height" in maps:
        height, size = maps["height"][0], max(some.shape[1:])
        right, down = ((height.roll(-1, axis) - height.roll(1, axis)) * (DEPTH * size / 2) for axis in (1, 0))
        way = torch.stack([-right, down, torch.ones_like(height)])
    else:
        way = some.new_tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, *some.shape[1:])
    way = torch.cat([way[:2], way[2:].clamp_min(1e-3)])
    return way / way.norm(dim=0, keepdim=True)

"""A Spec and its weights as the kernels of `petri.engine.kernels` read them: in tiles, padded with zeros."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.nca.senses import Conv, Stencil
from petri.nca.senses.conv import Convolution
from petri.nca.senses.stencil import Bank

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton
    from petri.nca.spec import Spec

LEAST = 16  # the narrowest tile that is multiplied
WIDEST = 64  # of a part of a convolution


def padded(width: int) -> int:
    """The width of a tile that holds so many columns: a power of two."""
    return max(LEAST, 1 << (width - 1).bit_length())


@dataclass(frozen=True)
class Widths:
    """How wide the tiles of a Spec are, and how many parts its features have; see `petri.engine.kernels`."""

    wide: int  # planes of a state
    out: int  # outputs of the rule: a change a plane and, behind the planes, the gate
    hidden: int
    tile: int  # units of the second hidden layer that are computed at once
    felt: int  # features of a part of a convolution
    stencils: int  # filters of all stencils
    convs: int  # parts of all convolutions

    @property
    def features(self) -> int:
        """All features of a cell."""
        return self.stencils * self.wide + self.convs * self.felt

    @classmethod
    def of(cls, spec: Spec) -> Widths:
        """Those of a Spec of stencils and convolutions."""
        hidden = padded(spec.rule.hidden)
        convs = [sense.width for sense in spec.senses if isinstance(sense, Conv)]
        felt = WIDEST  # narrower where so much would be zeros
        while felt > LEAST and 4 * sum(_up(width, felt) for width in convs) > 5 * sum(convs):
            felt //= 2
        return cls(
            wide=padded(spec.planes),
            out=padded(spec.planes + spec.rule.gated),
            hidden=hidden,
            tile=min(hidden, 64),
            felt=felt,
            stencils=sum(len(sense.filters) for sense in spec.senses if isinstance(sense, Stencil)),
            convs=sum(_up(width, felt) // felt for width in convs),
        )


@dataclass(frozen=True)
class Taps:
    """Which cells each part of the features reads, on a device.

    Attributes:
        table: int32 `[tap, 3]`: rows and columns to the cell, and the part among the stencils' or the
            convolutions'. Where the grid wraps, none is negative.
        firsts: int32 `[parts + 1]`: the first tap of each part.
        fixed: float32 `[tap]`: what the taps of stencils are, where these are not trained.
        stencils: taps of all stencils, which come first.
    """

    table: Tensor
    firsts: Tensor
    fixed: Tensor
    stencils: int

    @classmethod
    @cache
    def of(cls, spec: Spec, height: int, width: int, device: torch.device) -> Taps:
        """Those of a Spec on a grid."""
        wraps, felt = spec.space.padding == "wrap", Widths.of(spec).felt
        lines: list[tuple[int, int, int]] = []
        firsts, fixed, part = [], [], 0
        for sense in spec.senses:
            if isinstance(sense, Stencil):
                for filtered in sense.taps():
                    firsts.append(len(lines))
                    chosen = _chosen(sense, filtered)
                    lines += [(*_distance(sense, int(tap)), part) for tap in chosen]
                    fixed += filtered.flatten()[chosen].tolist()
                    part += 1
        stencils, part = len(lines), 0
        for sense in spec.senses:
            if isinstance(sense, Conv):
                for _ in range(_up(sense.width, felt) // felt):
                    firsts.append(len(lines))
                    lines += [(*_distance(sense, tap), part) for tap in range(sense.size**2)]
                    part += 1
        if wraps:
            lines = [(down % height, right % width, part) for down, right, part in lines]
        return cls(
            table=torch.tensor(lines, dtype=torch.int32, device=device),
            firsts=torch.tensor([*firsts, len(lines)], dtype=torch.int32, device=device),
            fixed=torch.tensor(fixed, device=device),
            stencils=stencils,
        )


def _chosen(sense: Stencil, filtered: Tensor) -> Tensor:
    """The taps of a filter that are read: those of a fixed one that are not 0."""
    return torch.arange(sense.size**2) if sense.trained else filtered.flatten().nonzero().flatten()


def _distance(sense: Stencil | Conv, tap: int) -> tuple[int, int]:
    """Rows and columns from a cell to that of one of its taps."""
    down, right = divmod(tap, sense.size)
    return (down - sense.size // 2) * sense.dilation, (right - sense.size // 2) * sense.dilation


def _up(width: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-width // step) * step


def pack(automaton: Automaton, taps: Taps) -> list[Tensor]:
    """Weights in the order in which kernels take them, float32, by operations that autograd knows.

    Returns:
        Stencils' taps `[tap, wide]`, convolutions' weights `[tap, wide, felt]` and biases `[convs · felt]`,
        and of each layer the weights `[in, out]` and the biases: the first, the middle, the last; a middle
        layer that is not there has none.
    """
    spec, rule = automaton.spec, automaton.rule
    widths = Widths.of(spec)
    banks = _bank(automaton, taps, widths)
    filters, filter_biases = _filters(automaton, widths)
    above = widths.hidden - spec.rule.hidden
    middle, middle_bias = banks.new_empty(0), banks.new_empty(0)
    if spec.rule.layers == 3:
        middle = F.pad(rule.weights[1].T, (0, above, 0, above))
        middle_bias = _pad(rule.biases[1], widths.hidden)
    packed = (
        *(banks, filters, filter_biases),
        *(_first(rule.weights[0].T, spec, widths), _pad(rule.biases[0], widths.hidden)),
        *(middle, middle_bias),
        *(
            F.pad(_out(rule.weights[-1].T, spec, widths), (0, 0, 0, above)),
            _out(rule.biases[-1], spec, widths),
        ),
    )
    return [values.contiguous() for values in packed]


def _bank(automaton: Automaton, taps: Taps, widths: Widths) -> Tensor:
    """The taps of all stencils: the same of all planes where they are fixed."""
    planes, start = automaton.spec.planes, 0
    parts = [taps.fixed.new_empty(0, widths.wide)]
    for module in automaton.perception:
        if isinstance(module, Bank):
            count = sum(len(_chosen(module.kind, filtered)) for filtered in module.kind.taps())
            fixed = taps.fixed[start : start + count, None].expand(-1, planes)
            parts.append(_pad(module.bank.view(planes, -1).T if module.kind.trained else fixed, widths.wide))
            start += count
    return torch.cat(parts)


def _filters(automaton: Automaton, widths: Widths) -> tuple[Tensor, Tensor]:
    """The weights and biases of all convolutions, in parts of their width."""
    weights, biases = [], []
    for module in automaton.perception:
        if isinstance(module, Convolution):
            size = _up(module.kind.width, widths.felt)
            weight = _pad(module.weight.flatten(2).permute(2, 1, 0), size)  # [tap, plane, feature]
            parts = weight.unflatten(2, (-1, widths.felt)).permute(2, 0, 1, 3).flatten(0, 1)
            weights.append(F.pad(parts, (0, 0, 0, widths.wide - parts.shape[1])))
            biases.append(_pad(module.bias, size))
    if not weights:
        nothing = automaton.rule.weights[0].new_empty(0)
        return nothing, nothing
    return torch.cat(weights), torch.cat(biases)


def _first(weights: Tensor, spec: Spec, widths: Widths) -> Tensor:
    """The rule's first layer `[feature, hidden]`, by parts of the features."""
    weights, parts = _pad(weights, widths.hidden), []
    many = spec.planes * widths.stencils
    if many:  # they come channel by channel, and are wanted filter by filter
        by_filter = weights[:many].unflatten(0, (spec.planes, -1)).transpose(0, 1)
        parts.append(F.pad(by_filter, (0, 0, 0, widths.wide - spec.planes)).flatten(0, 1))
    for part in weights[many:].split([sense.width for sense in spec.senses if isinstance(sense, Conv)]):
        parts.append(F.pad(part, (0, 0, 0, _up(len(part), widths.felt) - len(part))))
    return torch.cat(parts)


def _pad(values: Tensor, columns: int) -> Tensor:
    return F.pad(values, (0, columns - values.shape[-1]))


def _out(values: Tensor, spec: Spec, widths: Widths) -> Tensor:
    """Columns of the rule's outputs: the channels, nothing for the fixed planes, the gate."""
    changes, gate = values[..., : spec.channels], values[..., spec.channels :]
    return _pad(torch.cat([_pad(changes, spec.planes), gate], dim=-1), widths.out)

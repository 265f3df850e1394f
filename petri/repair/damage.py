"""What is lost of a matrix: masks, `bool [rows, columns]`, true where a weight is known; and flipped bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from petri import checks
from petri.errors import BadRequest


def check_rate(rate: float) -> float:
    """A share of weights that is lost, as it is.

    Raises:
        BadRequest: nothing or all is lost.
    """
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 < rate < 1:
        raise BadRequest(f"the damage must be a share between 0 and 1, without both, got {rate!r}")
    return float(rate)


def _least(scores: Tensor, rate: float) -> Tensor:
    """A mask without the `rate` of places that have the least scores; at least one is lost, one is left."""
    lost = min(max(1, round(rate * scores.numel())), scores.numel() - 1)
    mask = torch.ones(scores.numel(), dtype=torch.bool)
    mask[torch.from_numpy(np.argpartition(scores.flatten().numpy(), lost - 1)[:lost])] = False
    return mask.view(scores.shape)


def anywhere(shape: Sequence[int], rate: float, chance: torch.Generator) -> Tensor:
    """Single weights, at random places."""
    return _least(torch.rand(*shape, generator=chance), check_rate(rate))


def rows(shape: Sequence[int], rate: float, chance: torch.Generator) -> Tensor:
    """Whole rows: all weights of some units; none of them has a neighbour in its own row left."""
    kept = _least(torch.rand(int(shape[0]), generator=chance), check_rate(rate))
    return kept[:, None].expand(*shape).clone()


def columns(shape: Sequence[int], rate: float, chance: torch.Generator) -> Tensor:
    """Whole columns: all weights of some inputs."""
    kept = _least(torch.rand(int(shape[1]), generator=chance), check_rate(rate))
    return kept[None].expand(*shape).clone()


def blocks(shape: Sequence[int], rate: float, chance: torch.Generator, length: int = 128) -> Tensor:
    """Runs of contiguous weights, 512 bytes of float32 each, as a disk loses them."""
    count = shape[0] * shape[1]
    length = max(1, min(length, count // 2))
    kept = _least(torch.rand(-(-count // length), generator=chance), check_rate(rate))
    return kept.repeat_interleave(length)[:count].view(*shape).clone()


KINDS: dict[str, Callable[[Sequence[int], float, torch.Generator], Tensor]] = {
    "random": anywhere,
    "rows": rows,
    "columns": columns,
    "blocks": blocks,
}
ADVERSARIAL = "adversarial"  # the weights that matter most, by the gradient


def mask(kind: str, shape: Sequence[int], rate: float, seed: int) -> Tensor:
    """A mask of one of `KINDS`.

    Raises:
        BadRequest: an unknown kind, or a rate out of range.
    """
    checks.choice("the damage", kind, tuple(KINDS))
    return KINDS[kind](shape, rate, torch.Generator().manual_seed(seed))


def adversarial(weights: Tensor, gradient: Tensor, rate: float) -> Tensor:
    """The weights whose loss changes the outputs most, to first order: the largest |weight · gradient|.

    Args:
        weights: of the layer.
        gradient: of a loss of the network, of the same shape.
        rate: share of weights that is lost.
    """
    return _least(-(weights * gradient).abs(), check_rate(rate))


def flip_bits(weights: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Weights of which some have one bit flipped, at places unknown.

    Args:
        weights: float32.
        count: how many of them, each once.
        seed: of the places and the bits.

    Returns:
        The weights, and where they changed, bool.
    """
    checks.whole("the number of flipped bits", count, 1, weights.numel())
    chance = np.random.default_rng(seed)
    places = chance.choice(weights.numel(), count, replace=False)
    words = weights.detach().contiguous().numpy().copy().view(np.uint32).reshape(-1)
    words[places] ^= np.uint32(1) << chance.integers(0, 32, count).astype(np.uint32)
    changed = torch.zeros(weights.numel(), dtype=torch.bool)
    changed[torch.from_numpy(places)] = True
    return torch.from_numpy(words.view(np.float32)).view(weights.shape), changed.view(weights.shape)

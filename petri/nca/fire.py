"""Which cells take part in a step: a counter-based hash, the same integers on every backend."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

WORD = 0xFFFFFFFF
SAMPLE_STRIDE = 0x9E3779B9  # keeps the samples of a batch apart: 2^32 divided by the golden ratio


Words = TypeVar("Words", Tensor, int)


def pcg(value: Words) -> Words:
    """Hash 32-bit words held in int64 tensors, of any shape, or one as an int.

    Source: O'Neill's PCG-RXS-M-XS-32, as a hash in Jarzynski and Olano 2020.
    """
    a = (value * 747796405 + 2891336453) & WORD
    w = (((a >> ((a >> 28) + 4)) ^ a) * 277803737) & WORD
    return (w >> 22) ^ w


def sample_seeds(seed: int, batch: int, *, first: int = 0, device: torch.device | str = "cpu") -> Tensor:
    """Give each sample of a batch its own seed: `seed XOR (b · 0x9E3779B9)`.

    Args:
        seed: of the rollout, 0..2³²−1; the first sample keeps it.
        batch: number of samples.
        first: number of the first of them.
        device: where the seeds live.

    Returns:
        int64 `[batch]`, each in 0..2³²−1.
    """
    return ((torch.arange(first, first + batch, device=device) * SAMPLE_STRIDE) & WORD) ^ (seed & WORD)


def fire_words(seeds: Tensor, step: int | Tensor, height: int, width: int) -> Tensor:
    """Draw a 32-bit word for each cell: `pcg(x + pcg(y + pcg(seed + pcg(step))))`.

    Args:
        seeds: int64 `[batch]`, from `sample_seeds`.
        step: counted from 0 since the rollout began; as a tensor if the step is compiled.
        height, width: of the grid; row 0 is the top row.

    Returns:
        int64 `[batch, 1, height, width]`, each in 0..2³²−1.
    """
    device = seeds.device
    # The step stays an int where it is one: a tensor of it would have to be copied to a GPU.
    moment: Any = step & WORD
    word = pcg((seeds + pcg(moment)) & WORD)[:, None]
    word = pcg((torch.arange(height, device=device) + word) & WORD)[:, :, None]
    return pcg((torch.arange(width, device=device) + word) & WORD)[:, None]


def fires(words: Tensor, probability: float | Tensor) -> Tensor:
    """Tell which cells fire: those whose word is below `floor(probability · 2³²)`.

    Args:
        words: from `fire_words`.
        probability: one number in [0, 1], or one a cell that broadcasts against `words`.

    Returns:
        bool, of the shape of `words`; a probability of 1 always fires.
    """
    if isinstance(probability, Tensor):
        # A float32 times a power of two is exact, so every backend gets the same threshold.
        return words < (probability.float() * 4294967296.0).to(torch.int64)
    return words < int(probability * 4294967296.0)

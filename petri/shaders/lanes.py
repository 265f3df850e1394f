"""Numbers in fours, as a texel holds them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

LANES = 4  # of a texel


def in_fours(values: Tensor) -> np.ndarray:
    """Numbers, four a texel: from `[..., n]` to float32 `[..., ⌈n / 4⌉, 4]`; what is missing is 0."""
    numbers = values.detach().cpu().numpy()
    padded = np.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, -numbers.shape[-1] % LANES)])
    return padded.reshape(*padded.shape[:-1], -1, LANES)

"""Colours and soft edges that the patterns share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

INK = (0.035, 0.04, 0.085)  # the dark that bright figures stand on


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, a smooth rise between."""
    t = ((value - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def mix(a: ArrayLike, b: ArrayLike, t: np.ndarray) -> np.ndarray:
    """Colour `a` where `t` is 0, `b` where it is 1; either may be one colour or `[..., 3]`."""
    begin, end = np.asarray(a, float), np.asarray(b, float)
    return begin + (end - begin) * t[..., None]


def ramp(stops: Sequence[ArrayLike], t: np.ndarray) -> np.ndarray:
    """Read a row of evenly spaced colours at `t` in 0..1, with straight lines between them."""
    colours = np.asarray(stops, float)
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, at, colours[:, channel]) for channel in range(3)], axis=-1)


def cycle(stops: Sequence[ArrayLike], t: np.ndarray) -> np.ndarray:
    """Like `ramp`, but closed: the last colour goes over into the first, and `t` counts rounds."""
    return ramp([*stops, stops[0]], t % 1.0)

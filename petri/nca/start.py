"""Where a rollout begins: a single cell, noise, a plain field, or what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from petri import checks
from petri.errors import BadRequest
from petri.nca.fire import fire_words
from petri.nca.life import ALPHA

NOISE = 0x80000000  # added to a channel's number where the hash has a step's; rollouts are shorter


class Start(Protocol):
    """A kind of start."""

    def state(self, channels: int, height: int, width: int, seeds: Tensor) -> Tensor:
        """The evolving channels of a batch, float32 `[batch, channels, height, width]`.

        Args:
            seeds: int64 `[batch]`, from `petri.nca.fire.sample_seeds`; their device is the state's.
        """


@dataclass(frozen=True, kw_only=True)
class Cell:
    """An empty grid with one cell in it: alpha and all hidden channels 1, colour 0.

    Raises:
        BadRequest: a place that is not on the grid.

    Source: Mordvintsev et al. 2020.
    """

    x: float = 0.5  # as fractions of the grid, from the left
    y: float = 0.5  # and from the top

    def __post_init__(self) -> None:
        for axis in "xy":
            value = checks.number(f"seed {axis}", getattr(self, axis), 0.0, 1.0)
            object.__setattr__(self, axis, value)

    def place(self, height: int, width: int) -> tuple[int, int]:
        """Row and column on a grid of this size; the centre is `(height // 2, width // 2)`."""
        return min(int(self.y * height), height - 1), min(int(self.x * width), width - 1)

    def state(self, channels: int, height: int, width: int, seeds: Tensor) -> Tensor:
        """See `Start`."""
        state = torch.zeros(len(seeds), channels, height, width, device=seeds.device)
        row, column = self.place(height, width)
        state[:, ALPHA:, row, column] = 1.0
        return state


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Every value by chance, even between -level and level, from the hash of the fire mask.

    The value of channel c in row y and column x is `level · (h · 2⁻²³ - 1)`, h being the upper 24 bits of
    pcg(x + pcg(y + pcg(s + pcg(c + 2³¹)))): the same everywhere.

    Raises:
        BadRequest: a level out of range.
    """

    level: float = 0.1

    def __post_init__(self) -> None:
        level = checks.number("the level of noise", self.level, 0.0, 1e6, low_open=True)
        object.__setattr__(self, "level", level)

    def state(self, channels: int, height: int, width: int, seeds: Tensor) -> Tensor:
        """See `Start`."""
        planes = [fire_words(seeds, NOISE + channel, height, width) for channel in range(channels)]
        words = torch.cat(planes, dim=1) >> 8
        return (words.float() * 2.0**-23 - 1.0) * torch.tensor(self.level)


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """The same number in every channel of every cell.

    Raises:
        BadRequest: a value out of range.
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checks.number("the value of a start", self.value, -1e6, 1e6))

    def state(self, channels: int, height: int, width: int, seeds: Tensor) -> Tensor:
        """See `Start`."""
        return torch.full((len(seeds), channels, height, width), self.value, device=seeds.device)


@dataclass(frozen=True, kw_only=True)
class Given:
    """The state that the caller has: an image, an earlier rollout's end."""

    def state(self, channels: int, height: int, width: int, seeds: Tensor) -> Tensor:
        """There is none.

        Raises:
            BadRequest: always.
        """
        raise BadRequest("the Spec's start is given: pass the state that the rollout is to begin with")


STARTS: dict[str, type] = {"cell": Cell, "noise": Noise, "uniform": Uniform, "given": Given}

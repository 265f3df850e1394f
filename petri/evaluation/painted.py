"""What a decoder paints at sizes that it was not trained for, beside the same cells enlarged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from petri import targets
from petri.evaluation.report import by_view
from petri.losses import psnr, seen_error
from petri.nca import Automaton

PIXELS = (256, 512, 1024, 2048)  # along a side, beside those of the training


@dataclass(frozen=True)
class Painted:
    """A picture at one size, held against the target drawn at that size."""

    pixels: int  # along a side
    median: float  # PSNR over the rollouts, dB
    worst: float  # of the least like one, dB
    enlarged: float
    """PSNR of the target itself, a pixel a cell, enlarged bilinearly: as perfect cells alone."""

    def to_fields(self) -> dict[str, Any]:
        """As plain values, rounded to two decimals."""
        return {
            "pixels": self.pixels,
            "median": round(self.median, 2),
            "worst": round(self.worst, 2),
            "enlarged": round(self.enlarged, 2),
        }


@torch.no_grad()
def painted(
    automaton: Automaton,
    states: Tensor,
    name: str,
    *,
    pixels: int,
    say: Callable[[str], object] = lambda text: None,
) -> tuple[Painted, ...]:
    """Paint grown states at several sizes.

    Args:
        automaton: it has a decoder.
        states: of some rollouts, `[batch, channel, height, width]`, square.
        name: of the target, as `petri.targets.load` takes it.
        pixels: along a side, as trained.
        say: told in a few words what is being done.
    """
    res, found = states.shape[-1], []
    small = shrunk(_drawn(automaton, name, pixels), (res, res))
    for size in sorted({*PIXELS, pixels}):
        if size < res:
            continue
        say(f"painted at {size}×{size}")
        target = _drawn(automaton, name, size)
        errors = by_view(automaton, seen_error)(states, target).nan_to_num(1.0).sort().values.tolist()
        median, worst = psnr(errors[len(errors) // 2]), psnr(errors[-1])
        found.append(Painted(size, median, worst, enlarged(small, target)))
    return tuple(found)


def shrunk(target: Tensor, grid: tuple[int, int]) -> Tensor:
    """A target, `[seen, height, width]`, of a pixel a cell, in the very place of the large one."""
    small = F.interpolate(target[None], grid, mode="bicubic", antialias=True)[0]
    return small.clamp(0, 1)


def enlarged(small: Tensor, target: Tensor) -> float:
    """PSNR in dB of a small picture, enlarged bilinearly, against a large one; both as for `seen_error`."""
    large = F.interpolate(small[None], target.shape[-2:], mode="bilinear", align_corners=False)
    return psnr(seen_error(large, target).item())


def _drawn(automaton: Automaton, name: str, pixels: int) -> Tensor:
    drawn = torch.from_numpy(targets.load(name, pixels).pixels).to(automaton.device)
    return drawn[: 4 if automaton.spec.living else 3]

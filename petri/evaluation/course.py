"""What a disturbance did to a likeness, and what was left of that later: by two distances from the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.evaluation.report import Measure, by_view, error_of, plain
from petri.evaluation.standing import LEAST_GROWN
from petri.ground import BLACK, WHITE, over
from petri.losses import psnr
from petri.losses.perceptual import PerceptualLoss
from petri.nca import Automaton

LOOKED_AT = 256  # pixels a side of a painted picture that VGG16 is shown
LEAST_SHOWN = 0.01  # of an empty grid's distance that damage must add, or a percentage would be of noise


@dataclass(frozen=True)
class Course:
    """How a distance from the target went through a disturbance; 0 is the target itself."""

    before: Measure  # when the disturbance came
    damaged: Measure  # right after it
    healed: Measure  # later
    undamaged: Measure  # then, too, without the disturbance
    percent: float | None  # of the disturbance that is gone, by the means; None where that says nothing
    spread: float | None  # standard deviation of the same percentage over the rollouts
    why: str | None  # why it says nothing

    @classmethod
    def of(
        cls, before: Tensor, damaged: Tensor, healed: Tensor, undamaged: Tensor, *, empty: float
    ) -> Course:
        """The course of some rollouts.

        Args:
            before, damaged, healed, undamaged: distances, `[batch]` each, at least two.
            empty: that of an empty grid.
        """
        was, hurt, later, control = map(Measure.of, (before, damaged, healed, undamaged))
        percent, why = recovery(was.mean, hurt.mean, later.mean, empty=empty)
        spread = None
        if percent is not None:
            each = 100 * (damaged - healed) / (damaged - before)
            spread = each.std().item() if each.isfinite().all() else None
        return cls(was, hurt, later, control, percent, spread, why)

    @property
    def psnr(self) -> dict[str, float | None]:
        """Of mean squared errors: the same in dB, of the means."""
        found = {}
        for name in ("before", "damaged", "healed", "undamaged"):
            mean = getattr(self, name).mean
            decibels = psnr(mean) if math.isfinite(mean) else math.nan
            found[name] = round(decibels, 2) if math.isfinite(decibels) else None
        return found

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        distances = {
            name: {"distance": plain(measure.mean), "spread": plain(measure.spread)}
            for name, measure in (
                ("before", self.before),
                ("damaged", self.damaged),
                ("healed", self.healed),
                ("undamaged", self.undamaged),
            )
        }
        return {
            **distances,
            "percent": _rounded(self.percent),
            "percent_spread": _rounded(self.spread),
            "why": self.why,
        }


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 2)


def recovery(
    before: float, damaged: float, healed: float, *, empty: float
) -> tuple[float | None, str | None]:
    """The share of the damage that is gone again.

    Args:
        before: the loss when the damage came.
        damaged: the loss right after it.
        healed: the loss at the end.
        empty: the loss of an empty grid, which gives the measure for the others.

    Returns:
        Percent: 100 is as good as before, 0 no better than damaged, below 0 worse; it can be above 100. Or
        None and why: a pattern that has not grown cannot be damaged, and damage that does not show cannot
        be told from noise.

    Source: 100 · (m_final − m_damaged) / (m_before − m_damaged) of the NCAtorch paper, "Regeneration Metric".
    """
    if not all(math.isfinite(value) for value in (before, damaged, healed)):
        return None, "the states are no longer finite"
    if before >= LEAST_GROWN * empty:
        return None, "it had not grown"
    if damaged - before < LEAST_SHOWN * empty:
        return None, "the damage does not show"
    return 100 * (damaged - healed) / (damaged - before), None


class Judge:
    """Says how far states are from a target, by what is seen of them.

    Args:
        pixels: `[4, height, width]` in 0..1, RGB premultiplied by alpha, and alpha; on the states' device.
        automaton: whose states they are.
    """

    def __init__(self, pixels: Tensor, automaton: Automaton) -> None:
        living = automaton.spec.living
        self.target, self.error = pixels if living else pixels[:3], error_of(automaton)
        self.automaton, self.grounds = automaton, (BLACK, WHITE) if living else ()
        self.looked_at = self.target
        if automaton.decoder is not None and max(pixels.shape[-2:]) > LOOKED_AT:
            small = [max(1, side * LOOKED_AT // max(pixels.shape[-2:])) for side in pixels.shape[-2:]]
            self.looked_at = F.interpolate(self.target[None], small, mode="area")[0]
        self.features = [PerceptualLoss(one) for one in self._on_grounds(self.looked_at)]

    @property
    def pixels(self) -> int:
        """Of the target, along the longer side."""
        return max(self.target.shape[-2:])

    def _on_grounds(self, seen: Tensor) -> list[Tensor]:
        return [over(seen, ground) for ground in self.grounds] or [seen[..., :3, :, :]]

    def loss(self, state: Tensor) -> Tensor:
        """The mean squared error that a model is judged by, `[batch]`."""
        return self.error(state, self.target)

    def vgg16(self, state: Tensor) -> Tensor:
        """The distance of VGG16's features, `[batch]`: 0 for the target; about 1 for something else.

        Of a figure on black or on white, whichever is more; of what a decoder paints at 256 pixels a side at
        the most. See `petri.losses.perceptual`. It is not LPIPS.
        """
        return by_view(self.automaton, self._apart)(state, self.looked_at)

    def _apart(self, seen: Tensor, target: Tensor) -> Tensor:
        found = [loss(one) for loss, one in zip(self.features, self._on_grounds(seen), strict=True)]
        return torch.stack(found).amax(dim=0)

    def course(
        self, before: Tensor, damaged: Tensor, healed: Tensor, undamaged: Tensor, *, was: Judge | None = None
    ) -> tuple[Course, Course]:
        """How states went through a disturbance: by the loss, and by VGG16.

        Args:
            before, damaged, healed, undamaged: states, `[batch, channel, height, width]`.
            was: what the states before are held against, if that is another target.
        """
        first, empty = was or self, torch.zeros_like(before[:1])
        loss, vgg16 = (
            Course.of(begun(before), now(damaged), now(healed), now(undamaged), empty=begun(empty).item())
            for begun, now in ((first.loss, self.loss), (first.vgg16, self.vgg16))
        )
        return loss, vgg16

"""The loss of a finished model: grown from the seed, with fresh fire seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from petri import checks
from petri.losses import overflow_loss, pattern_loss, seen_error
from petri.nca import Automaton
from petri.nca.decoder import Raster

EVALUATION_SEED = 2_000_003  # fixed, so that a figure can be had again
SEEDS = 8  # rollouts that a figure is the mean of

Error = Callable[[Tensor, Tensor], Tensor]  # of states, or of what is seen, and a target: one a sample


def plain(value: float) -> float | None:
    """A figure as it is written down: rounded to six decimals; None if it is not finite."""
    return round(value, 6) if math.isfinite(value) else None


@dataclass(frozen=True)
class Measure:
    """One figure over fire seeds."""

    mean: float
    spread: float  # standard deviation, of a sample

    @classmethod
    def of(cls, values: Tensor) -> Measure:
        """The figure of some rollouts, `[batch]`, at least two."""
        return cls(values.mean().item(), values.std().item())

    def to_fields(self) -> dict[str, float | None]:
        """As plain values."""
        return {"loss": plain(self.mean), "spread": plain(self.spread)}


@dataclass(frozen=True)
class ReportLoss:
    """The report's loss and its parts, means over fire seeds, and the standard deviation of each."""

    steps: int  # after which the pattern is looked at
    hold: int  # more steps, after which it is looked at again
    pattern: float  # error after `steps`
    stability: float  # and after `hold` more
    overflow: float  # mean distance beyond ±0.9 of all state values, at the end
    loss: float  # pattern + ½ stability + ⅒ overflow
    pattern_spread: float
    stability_spread: float
    overflow_spread: float
    loss_spread: float

    def to_fields(self) -> dict[str, float | None]:
        """As plain values, rounded to six decimals; None where one is not finite."""
        return {name: plain(value) for name, value in asdict(self).items()}


@torch.no_grad()
def report_loss(
    automaton: Automaton,
    target: Tensor,
    *,
    steps: int = 96,
    hold: int = 32,
    seeds: int = SEEDS,
    grid: tuple[int, int] | None = None,
) -> ReportLoss:
    """Grow `seeds` patterns from the seed and measure them.

    Args:
        automaton: the model.
        target: `[seen, height, width]` in 0..1: RGB of a plane; RGB premultiplied by alpha and alpha of a
            figure, which is judged by `seen_error`.
        steps, hold: when it is looked at; the report: 96 and 32 more.
        seeds: number of rollouts, each with fire masks of its own; at least 2.
        grid: rows and columns of cells; as many as the target has pixels if None.

    Raises:
        BadRequest: `seeds` is out of range.

    Source: the report, "Training" and Table 5.
    """
    checks.whole("seeds", seeds, 2, 4096)
    cells = grid or (target.shape[1], target.shape[2])
    grown, held = grow_and_hold(automaton, cells, steps=steps, hold=hold, seeds=seeds)
    return report_loss_of(grown, held, target, steps=steps, hold=hold, error=error_of(automaton))


@torch.no_grad()
def grow_and_hold(
    automaton: Automaton,
    grid: tuple[int, int],
    *,
    steps: int,
    hold: int,
    seeds: int,
    condition: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The states of `seeds` rollouts from the seed on a grid after `steps` steps, and after `hold` more.

    Their fire seeds are always the same ones, and training has not seen them. Of an automaton of several
    targets `condition` is the fixed plane that asks for one.
    """
    state = automaton.seed_state(*grid, batch=seeds, condition=condition)
    grown = automaton.rollout(state, steps, seed=EVALUATION_SEED)
    return grown, automaton.rollout(grown, hold, seed=EVALUATION_SEED, start=steps)


def error_of(automaton: Automaton) -> Error:
    """What a model's states are judged by: a plane by its colours as they are, a figure by what is seen."""
    return by_view(automaton, seen_error if automaton.spec.living else pattern_loss)


def by_view(automaton: Automaton, error: Error) -> Error:
    """An error of what is seen as one of states: seen at the size of the target.

    What a decoder paints is seen sample by sample, so that only one large picture is held at a time. A plane
    may be held against RGBA: then with its cells' alpha, which is not seen.
    """

    def judged(states: Tensor, target: Tensor) -> Tensor:
        parts = states.split(1) if automaton.decoder is not None else (states,)
        return torch.cat([error(seen(part, target), target) for part in parts])

    def seen(states: Tensor, target: Tensor) -> Tensor:
        view = automaton.view(states, max(target.shape[-2:]))
        if target.shape[-3] == view.shape[1] or automaton.spec.living:
            return view
        alpha = states[:, 3:4]
        if automaton.decoder is not None:
            alpha = automaton.between(alpha, Raster.of(*view.shape[-2:], device=view.device))
        return torch.cat([view, alpha], dim=1)

    return judged


def report_loss_of(
    grown: Tensor,
    held: Tensor,
    target: Tensor,
    *,
    steps: int,
    hold: int,
    error: Error,
) -> ReportLoss:
    """The report's loss of rollouts that were taken before.

    Args:
        grown: states after `steps` steps, `[batch, channel, height, width]`.
        held: the same after `hold` more.
        target: as `error` takes it.
        steps, hold: when that was.
        error: of states and a target, a sample.
    """
    target = target.to(grown.device)
    pattern, stability = error(grown, target), error(held, target)
    overflow = overflow_loss(held)
    p, s, o = (values.mean().item() for values in (pattern, stability, overflow))
    loss = pattern + stability / 2 + overflow / 10
    spreads = [values.std().item() for values in (pattern, stability, overflow, loss)]
    return ReportLoss(steps, hold, p, s, o, p + s / 2 + o / 10, *spreads)


def pattern_measure(automaton: Automaton, state: Tensor, target: Tensor) -> Measure:
    """The error that a model is judged by.

    Args:
        automaton: the model; of a plane only RGB is looked at.
        state: `[batch, channel, height, width]`.
        target: `[4, height, width]` in 0..1, RGB premultiplied by alpha, and alpha.
    """
    target = target.to(state.device)
    return Measure.of(error_of(automaton)(state, target if automaton.spec.living else target[:3]))

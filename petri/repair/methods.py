"""The methods that are compared, each with what it stores beside the damaged network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.nca import Automaton
from petri.repair import fills
from petri.repair.calibration import BYTES
from petri.repair.damaged import Damaged, drifted, picture
from petri.repair.habits import Habits
from petri.repair.kriging import conditional, fit, kriging
from petri.repair.networks import Weights
from petri.repair.restoring import restored
from petri.repair.thumbnails import thumbnails
from petri.repair.variants import VARIANTS

ROOM = 4096  # bytes of thumbnails
CALIBRATED = " + recalibration"
BAR = "kriging" + CALIBRATED  # what an automaton is held against

Estimate = Callable[
    [Damaged, Weights], Tensor
]  # the first layer; the undamaged one is for what is stored of it


@dataclass(frozen=True)
class Method:
    """How a first layer is estimated."""

    estimate: Estimate
    bytes: int = 0  # stored beside the network, recalibration's apart
    calibrated: tuple[bool, ...] = (False, True)  # whether it is judged without and with recalibration

    def stored(self, units: int, calibrate: bool) -> int:
        """Bytes stored for a network of so many units."""
        return self.bytes + BYTES * units * calibrate


def simple(name: str) -> Method:
    """One of `petri.repair.fills.SIMPLE`."""
    fill = fills.SIMPLE[name]
    calibrated = (False, True) if name == "zero" else (False,)
    return Method(lambda damaged, whole: fill(damaged.network.first, damaged.known), calibrated=calibrated)


def _kriging(damaged: Damaged, whole: Weights) -> Tensor:
    return kriging(damaged.network.first, damaged.known, picture(damaged.known.shape[1]))


def with_stored_means(damaged: Damaged, whole: Weights) -> Tensor:
    """Kriging that agrees with the stored mean pre-activation, too: one more sum that is known."""
    first, known = damaged.network.first, damaged.known
    found = fit(first, known, picture(known.shape[1]))
    covariance = found.covariance(picture(known.shape[1]))
    filled = conditional(first, known, torch.full(first.shape[1:], found.mean), covariance)
    along = (covariance @ damaged.sight.mean).expand_as(first)
    free = along - conditional(along, known, torch.zeros(first.shape[1:]), covariance)
    gap = damaged.stored.mean - damaged.network.first_bias - filled @ damaged.sight.mean
    share = free @ damaged.sight.mean
    moved = filled + free * torch.where(share > 1e-12, gap / share.clamp(min=1e-12), 0.0)[:, None]
    return fills.over(first, known, moved)


def of_thumbnails(room: int, *, rest: bool) -> Method:
    """Stored thumbnails of so many bytes; the rest of each weight by kriging, or left out."""

    def estimate(damaged: Damaged, whole: Weights) -> Tensor:
        first, known = damaged.network.first, damaged.known
        stored = thumbnails(whole.first, picture(known.shape[1]), room)
        if not rest:
            return fills.over(first, known, stored)
        left = fills.zero(first - stored, known)
        return fills.over(first, known, stored + kriging(left, known, picture(known.shape[1])))

    return Method(estimate, room)


def of_zoo(habits: Habits) -> Method:
    """Kriging with the covariance of a zoo's units, in place of one that is fitted."""

    def estimate(damaged: Damaged, whole: Weights) -> Tensor:
        scaled = damaged.network.first / damaged.scale
        found = conditional(scaled, damaged.known, habits.mean, habits.covariance) * damaged.scale
        return fills.over(damaged.network.first, damaged.known, found)

    return Method(estimate, habits.covariance_bytes)


def of_automaton(name: str, automaton: Automaton, habits: Habits) -> Method:
    """A trained automaton of one of `VARIANTS`."""
    variant = VARIANTS[name]
    stored = variant.bytes + habits.template_bytes * variant.knows_templates
    return Method(lambda damaged, whole: restored(variant, automaton, damaged), stored)


def classical(habits: Habits) -> dict[str, Method]:
    """All that is no automaton, by name."""
    return {
        **{name: simple(name) for name in fills.SIMPLE},
        "kriging": Method(_kriging),
        "kriging, stored means": Method(with_stored_means, calibrated=(True,)),
        "thumbnails": of_thumbnails(ROOM, rest=False),
        "thumbnails, rest by kriging": of_thumbnails(ROOM, rest=True),
        "kriging, the zoo's templates": Method(
            lambda damaged, whole: drifted(damaged), habits.template_bytes
        ),
        "kriging, the zoo's covariance": of_zoo(habits),
    }


def called(name: str, calibrate: bool) -> str:
    """A method's name in tables."""
    return name + CALIBRATED * calibrate


def bytes_of(methods: Mapping[str, Method], units: int) -> dict[str, int]:
    """Bytes stored for a network of so many units, by the names in tables."""
    return {
        called(name, calibrate): method.stored(units, calibrate)
        for name, method in methods.items()
        for calibrate in method.calibrated
    }

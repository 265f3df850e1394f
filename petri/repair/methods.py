"""The methods that are compared, each with what it stores beside the damaged network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.nca import Automaton
from petri.repair import fills
from petri.repair.calibration import BYTES
from petri.repair.damaged import Damaged, picture
from petri.repair.kriging import conditional, fit, kriging
from petri.repair.networks import Weights
from petri.repair.restoring import restored
from petri.repair.thumbnails import thumbnails
from petri.repair.variants import VARIANTS

ROOM = 4096  # bytes of thumbnails
SHRUNK = 0.1  # share of the zoo's covariance that is left to each pixel alone
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


@dataclass(frozen=True)
class Habits:
    """What a zoo's first layers have in common: mean and covariance of units, in deviations of a layer."""

    mean: Tensor  # [pixel]
    covariance: Tensor  # [pixel, pixel]

    @classmethod
    def of(cls, zoo: list[Weights]) -> Habits:
        """Of networks."""
        units = torch.cat([one.first / one.first.square().mean().sqrt() for one in zoo])
        middle = units.mean(0)
        covariance = (units - middle).T @ (units - middle) / len(units)
        own = torch.diag(covariance.diag())
        return cls(middle, (1 - SHRUNK) * covariance + SHRUNK * own + 1e-4 * torch.eye(len(own)))

    @property
    def bytes(self) -> int:
        """What storing them takes, as float32: a symmetric matrix needs half."""
        count = len(self.mean)
        return 4 * (count + count * (count + 1) // 2)


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

    return Method(estimate, habits.bytes)


def of_automaton(name: str, automaton: Automaton) -> Method:
    """A trained automaton of one of `VARIANTS`."""
    variant = VARIANTS[name]
    return Method(lambda damaged, whole: restored(variant, automaton, damaged), variant.bytes)


def classical(habits: Habits) -> dict[str, Method]:
    """All that is no automaton, by name."""
    return {
        **{name: simple(name) for name in fills.SIMPLE},
        "kriging": Method(_kriging),
        "kriging, stored means": Method(with_stored_means, calibrated=(True,)),
        "thumbnails": of_thumbnails(ROOM, rest=False),
        "thumbnails, rest by kriging": of_thumbnails(ROOM, rest=True),
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

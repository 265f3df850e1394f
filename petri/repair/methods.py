"""The methods that are compared, each with what it stores beside the damaged network."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from petri.nca import Automaton
from petri.repair import fills
from petri.repair.calibration import BYTES
from petri.repair.damaged import Damaged
from petri.repair.habits import Habits
from petri.repair.kriging import conditional, fit
from petri.repair.layers import Part
from petri.repair.restoring import restored
from petri.repair.thumbnails import thumbnails
from petri.repair.variants import VARIANTS

ROOM = 4096  # bytes of thumbnails
ROOMS = (1024, 2048, 8192, 16384)  # and of others, to see what bytes buy
THUMBNAILS = "thumbnails, rest by kriging"
CALIBRATED = " + recalibration"
BAR = "kriging" + CALIBRATED  # what an automaton is held against
WITHOUT_PICTURES = "zero" + CALIBRATED  # and where there is no kriging

Estimate = Callable[[Damaged, Part], Tensor]  # the matrix; the undamaged layer is for what is stored of it


@dataclass(frozen=True)
class Method:
    """How a layer is estimated."""

    estimate: Estimate
    bytes: int = 0  # stored beside the network, recalibration's apart
    calibrated: tuple[bool, ...] = (False, True)  # whether it is judged without and with recalibration

    def stored(self, units: int, calibrate: bool) -> int:
        """Bytes stored for a layer of so many units."""
        return self.bytes + BYTES * units * calibrate


def simple(name: str) -> Method:
    """One of `petri.repair.fills.SIMPLE`."""
    fill = fills.SIMPLE[name]
    calibrated = (False, True) if name == "zero" else (False,)
    return Method(lambda damaged, whole: fill(damaged.matrix, damaged.known), calibrated=calibrated)


def with_stored_means(damaged: Damaged, whole: Part) -> Tensor:
    """Kriging that agrees with the stored mean pre-activation, too: one more sum that is known."""
    part, filled = damaged.part, damaged.kriged
    rows, known = part.cut(filled), part.cut(damaged.known)
    covariance = fit(rows, known, damaged.side).covariance(damaged.side)
    along = part.cut(damaged.sight.mean.expand_as(filled)) @ covariance
    free = part.joined(along - conditional(along, known, torch.zeros(rows.shape[1:]), covariance))
    gap = damaged.stored.mean - part.bias - filled @ damaged.sight.mean
    share = free @ damaged.sight.mean
    moved = filled + free * torch.where(share > 1e-12, gap / share.clamp(min=1e-12), 0.0)[:, None]
    return fills.over(damaged.matrix, damaged.known, moved)


def of_thumbnails(room: int, *, rest: bool) -> Method:
    """Stored thumbnails of so many bytes; the rest of each weight by kriging, or left out."""

    def estimate(damaged: Damaged, whole: Part) -> Tensor:
        stored = whole.joined(thumbnails(whole.cut(whole.matrix), damaged.side, room))
        if rest:
            left = fills.zero(damaged.matrix - stored, damaged.known)
            stored = stored + damaged.kriging(left)
        return fills.over(damaged.matrix, damaged.known, stored)

    return Method(estimate, room)


def of_covariance(habits: Habits) -> Method:
    """Kriging with the covariance of a zoo's rows, in place of one that is fitted."""

    def estimate(damaged: Damaged, whole: Part) -> Tensor:
        rows, known = damaged.part.cut(damaged.matrix / damaged.scale), damaged.part.cut(damaged.known)
        zoo = damaged.habits or habits  # of a network whose pixels are in another order, theirs likewise
        found = damaged.part.joined(conditional(rows, known, zoo.mean, zoo.covariance))
        return fills.over(damaged.matrix, damaged.known, found * damaged.scale)

    return Method(estimate, habits.covariance_bytes)


def of_automaton(name: str, automaton: Automaton, habits: Habits) -> Method:
    """A trained automaton of one of `VARIANTS`."""
    variant = VARIANTS[name]
    stored = variant.bytes + habits.template_bytes * variant.knows_templates
    return Method(lambda damaged, whole: restored(variant, automaton, damaged), stored)


def classical(part: Part, habits: Habits) -> dict[str, Method]:
    """All that is no automaton and that such a layer can have, by name."""
    found = {name: simple(name) for name in fills.SIMPLE}
    if part.side is not None:
        found |= {
            "kriging": Method(lambda damaged, whole: damaged.kriged),
            "kriging, stored means": Method(with_stored_means, calibrated=(True,)),
        }
        if not _no_thumbnails(part):
            found |= {
                "thumbnails": of_thumbnails(ROOM, rest=False),
                THUMBNAILS: of_thumbnails(ROOM, rest=True),
            }
            found |= {
                f"{THUMBNAILS}, {room:,} bytes": replace(of_thumbnails(room, rest=True), calibrated=(True,))
                for room in ROOMS
            }
        if habits.templates is not None:
            found["kriging, the zoo's templates"] = Method(
                lambda damaged, whole: damaged.drifted, habits.template_bytes
            )
    return {**found, "kriging, the zoo's covariance": of_covariance(habits)}


def missing(part: Part, habits: Habits) -> list[str]:
    """What a layer cannot have, a sentence each that says why."""
    if part.side is None:
        return [f"kriging by distance, thumbnails and templates: the weights of {part.name} are no pictures"]
    said = []
    if why := _no_thumbnails(part):
        said.append(f"thumbnails: {why}")
    if habits.templates is None:
        said.append(f"the zoo's templates: the units of {part.name} speak for no class of their own")
    return said


def _no_thumbnails(part: Part) -> str:
    whole = part.matrix.numel()
    return f"{ROOM:,} bytes hold all {whole:,} weights of {part.name} in 8 bits" if whole <= ROOM else ""


def bar(names: Container[str]) -> str:
    """What an automaton is held against, of the methods that there are."""
    return BAR if BAR in names else WITHOUT_PICTURES


def called(name: str, calibrate: bool) -> str:
    """A method's name in tables."""
    return name + CALIBRATED * calibrate

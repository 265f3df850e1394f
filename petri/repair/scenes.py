"""Damaged networks of a comparison, and how well damage at places unknown is found."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.repair import damage, methods
from petri.repair.asked import FLIPS, PERMUTED, SHUFFLED
from petri.repair.calibration import UNLABELLED, statistics
from petri.repair.damaged import Damaged
from petri.repair.detect import Found, judged, suspects
from petri.repair.experiment import Experiment
from petri.repair.fills import Fill
from petri.repair.measure import Judge, gradient


def scene(experiment: Experiment, number: int, kind: str, rate: float, mask: int) -> tuple[Damaged, Judge]:
    """One of the networks that are repaired, damaged; and its judge.

    Args:
        experiment: with its networks.
        number: of the network.
        kind, rate, mask: of the damage.
    """
    whole, habits = experiment.judged[number], experiment.habits
    images = experiment.images(experiment.asked.data)
    test, (full, some) = images.test, experiment.sights[number]
    stored = statistics(whole, full)
    if kind == FLIPS:
        bits, _ = flipped(experiment, number, rate, mask)
        known = ~suspects(bits, detectors(experiment, number)[detector(experiment)])
        left = whole.with_matrix(bits)
        return Damaged.of(left, known, stored, some, habits), Judge.of(whole, test, images.test_labels)
    if kind == damage.ADVERSARIAL:
        known = damage.adversarial(whole.matrix, gradient(whole, images.train[:UNLABELLED]), rate)
    else:
        drawn = "random" if kind in (PERMUTED, SHUFFLED) else kind
        known = damage.mask(drawn, whole.matrix.shape, rate, mask)
    if kind == PERMUTED:
        order = _order(test.shape[1])
        whole, test = whole.with_pixels(order), test[:, order]
        some, habits = some.permuted(order), habits.permuted(order)
        stored = statistics(whole, full.permuted(order))
    if kind == SHUFFLED:
        order = _order(len(known))
        whole, known = whole.in_order(order), known[order]
        stored = statistics(whole, full)
    return Damaged.of(whole, known, stored, some, habits), Judge.of(whole, test, images.test_labels)


def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def flipped(experiment: Experiment, number: int, rate: float, mask: int) -> tuple[Tensor, Tensor]:
    """The layer of one of the networks with one bit of so large a share of weights flipped, and where."""
    matrix = experiment.judged[number].matrix
    return damage.flip_bits(matrix, max(1, round(damage.check_rate(rate) * matrix.numel())), mask)


def detector(experiment: Experiment) -> str:
    """What finds the flipped bits that all methods then repair."""
    return "soft-impute" if experiment.judged[0].side is None else "kriging"


def detectors(experiment: Experiment, number: int) -> dict[str, Fill]:
    """What foretells weights of one of the networks from others; what it disagrees with is suspect."""
    whole = experiment.judged[number]
    _, some = experiment.sights[number]

    def of(method: methods.Method) -> Fill:
        def fill(weights: Tensor, known: Tensor) -> Tensor:
            part = whole.with_matrix(weights)
            damaged = Damaged.of(part, known, statistics(part, some), some, experiment.habits)
            return method.estimate(damaged, part)

        return fill

    names = (detector(experiment), *experiment.asked.compared)
    return {name: of(experiment.methods[name]) for name in names}


def found(experiment: Experiment, number: int, rate: float, mask: int) -> dict[str, Found]:
    """How well each detector finds flipped bits."""
    bits, where = flipped(experiment, number, rate, mask)
    return {
        name: judged(suspects(bits, fill), where, experiment.judged[number].matrix, bits)
        for name, fill in detectors(experiment, number).items()
    }

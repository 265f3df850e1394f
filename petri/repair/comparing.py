"""The comparison: every method on every damaged network, the same masks for all; kept case by case."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from petri.record import Record
from petri.repair import damage
from petri.repair.asked import FLIPS, Asked
from petri.repair.cases import Case, Figure, merged
from petri.repair.damaged import Damaged
from petri.repair.experiment import Experiment
from petri.repair.measure import Judge
from petri.repair.methods import Method, called
from petri.repair.scenes import flipped, found, scene
from petri.repair.variants import VARIANTS

LEFT = "left as it is"  # flipped bits and all
# Seconds of one core of an AMD EPYC with AVX512: rough, for the plan that a run begins with.
EPOCH, CONVOLVED = 1.8, 6.0  # of a network's training
CELL, ATTENDING = 0.2e-6, 3.2e-6  # of a cell's step in an automaton's training
DIVERGING = 0.15  # of an epoch whose loss asks a convolutional network
CASE, OF_CONVOLUTION = 2.4, 8.0


def wanted(asked: Asked, networks: int) -> list[tuple[int, str, float, int]]:
    """The cases that are asked for: number of the network, kind, rate and mask."""
    return [
        (number, kind, rate, mask)
        for number in range(networks)
        for kind in asked.kinds
        for rate in asked.rates
        for mask in range(asked.masks if kind != damage.ADVERSARIAL else 1)
    ]


def lacking(there: Case | None, methods: Mapping[str, Method]) -> dict[str, Method]:
    """Of methods, those that a case has not met."""

    def has(name: str, method: Method) -> bool:
        assert there is not None
        met = all(called(name, each) in there.figures for each in method.calibrated)
        return met and (there.kind != FLIPS or name not in VARIANTS or name in there.found)

    return {name: method for name, method in methods.items() if there is None or not has(name, method)}


def ahead(experiment: Experiment, record: Record[Case]) -> str:
    """What has to be trained and how many cases there are, and about how long that takes; one sentence."""
    asked = experiment.asked
    makings = {making.name: making for making in (*experiment.zoo_makings, *experiment.makings)}
    train = [
        making
        for name, making in makings.items()
        if not (experiment.networks / f"{name}.safetensors").is_file()
    ]
    automata = [name for name in asked.compared if not experiment.automaton_file(name).is_file()]
    there = merged(record.trials)
    names = {called(name, calibrate=True) for name in asked.compared}
    places = (
        (experiment.makings[number].name, *how) for number, *how in wanted(asked, len(experiment.makings))
    )
    cases = sum(place not in there or not names <= there[place].figures.keys() for place in places)
    seconds = sum(making.epochs * (CONVOLVED if making.width is None else EPOCH) for making in train)
    for variant in (VARIANTS[name] for name in automata):
        each = ATTENDING if "attention" in variant.senses else CELL
        seconds += each * variant.epochs * variant.cells(asked.shape) * sum(variant.steps) / 2
        if variant.divergence and asked.shape.layer.convolves:
            seconds += DIVERGING * variant.epochs
    seconds += cases * (OF_CONVOLUTION if asked.shape.layer.convolves else CASE)
    if not (train or automata or cases):
        return ""
    counts = ((len(train), "network"), (len(automata), "automaton"), (cases, "damaged network"))
    said = ", ".join(f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in counts if count)
    said = said.replace("automatons", "automata")
    return f"to do: {said}; {_minutes(seconds)} of one core's time"


def _minutes(seconds: float) -> str:
    return f"about {math.ceil(seconds / 60):,} min"


def run(experiment: Experiment, record: Record[Case]) -> list[Case]:
    """Damage and repair whatever the record lacks.

    Returns:
        The cases that were asked for, each with all methods.
    """
    there, asked, cases = merged(record.trials), wanted(experiment.asked, len(experiment.makings)), []
    begun, worked = 0.0, 0
    for done, (number, kind, rate, mask) in enumerate(asked):
        place = (experiment.makings[number].name, kind, rate, mask)
        case = there.get(place)
        if lack := lacking(case, experiment.methods):
            begun = begun or time.monotonic()
            left = (time.monotonic() - begun) / worked * (len(asked) - done) if worked else 0.0
            lost = f"{place[0]}, {kind}, {100 * rate:.0f} % lost, mask {mask}"
            more = f"; {_minutes(left)} left" if worked else ""
            experiment.tell(f"case {done + 1} of {len(asked)}: {lost}{more}")
            damaged, judge = scene(experiment, number, kind, rate, mask)
            made = Case(*place, judge.accuracy, _figures(lack, damaged, judge))
            if kind == FLIPS:
                bits, _ = flipped(experiment, number, rate, mask)
                right, apart = judge.of_part(judge.whole.with_matrix(bits))
                made.figures[LEFT] = Figure(right, apart, math.nan, 0)
                made = replace(made, found=found(experiment, number, rate, mask))
            record.add(made)
            case, worked = made if case is None else case.with_more(made), worked + 1
        assert case is not None
        cases.append(case)
    return cases


def _figures(methods: Mapping[str, Method], damaged: Damaged, judge: Judge) -> dict[str, Figure]:
    """What methods come to, by the names in tables."""
    made = {}
    for name, method in methods.items():
        matrix = method.estimate(damaged, judge.whole)
        explained = judge.explained(matrix, damaged.known)
        for calibrate in method.calibrated:
            right, apart = judge.of_part(damaged.repaired(matrix, calibrate=calibrate))
            stored = method.stored(len(matrix), calibrate)
            made[called(name, calibrate)] = Figure(right, apart, explained, stored)
    return made

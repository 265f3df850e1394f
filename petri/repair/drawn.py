"""The pictures that a comparison leaves in its folder."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from petri.repair import methods, plots
from petri.repair.cases import Case
from petri.repair.experiment import Experiment
from petri.repair.variants import UNITS, VARIANTS

ROOMS = (1024, 2048, 4096, 8192, 16384)  # bytes of thumbnails


def draw(experiment: Experiment, cases: Sequence[Case]) -> dict[str, str]:
    """Draw the recovery curve, accuracy over stored bytes, and a layer on the way.

    Returns:
        What there is now, a line for each file by its name.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder, asked = experiment.folder, experiment.asked
    files = {f"results-{asked.data}.json": "every case, every method"}
    kind = cases[0].kind
    here = [case for case in cases if case.kind == kind]
    plots.curve(here, plots.chosen(here, asked.variants), folder / f"curve-{asked.data}.png")
    files[f"curve-{asked.data}.png"] = "accuracy over the share of weights lost"
    last = max(case.rate for case in here)
    plots.over_bytes(
        [case for case in here if case.rate == last],
        _thumbnails(experiment, kind, last),
        folder / f"bytes-{asked.data}.png",
    )
    files[f"bytes-{asked.data}.png"] = "accuracy over the bytes stored beside the network"
    names = [name for name in asked.variants if VARIANTS[name].layout == UNITS]
    if names:
        name = max(names, key=lambda name: _mean(here, name + methods.CALIBRATED))
        variant = VARIANTS[name]
        damaged, judge = experiment.scene(0, kind, last, 0)
        path = folder / f"units-{asked.data}.png"
        plots.on_the_way(judge.whole.first, variant, experiment.automaton(name), damaged, path)
        files[path.name] = f"some units of a network before, damaged, on the way and repaired by {name!r}"
    files["networks/"] = "the networks, the zoo's and those that are repaired"
    files["automata/"] = "the automata, as model files"
    return files


def _mean(cases: Sequence[Case], name: str) -> float:
    return statistics.fmean(case.figures[name].accuracy for case in cases)


def _thumbnails(experiment: Experiment, kind: str, rate: float) -> dict[int, float]:
    """Accuracy by the bytes of thumbnails, the rest by kriging; the mean of all networks, a mask each."""
    found = {}
    for room in ROOMS:
        right = []
        for number in range(len(experiment.judged)):
            damaged, judge = experiment.scene(number, kind, rate, 0)
            first = methods.of_thumbnails(room, rest=True).estimate(damaged, judge.whole)
            right.append(judge.of_network(damaged.with_first(first, calibrate=False))[0])
        found[room] = statistics.fmean(right)
    return found

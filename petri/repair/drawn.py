"""The pictures that a comparison leaves in its folder."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from petri.repair import methods, plots
from petri.repair.cases import Case
from petri.repair.experiment import Experiment
from petri.repair.scenes import scene
from petri.repair.summary import Line
from petri.repair.variants import VARIANTS


def draw(experiment: Experiment, cases: Sequence[Case], lines: Sequence[Line]) -> dict[str, str]:
    """Draw the recovery curve, accuracy over stored bytes, and a layer on the way.

    Args:
        experiment: with its automata.
        cases, lines: what came of it.

    Returns:
        What there is now, a line for each file by its name.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder, asked = experiment.folder, experiment.asked
    title, variants = asked.title, asked.compared
    files = {f"results-{title}.json": "every case, every method"}
    kind = cases[0].kind
    here = [case for case in cases if case.kind == kind]
    plots.curve(
        here,
        plots.chosen(here, variants),
        folder / f"curve-{title}.png",
        asked.layer,
        document=(title, kind) == ("mnist", "random"),
    )
    files[f"curve-{title}.png"] = "accuracy over the share of weights lost"
    last = max(case.rate for case in here)
    plots.over_bytes(
        [line for line in lines if (line.kind, line.rate) == (kind, last)], folder / f"bytes-{title}.png"
    )
    files[f"bytes-{title}.png"] = "accuracy over the bytes stored beside the network"
    if variants:
        name = max(variants, key=lambda name: _mean(here, name + methods.CALIBRATED))
        damaged, judge = scene(experiment, 0, kind, last, 0)
        path = folder / f"units-{title}.png"
        plots.on_the_way(judge.whole, VARIANTS[name], experiment.automata[name], damaged, path)
        files[path.name] = f"weights of a network before, damaged, on the way and repaired by {name!r}"
    files["networks/"] = "the networks, the zoo's and those that are repaired"
    files["automata/"] = "the automata, as model files"
    return files


def _mean(cases: Sequence[Case], name: str) -> float:
    return statistics.fmean(case.figures[name].accuracy for case in cases if name in case.figures)

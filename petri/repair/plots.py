"""Pictures of a comparison: one message each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from petri.files import replacing
from petri.nca import Automaton
from petri.repair.cases import Case
from petri.repair.damaged import Damaged
from petri.repair.layers import Part
from petri.repair.methods import CALIBRATED, THUMBNAILS, bar
from petri.repair.restoring import restored
from petri.repair.summary import Line, frontier
from petri.repair.variants import MATRIX, VARIANTS, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#2a6f97", "#bc4b51", "#5b8e7d", "#8d6a9f", "#c08a3e", "#666666", "#b08ea2", "#7a9e3f", "#333333")
DOCUMENT = ((0.05, 96.96), (0.1, 96.84), (0.2, 96.76), (0.3, 96.57), (0.5, 96.25), (0.7, 94.45), (0.9, 88.77))
UNITS = 6  # whose pictures are shown
WIDE = 6  # times as many bytes: how far a point's name reaches
NONE = 30  # where no bytes are on a logarithmic axis


def curve(cases: Sequence[Case], names: Sequence[str], path: Path, layer: str, *, document: bool) -> None:
    """Accuracy over the share of a layer's weights that is lost; the mean of all networks and masks.

    Args:
        cases, names, layer: what is shown.
        path: of the picture.
        document: whether the document's own figures are of the same data, layer and damage.

    Raises:
        OSError: the disk is full or cannot be written.
    """

    def draw(axes: Axes) -> None:
        rates = sorted({case.rate for case in cases})
        for name, colour in zip(names, COLOURS, strict=False):
            means = [
                statistics.fmean(case.figures[name].accuracy for case in cases if case.rate == rate)
                for rate in rates
            ]
            axes.plot([100 * rate for rate in rates], means, color=colour, marker=".", label=name)
        if document:
            axes.plot(
                [100 * rate for rate, _ in DOCUMENT],
                [right for _, right in DOCUMENT],
                color="#999999",
                linestyle="--",
                label="the document's automaton, on its own network",
            )
        axes.set(xlabel=f"weights of the layer {layer!r} lost, %", ylabel="test accuracy, %")
        axes.set_ylim(max(0, min(axes.get_ylim()[0], 90)), 100)

    networks = len({case.network for case in cases})
    mean = f"mean of {networks} networks" if networks > 1 else cases[0].network
    _save(path, draw, f"recovery after {cases[0].kind} damage, {mean}")


def over_bytes(lines: Sequence[Line], path: Path) -> None:
    """Accuracy over what is stored beside the network.

    Args:
        lines: all of one kind and rate.
        path: of the picture.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    copies = sorted(
        (line for line in lines if line.method.startswith(THUMBNAILS) and line.method.endswith(CALIBRATED)),
        key=lambda line: line.bytes,
    )
    automata = {name + CALIBRATED * calibrate for name in VARIANTS for calibrate in (False, True)}
    best = frontier(lines)

    def draw(axes: Axes) -> None:
        axes.step(
            [_place(line) for line in best], [line.accuracy for line in best],
            where="post", color="#bbbbbb", linewidth=0.8, label="the best for its bytes",
        )  # fmt: skip
        if copies:
            places = [_place(line) for line in copies]
            axes.plot(
                places, [line.accuracy for line in copies],
                color=COLOURS[0], marker=".", label=THUMBNAILS + CALIBRATED,
            )  # fmt: skip
        for label, colour, chosen in (
            ("automata", COLOURS[1], [line for line in lines if line.method in automata]),
            ("other methods", COLOURS[5], [line for line in lines if line.method not in automata]),
        ):
            shown = [line for line in chosen if line not in copies]
            axes.plot(
                [_place(line) for line in shown], [line.accuracy for line in shown],
                "o", color=colour, markersize=4, label=label,
            )  # fmt: skip
        told = [
            line
            for line in sorted(lines, key=lambda line: -line.accuracy)
            if (line in best or line.method.endswith(CALIBRATED)) and line not in copies
        ]
        low, high = axes.get_ylim()
        for line, height in zip(told, _apart(told, (high - low) / 45), strict=True):
            said = line.method.removesuffix(CALIBRATED) + " + r." * line.method.endswith(CALIBRATED)
            axes.annotate(said, (_place(line) * 1.12, height), fontsize=6, va="center")
        axes.set(
            xlabel="bytes stored beside the network (none: at the left; + r.: with recalibration)",
            ylabel="test accuracy, %",
        )
        axes.set_xscale("log")
        axes.set_xlim(NONE * 0.8, 2e7)

    _save(path, draw, f"{100 * lines[0].rate:g} % of the weights lost: accuracy for what is stored")


def _apart(lines: Sequence[Line], gap: float) -> list[float]:
    """Where the names of points stand, from the highest down: beside them, but not on one another."""
    found: list[float] = []
    for number, line in enumerate(lines):
        near = [
            height
            for other, height in zip(lines[:number], found, strict=True)
            if _place(other) / WIDE < _place(line) < _place(other) * WIDE
        ]
        height = line.accuracy
        while any(abs(height - other) < gap for other in near):
            height -= gap / 4
        found.append(height)
    return found


def _place(line: Line) -> float:
    return max(line.bytes, NONE)


def _save(path: Path, draw: Callable[[Axes], None], title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.set_title(title, fontsize=9, loc="left", color="#444444")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def on_the_way(whole: Part, variant: Variant, automaton: Automaton, damaged: Damaged, path: Path) -> None:
    """Weights before, damaged, on the way and repaired; blue below zero, red above.

    They are some units' pictures; for an automaton of the matrix, or without pictures, all of the matrix.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    from matplotlib.figure import Figure

    def pictures(matrix: Tensor) -> Tensor:
        if variant.layout == MATRIX or whole.side is None:
            return matrix[None]
        return whole.cut(matrix).unflatten(1, whole.side)

    last = variant.steps[1]
    marks = sorted({1, last // 4, last // 2, last} - {0})
    left = torch.where(damaged.known, damaged.matrix, torch.nan)
    lost = 100 * float((~damaged.known).float().mean())
    shown = [("before", whole.matrix), (f"{lost:.0f} % lost", left)]
    shown += [(f"step {mark}", restored(variant, automaton, damaged, steps=mark)) for mark in marks]
    columns = [(said, pictures(matrix)) for said, matrix in shown]
    strongest = columns[0][1].square().flatten(1).sum(1).argsort(descending=True)[:UNITS]
    wide = columns[0][1].shape[2] > 4 * columns[0][1].shape[1]  # one below the other, then
    count = (len(columns), 1) if wide else (len(strongest), len(columns))
    figure = Figure(
        figsize=(9, 1.2 * count[0]) if wide else (1.5 * count[1], 1.5 * count[0]), layout="constrained"
    )
    places = figure.subplots(*count, squeeze=False)
    places = places.T if wide else places
    bound = float(whole.matrix.abs().flatten().quantile(0.995))
    for axes, (said, _) in zip(places[0], columns, strict=True):
        axes.set_title(said, fontsize=9)
    for row, number in zip(places, strongest, strict=True):
        for axes, (_, made) in zip(row, columns, strict=True):
            axes.imshow(
                made[number].numpy(), cmap="RdBu_r", vmin=-bound, vmax=bound,
                aspect="auto" if wide else "equal", interpolation="nearest",
            )  # fmt: skip
            axes.set(xticks=[], yticks=[], facecolor="#d8d8d8")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def chosen(cases: Sequence[Case], variants: Sequence[str]) -> list[str]:
    """The methods that the curve shows, of those that all cases have; of automata the four best."""
    names = [
        "zero",
        "neighbour",
        "kriging",
        bar(cases[0].figures),
        "kriging, the zoo's covariance" + CALIBRATED,
    ]
    last = max(case.rate for case in cases)

    def right(name: str) -> float:
        return statistics.fmean(case.figures[name].accuracy for case in cases if case.rate == last)

    names += sorted((name + CALIBRATED for name in variants), key=right, reverse=True)[:4]
    return [name for name in names if all(name in case.figures for case in cases)]

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
from petri.repair.damaged import Damaged, picture
from petri.repair.methods import BAR, CALIBRATED
from petri.repair.restoring import restored
from petri.repair.variants import Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#2a6f97", "#bc4b51", "#5b8e7d", "#8d6a9f", "#c08a3e", "#666666", "#b08ea2", "#7a9e3f", "#333333")
DOCUMENT = ((0.05, 96.96), (0.1, 96.84), (0.2, 96.76), (0.3, 96.57), (0.5, 96.25), (0.7, 94.45), (0.9, 88.77))
UNITS = 6  # whose pictures are shown


def curve(cases: Sequence[Case], names: Sequence[str], path: Path) -> None:
    """Accuracy over the share of weights that is lost; the mean of all networks and masks.

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
        axes.plot(
            [100 * rate for rate, _ in DOCUMENT],
            [right for _, right in DOCUMENT],
            color="#999999",
            linestyle="--",
            label="the document's automaton, on its own network",
        )
        axes.set(xlabel="weights lost, %", ylabel="test accuracy, %", ylim=(40, 100))

    networks = len({case.network for case in cases})
    mean = f"mean of {networks} networks" if networks > 1 else cases[0].network
    _save(path, draw, f"recovery after {cases[0].kind} damage, {mean}")


def over_bytes(cases: Sequence[Case], thumbnails: dict[int, float], path: Path) -> None:
    """Accuracy over what is stored beside the network, at the largest damage.

    Args:
        cases: all of one rate.
        thumbnails: accuracy with thumbnails, by their bytes.
        path: of the picture.

    Raises:
        OSError: the disk is full or cannot be written.
    """

    def draw(axes: Axes) -> None:
        axes.plot(
            list(thumbnails), list(thumbnails.values()), color=COLOURS[0], marker=".", label="thumbnails"
        )
        for number, name in enumerate(sorted(cases[0].figures)):
            found = [case.figures[name] for case in cases]
            stored = statistics.fmean(figure.bytes for figure in found)
            right = statistics.fmean(figure.accuracy for figure in found)
            if not stored and name not in ("zero", "kriging"):
                continue
            if name.startswith("thumbnails"):
                continue
            axes.plot(max(stored, 100), right, "o", color=COLOURS[number % len(COLOURS)], markersize=4)
            axes.annotate(
                name, (max(stored, 100), right), fontsize=6, xytext=(4, -2), textcoords="offset points"
            )
        axes.set(xlabel="bytes stored beside the network (none: at the left)", ylabel="test accuracy, %")
        axes.set_xscale("log")
        axes.set_xlim(80, 2e7)

    _save(path, draw, f"{100 * cases[0].rate:.0f} % of the weights lost: accuracy for what is stored")


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


def on_the_way(whole: Tensor, variant: Variant, automaton: Automaton, damaged: Damaged, path: Path) -> None:
    """Some units' weights: before, damaged, on the way and repaired; blue below zero, red above.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    from matplotlib.figure import Figure

    last = variant.steps[1]
    marks = sorted({1, last // 4, last // 2, last})
    damaged_one = torch.where(damaged.known, damaged.network.first, torch.nan)
    shown = [("before", whole), (f"{100 * float((~damaged.known).float().mean()):.0f} % lost", damaged_one)]
    shown += [(f"step {mark}", restored(variant, automaton, damaged, steps=mark)) for mark in marks]
    units = whole.square().sum(1).argsort(descending=True)[:UNITS]
    figure = Figure(figsize=(1.5 * len(shown), 1.5 * len(units)), layout="constrained")
    places = figure.subplots(len(units), len(shown), squeeze=False)
    bound = float(whole.abs().flatten().quantile(0.995))
    for axes, (said, _) in zip(places[0], shown, strict=True):
        axes.set_title(said, fontsize=9)
    for row, unit in zip(places, units, strict=True):
        for axes, (_, weights) in zip(row, shown, strict=True):
            axes.imshow(
                weights[unit].view(picture(weights.shape[1])).numpy(), cmap="RdBu_r", vmin=-bound, vmax=bound
            )
            axes.set(xticks=[], yticks=[], facecolor="#d8d8d8")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def chosen(cases: Sequence[Case], variants: Sequence[str]) -> list[str]:
    """The methods that the curve shows."""
    names = ["zero", "neighbour", "kriging", BAR, "kriging, the zoo's covariance" + CALIBRATED]
    return names + [name + CALIBRATED for name in variants][:3]

"""Plots of a study: one message each.

Optuna's own would do for the history; against the parameters it can only show single trials, not what several
seeds have given. So both are drawn here, in the same manner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from petri.files import replacing
from petri.search.results import Finding, candidates, front
from petri.search.trials import DONE, FAILED, PRUNED, Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, GREY = "#2a6f97", "#bc4b51", "#888888"
LOSS = "the report's loss, from the seed"


def save_history(path: Path, title: str, tried: list[Tried], *, seed: int) -> None:
    """Draw the loss of every trial and the least so far.

    Args:
        path: of the PNG.
        title: in small letters above.
        tried: the trials.
        seed: of first trainings; others are those that were trained again.
    """

    def draw(axes: Axes) -> None:
        for state, again, label, style in (
            (DONE, False, "first training", {"color": BLUE, "marker": "o"}),
            (DONE, True, "another seed", {"edgecolor": BLUE, "facecolor": "white", "marker": "o"}),
            (PRUNED, False, "pruned", {"color": GREY, "marker": "x", "linewidth": 1}),
        ):
            shown = [
                t
                for t in tried
                if t.state == state and (t.job.seed != seed) == again and not math.isnan(t.loss)
            ]
            if shown:
                axes.scatter([t.number for t in shown], [t.loss for t in shown], s=24, label=label, **style)
        firsts = [t for t in tried if t.state == DONE and t.job.seed == seed]
        least = [min(t.loss for t in firsts[: end + 1]) for end in range(len(firsts))]
        axes.step([t.number for t in firsts], least, where="post", color=BLUE, linewidth=1, zorder=0,
                  label="least so far")  # fmt: skip
        failed = [t.number for t in tried if t.state == FAILED]
        if failed:
            axes.plot(failed, [0.02] * len(failed), "|", color=RED, transform=axes.get_xaxis_transform(),
                      label="failed")  # fmt: skip
        axes.set(xlabel="trial", ylabel=LOSS, yscale="log")
        axes.locator_params("x", integer=True)

    _save(path, title, draw)


def save_front(path: Path, title: str, found: list[Finding], *, reference: str) -> None:
    """Draw loss against parameters, with the standard deviation over seeds where there are several.

    Args:
        path: of the PNG.
        title: in small letters above.
        found: the configurations.
        reference: what the one that was tried first is called.
    """

    def draw(axes: Axes) -> None:
        for again, label, face in ((False, "trained once", "white"), (True, "mean of other seeds", BLUE)):
            shown = [one for one in candidates(found) if bool(one.again) == again]
            if not shown:
                continue
            axes.errorbar(
                [one.parameters for one in shown], [one.mean for one in shown], [one.spread for one in shown],
                fmt="o", markersize=5, color=BLUE, markerfacecolor=face, elinewidth=1, capsize=3, label=label,
            )  # fmt: skip
        for one in candidates(found):
            if one.is_reference:
                axes.plot(one.parameters, one.mean, "o", markersize=12, markerfacecolor="none", color=RED,
                          label=reference)  # fmt: skip
        best = front(found)
        axes.step([one.parameters for one in best], [one.mean for one in best], where="post", color=GREY,
                  linewidth=1, zorder=0, label="no other is both smaller and better")  # fmt: skip
        axes.set(xlabel="parameters", ylabel=LOSS, yscale="log")

    _save(path, title, draw)


def _save(path: Path, title: str, draw: Callable[[Axes], None]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, fontsize=9, loc="left", color="#444444")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)

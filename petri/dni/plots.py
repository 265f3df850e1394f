"""Plots of a run: one message each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from petri.dni.agreement import Agreement
from petri.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from petri.dni.runs import DniRun

FILES = {
    "accuracy.png": "test accuracy over the epochs, both networks",
    "beta.png": "the share of synthetic gradients over the epochs",
    "cosine.png": "do the graders point the right way",
    "explained.png": "how much of the gradients the graders explain",
    "error.png": "the graders' squared error, and what predicting nothing would give",
}
LINES = ("#2a6f97", "#bc4b51", "#5b8e7d", "#8d6a9f", "#c08a3e")  # after these, again
GREY = "#888888"
REPORT = {"baseline": 98.27, "dni": 96.33}  # Table 2


def save_all(run: DniRun) -> None:
    """Draw every plot into the run's folder.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    _save(run, "accuracy.png", _accuracy)
    _save(run, "beta.png", _beta)
    _save(run, "cosine.png", _cosine)
    _save(run, "explained.png", _explained)
    _save(run, "error.png", _error)


def _save(run: DniRun, name: str, draw: Callable[[Axes, DniRun], None]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    draw(axes, run)
    axes.set_title(f"{run.recipe.data} · {run.recipe.describe()}", fontsize=9, loc="left", color="#444444")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9)
    with replacing(run.path(name)) as temporary:
        figure.savefig(temporary, dpi=120)


def _accuracy(axes: Axes, run: DniRun) -> None:
    reported = run.recipe.data == "mnist" and run.recipe.widths == (256, 128)
    seen = list(REPORT.values()) if reported else []
    for name, label, colour in (("baseline", "backpropagation", GREY), ("dni", "with graders", LINES[0])):
        for number, networks in enumerate(run.epochs.values()):
            epochs = networks[name]
            accuracies = [epoch.accuracy for epoch in epochs]
            axes.plot(
                [epoch.number for epoch in epochs],
                accuracies,
                color=colour,
                linewidth=1,
                marker="." if len(epochs) < 20 else None,
                label=None if number else label,
            )
            seen += accuracies[len(epochs) // 4 :]  # the first steep rise would press the rest together
        if reported:
            axes.axhline(REPORT[name], color=colour, linewidth=1, linestyle="--")
            axes.annotate(
                f"the report: {REPORT[name]}", (0, REPORT[name]), color=colour, fontsize=8,
                xycoords=("axes fraction", "data"), xytext=(4, 3), textcoords="offset points",
            )  # fmt: skip
    axes.set_ylim(min(*seen, max(seen) - 1) - 0.2, min(100, max(seen) + 0.2))
    axes.set(xlabel="epoch", ylabel="test accuracy, %")
    axes.locator_params("x", integer=True)


def _beta(axes: Axes, run: DniRun) -> None:
    epochs = next(iter(run.epochs.values()))["dni"]
    axes.plot(
        [epoch.number for epoch in epochs], [epoch.beta for epoch in epochs], color=LINES[0], marker="."
    )
    axes.set(xlabel="epoch", ylabel="β at the end of the epoch", ylim=(0, 1.05))
    axes.locator_params("x", integer=True)


def _layers(axes: Axes, run: DniRun, value: Callable[[Agreement], float]) -> None:
    for number, looks in enumerate(run.looks.values()):
        for layer, width in enumerate(run.recipe.widths):
            axes.plot(
                [look.step for look in looks],
                [value(look.graders[layer]) for look in looks],
                color=LINES[layer % len(LINES)],
                linewidth=1,
                alpha=1 if number == 0 else 0.3,
                label=None if number else f"layer {layer + 1} ({width})",
            )
    axes.set(xlabel="step", xscale="log")


def _cosine(axes: Axes, run: DniRun) -> None:
    _layers(axes, run, lambda one: one.cosine)
    axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    axes.set(ylabel="cosine of prediction and true gradient", ylim=(-0.6, 1.02))


def _explained(axes: Axes, run: DniRun) -> None:
    _layers(axes, run, lambda one: max(one.explained, -1))
    axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    axes.annotate("a constant prediction", (1, 0), xycoords=("axes fraction", "data"), ha="right", color=GREY,
                  xytext=(-4, 4), textcoords="offset points", fontsize=8)  # fmt: skip
    axes.set(ylabel="explained variance of the true gradient", ylim=(-1.05, 1.02))


def _error(axes: Axes, run: DniRun) -> None:
    _layers(axes, run, lambda one: one.error)
    looks = next(iter(run.looks.values()))
    for layer in range(len(run.recipe.widths)):
        axes.plot(
            [look.step for look in looks],
            [look.graders[layer].silence for look in looks],
            color=LINES[layer % len(LINES)],
            linewidth=1,
            linestyle=":",
            label=f"layer {layer + 1}, predicting zero",
        )
    axes.axhline(1e-5, color=GREY, linewidth=1, linestyle="--")
    axes.annotate("the report: below this after 20 steps", (1, 1e-5), xycoords=("axes fraction", "data"),
                  ha="right", color=GREY, xytext=(-4, 4), textcoords="offset points", fontsize=8)  # fmt: skip
    axes.set(ylabel="mean squared error", yscale="log")

"""Which classes a classifier takes for which, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from petri.evaluation.classes import Classes
from petri.files import replacing

DARK = 0.5  # share of a row from which on its number is written in white


def save(path: Path, found: Classes) -> None:
    """Draw the confusion matrix: a row for what is shown, a column for what is said."""
    from matplotlib.figure import Figure

    counts = np.array(found.confusion)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = 1.6 + 0.52 * len(found.classes)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = shares[row, column] > DARK
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8,
                      color="white" if dark else "#333333")  # fmt: skip
    ticks = range(len(found.classes))
    long = max(map(len, found.classes)) > 2
    axes.set_xticks(ticks, found.classes, rotation=45 if long else 0, ha="right" if long else "center")
    axes.set_yticks(ticks, found.classes)
    right = int(counts.trace())
    axes.set(
        xlabel=f"said after {found.asked} steps",
        ylabel="shown",
        title=f"{right:,} of {found.pictures:,} recognised",
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")

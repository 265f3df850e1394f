"""Plots of a run: one message each."""

from __future__ import annotations

from pathlib import Path

from petri.files import replacing


def save_loss(path: Path, losses: list[float], *, reference: float | None) -> None:
    """Draw the training loss over the epochs, on a logarithmic scale.

    Args:
        path: of the PNG.
        losses: of each epoch, from the first.
        reference: the report's loss for this pattern, drawn as a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs, losses, color="#2a6f97", linewidth=1, marker="." if len(losses) < 10 else None)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if reference is not None:
        axes.axhline(reference, color="#888888", linewidth=1, linestyle="--")
        axes.annotate(f"the report: {reference}", (1, reference), xycoords=("axes fraction", "data"),
                      xytext=(-4, 4), textcoords="offset points", ha="right", color="#666666")  # fmt: skip
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5, which="both")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)

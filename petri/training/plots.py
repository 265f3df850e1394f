"""Plots of a run: one message each."""

from __future__ import annotations

from pathlib import Path

from petri.files import replacing
from petri.training.recipe import Phase

LABEL = 0.08  # share of the epochs that leaves room for a phase's label


def written(grid: tuple[int, int]) -> str:
    """A grid's size in a few letters: `64²`, `48×64`."""
    return f"{grid[0]}²" if grid[0] == grid[1] else f"{grid[0]}×{grid[1]}"


def save_loss(
    path: Path,
    losses: list[float],
    *,
    from_seed: list[tuple[int, float]],
    phases: tuple[Phase, ...],
    label: str,
    reference: float | None,
) -> None:
    """Draw a loss in the pool over the epochs, on a logarithmic scale.

    Args:
        path: of the PNG.
        losses: of each epoch, from the first.
        from_seed: epochs and the loss from the seed then, with fresh fire seeds; drawn as dots.
        phases: of the recipe; a line where each begins, and its size if there is room to say it.
        label: what the losses are.
        reference: the report's, drawn as a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs, losses, color="#2a6f97", linewidth=1, marker="." if len(losses) < 10 else None)
    if from_seed:
        dots = "from the start, with fresh chance"
        axes.plot(*zip(*from_seed, strict=True), "o", color="#c44536", markersize=4, label=dots)
        axes.legend(frameon=False)
    axes.locator_params("x", integer=True)
    begun = 0
    for phase in phases if len(phases) > 1 else ():
        if begun < len(losses):
            axes.axvline(begun + 1, color="#bbbbbb", linewidth=0.8)
            if phase.epochs >= LABEL * len(losses):
                axes.annotate(written(phase.grid), (begun + 1, 1), xycoords=("data", "axes fraction"),
                              xytext=(4, -12), textcoords="offset points", color="#666666")  # fmt: skip
        begun += phase.epochs
    if reference is not None:
        axes.axhline(reference, color="#888888", linewidth=1, linestyle="--")
        axes.annotate(f"the report: {reference}", (1, reference), xycoords=("axes fraction", "data"),
                      xytext=(-4, 4), textcoords="offset points", ha="right", color="#666666")  # fmt: skip
    axes.set(xlabel="epoch", ylabel=label, yscale="log")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5, which="both")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)

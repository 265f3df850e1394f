"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from petri.errors import BadRequest

if TYPE_CHECKING:
    import torch

    from petri.datasets import Dataset

Data = Annotated[str, typer.Option(help="Data set: mnist, fashion, or mini, which comes with petri.")]
Unit = Annotated[
    str,
    typer.Option(
        help="Loss whose gradient graders predict: the batch's mean (mean) or each sample's (sample)."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Results file; runs/dni-COMMAND-DATA.json if left out.", show_default=False),
]


def parse_widths(text: str, option: str = "--widths") -> tuple[int, ...]:
    """Widths such as `256,128`.

    Raises:
        BadRequest: not whole numbers with commas between them.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise BadRequest(f"{option} must be whole numbers such as 256,128, got {text!r}") from None


def load(name: str, folder: Path | None, device: torch.device) -> Dataset:
    """Load a data set onto a device; say so if it is fetched."""
    from petri import datasets

    return datasets.load(name, folder, note).to(device)


def record_path(out: Path | None, verb: str, data: str) -> Path:
    """Where a verb keeps its results."""
    return out or Path("runs") / f"dni-{verb}-{data}.json"


def say_kept(path: Path, what: str) -> None:
    """Say where all results are."""
    from petri.console import out

    out.say("\n", (str(path), "bold"), f" has all {what}, epoch by epoch")


def note(text: str) -> None:
    """Say what a data set is fetched from."""
    from petri.console import out

    out.print(text, style="dim", soft_wrap=True)

"""petri check: what is wrong with a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    file: Annotated[Path, typer.Argument(help="Safetensors file of anyone's model.")],
) -> None:
    """Look for damage in a model file.

    NaN and infinite numbers, numbers far larger than the rest of their tensor (as a flipped bit makes them),
    tensors that are truncated or overlap, and bytes that belong to none. Nothing in the file is executed. The
    exit code is 1 if something is certainly wrong.
    """
    from petri.console import out, table
    from petri.repair import check as checking
    from petri.wording import quoted

    found = checking.check(file)
    if found.faults:
        shown = table("tensor", "what", text=("tensor", "what"))
        for fault in found.faults:
            shown.add_row(
                fault.tensor or "the file", fault.said + (" (may be meant)" if not fault.certain else "")
            )
        out.print(shown)
    word = (
        "nothing wrong" if not found.faults else "damaged" if not found.sound else "nothing certainly wrong"
    )
    out.say((str(file), "bold"), f": {word}; {found.tensors:,} tensors, {found.numbers:,} numbers in all")
    if any(" NaN" in fault.said or "infinite" in fault.said for fault in found.faults):
        out.say(f"estimate what is NaN or infinite:  petri repair {quoted(file)} --nan")
    if not found.sound:
        raise typer.Exit(1)

"""What a classifier is played with: pictures, and what its cells say of the last one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from petri.errors import BadRequest

if TYPE_CHECKING:
    from torch import Tensor

    from petri.modelfile import Model


def pictures(
    model: Model, paths: list[Path], steps: list[int]
) -> tuple[Tensor, dict[int, int | Tensor], list[str]]:
    """The picture that a classifier looks at first, those at the steps that are named, and notes on them.

    Raises:
        BadRequest: a picture cannot be read, the steps are not those of all further ones, or there is none.
    """
    from petri.datasets import own

    later = max(0, len(paths) - 1)
    if len(steps) != later:
        raise BadRequest(
            f"each --image after the first needs its --at, the first none: {later} wanted, got {len(steps)}"
        )
    if sorted(set(steps)) != steps:
        raise BadRequest(f"the steps of --at must rise, got {', '.join(map(str, steps))}")
    read = [own.read(path, model.spec.fixed, model.grid) for path in paths]
    first = read[0][0] if read else model.sample(model.grid)
    if first is None:
        raise BadRequest("the model's file has no picture to look at: give one by --image")
    switches: dict[int, int | Tensor] = {
        step: planes for step, (planes, _) in zip(steps, read[1:], strict=True)
    }
    return first, switches, [note for _, notes in read for note in notes]


def tell(model: Model, state: Tensor) -> None:
    """Say what the cells of a state take the picture under them for."""
    from petri.console import out
    from petri.evaluation.classes import told

    which, share = told(state, model.spec)
    out.say((model.classes[which], "bold"), f", say {100 * share:.0f} % of its cells")

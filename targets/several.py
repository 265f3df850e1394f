"""Several targets that one rule is to grow, told which by a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from petri import targets
from petri.errors import BadRequest
from petri.wording import readable

if TYPE_CHECKING:
    from petri.targets import Target

MOST = 32  # targets of one rule: a plane of the state each
LONGEST = 24  # characters of a label


@dataclass(frozen=True, eq=False)
class Several:
    """Targets of one size that are all figures, or all planes."""

    asked: tuple[str, ...]  # each as it was asked for
    drawn: tuple[Target, ...]
    labels: tuple[str, ...]  # short, no two alike
    seed: tuple[float, float]  # where all of them begin to grow: x, y as fractions

    @property
    def name(self) -> str:
        """What they are called together."""
        return " ".join(self.labels)

    @property
    def transparent(self) -> bool:
        """Whether they are figures."""
        return self.drawn[0].transparent

    @property
    def notes(self) -> tuple[str, ...]:
        """One-line remarks on any of them."""
        return tuple(note for target in self.drawn for note in target.notes)


def load(names: Sequence[str], res: int) -> Several:
    """Draw several targets, as `petri.targets.load` draws one.

    Args:
        names: 2 to 32, as for `petri.targets.load`.
        res: cells a side.

    Raises:
        BadRequest: too few or too many, one that is no target or is there twice, or figures beside planes.
    """
    check_count(names)
    drawn = tuple(targets.load(name, res) for name in names)
    for (one, first), (other, second) in combinations(zip(names, drawn, strict=True), 2):
        if first.pixels.shape == second.pixels.shape and (first.pixels == second.pixels).all():
            also = "" if one == other else f" (as {readable(other)} too)"
            raise BadRequest(f"{readable(one)} is asked for twice{also}: give each target once")
    figure = next((target.name for target in drawn if target.transparent), None)
    plane = next((target.name for target in drawn if not target.transparent), None)
    if figure and plane:
        raise BadRequest(
            f"{figure} is a figure on an empty ground and {plane} fills its plane: one rule has the living "
            "mask or not, so give figures alone or planes alone"
        )
    seed = _seed(drawn) if figure else drawn[0].seed
    return Several(tuple(map(targets.written, names)), drawn, labels(names), seed)


def check_count(names: Sequence[str]) -> None:
    """Refuse what is not several.

    Raises:
        BadRequest: fewer than 2 or more than 32.
    """
    if not 2 <= len(names) <= MOST:
        raise BadRequest(f"one rule can grow 2 to {MOST} targets, got {len(names)}")


def labels(names: Sequence[str]) -> tuple[str, ...]:
    """A short name of each target, no two alike: `🦎` of `emoji:🦎`, `logo` of `art/logo.png`."""
    found: list[str] = []
    for name in names:
        short = _label(name)
        label, number = short, 1
        while label in found:
            number += 1
            label = f"{short}-{number}"
        found.append(label)
    return tuple(found)


def _label(name: str) -> str:
    kind, colon, rest = name.partition(":")
    if colon and kind in ("emoji", "text"):
        short = rest.strip()
    else:
        file, _ = targets.split_time(name)
        short = name if targets.travels(name) else Path(targets.path_of(file).name).stem + name[len(file) :]
    return readable(short)[:LONGEST].strip() or "target"


def _seed(drawn: Sequence[Target]) -> tuple[float, float]:
    """Where growth begins: of the cells that are solid in most figures, the one nearest the centre."""
    import numpy as np

    from petri.targets.figure import nearest_centre, solid

    counts = np.sum([solid(target.pixels[3]) for target in drawn], axis=0)
    return nearest_centre(counts == counts.max())

"""Who is whose neighbour."""

from __future__ import annotations

from dataclasses import dataclass

from petri import checks
from petri.nca.padding import PADDINGS


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows and columns; row 0 is the top one.

    Raises:
        BadRequest: an unknown padding.
    """

    padding: str = "zero"  # beyond the edge lie empty cells (zero) or the opposite side (wrap)

    def __post_init__(self) -> None:
        checks.choice("padding", self.padding, PADDINGS)


SPACES: dict[str, type] = {"grid": Grid}

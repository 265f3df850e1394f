"""Who is whose neighbour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from petri import checks
from petri.nca.graph import FRAMES
from petri.nca.padding import PADDINGS


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows and columns; row 0 is the top one.

    Raises:
        BadRequest: an unknown padding.
    """

    on_graph: ClassVar[bool] = False
    axes: ClassVar[int] = 2  # coordinates of a point in what lies between cells: a square
    frame: ClassVar[str] = FRAMES[0]

    padding: str = "zero"  # beyond the edge lie empty cells (zero) or the opposite side (wrap)

    def __post_init__(self) -> None:
        checks.choice("padding", self.padding, PADDINGS)


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Nodes in a circle, each between two others; how many there are is a state's to say.

    Source: gary-mesh (docs/report.md).
    """

    on_graph: ClassVar[bool] = True
    axes: ClassVar[int] = 0  # nothing is painted between its nodes
    padding: ClassVar[str] = "none"
    frame: ClassVar[str] = FRAMES[0]


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """The nodes of a mesh or of any graph, which is given when the automaton runs: `Automaton.on`.

    A model that was trained on one mesh so runs on any other.

    Raises:
        BadRequest: an unknown frame.

    Source: Pajouheshgar et al. 2024, "Mesh Neural Cellular Automata".
    """

    on_graph: ClassVar[bool] = True
    axes: ClassVar[int] = 3  # of a triangle
    padding: ClassVar[str] = "none"

    # What directions are told by: x, y and z (world), or what lies right, up and out of a vertex (upright),
    # y being up: a texture then looks the same from all sides.
    frame: str = FRAMES[0]

    def __post_init__(self) -> None:
        checks.choice("frame", self.frame, FRAMES)


Space = Grid | Ring | Mesh
SPACES: dict[str, type] = {"grid": Grid, "ring": Ring, "mesh": Mesh}

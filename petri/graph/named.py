"""Meshes by what a user calls them."""

from __future__ import annotations

from pathlib import Path

from petri.errors import BadRequest, nearest
from petri.graph.mesh import Mended, mend
from petri.graph.read import ENDINGS, read
from petri.graph.shapes import SHAPES
from petri.graph.sphere import icosphere

SPHERE = "sphere:"


def load(asked: str) -> Mended:
    """A mesh, mended, its middle in the origin and its farthest vertex at 1.

    Args:
        asked: the path of a file; `sphere:4`, an icosphere of that level; or a shape by name.

    Raises:
        BadRequest: it cannot be had.
    """
    if asked.startswith(SPHERE):
        level = asked.removeprefix(SPHERE)
        if not level.isascii() or not level.isdigit() or len(level) > 3:
            raise BadRequest(f"a sphere is asked for by its level, such as sphere:4, got {asked!r}")
        return Mended(icosphere(int(level)), 0, 0, 0, 0)
    if asked in SHAPES:
        return Mended(SHAPES[asked](), 0, 0, 0, 0)
    if not Path(asked).suffix:
        raise BadRequest(
            f"there is no mesh {asked!r}{nearest(asked, SHAPES)}; there are {SPHERE}4, {', '.join(SHAPES)} "
            f"and files, which end in one of {' '.join(ENDINGS)}"
        )
    surface = read(asked)
    try:
        found = mend(surface)
    except BadRequest as error:
        raise BadRequest(f"{asked}: {error}") from None
    return Mended(found.surface.fitted(), found.welded, found.flat, found.doubled, found.alone)

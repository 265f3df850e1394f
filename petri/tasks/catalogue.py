"""Which architecture grows which pattern: the report's catalogue and what petri's own search found."""

from __future__ import annotations

from typing import Any

# The report's Table 4, which its search had selected.
TABLE_4: dict[str, dict[str, Any]] = {
    "spiral": {"perception": "learned+dilated", "hidden": 64, "layers": 3, "residual": True},
    "mandelbrot": {"perception": "learned+dilated", "hidden": 128, "layers": 2},
    "voronoi": {"perception": "dilated", "hidden": 64, "layers": 2},
    "circle": {"perception": "dilated", "hidden": 64, "layers": 3, "residual": True},
    "cross": {"perception": "learned+dilated", "hidden": 64, "layers": 3, "residual": True},
    "rings": {"perception": "learned+dilated", "hidden": 128, "layers": 3, "residual": True},
    "braid": {"perception": "learned+dilated", "hidden": 128, "layers": 2, "gated": True},
    "topo": {"perception": "learned+dilated", "hidden": 128, "layers": 2},
    "checkerboard": {"perception": "dilated", "hidden": 128, "layers": 2, "gated": True},
}

# Its Table 5: pattern + ½ stability + ⅒ overflow at the end of training, at 256².
TABLE_5 = {
    "spiral": 0.017,
    "voronoi": 0.027,
    "checkerboard": 0.033,
    "braid": 0.045,
    "circle": 0.048,
    "mandelbrot": 0.050,
    "topo": 0.069,
    "cross": 0.070,
    "rings": 0.146,
}

COMPARABLE = 128  # cells along a side from which on the report's losses, at 256², are worth a comparison


def reports_loss(target: str, res: int) -> float | None:
    """The report's loss of a pattern, where a model of `res` cells along a side may be held against it."""
    return TABLE_5.get(target) if res >= COMPARABLE else None


# The best that petri's search found for spiral, circle and voronoi, or not to be told apart from it
# (docs/notes/2026-11-22-search.md); in full runs checkerboard, cross and braid came far with it too
# (docs/notes/2026-11-23-models.md).
FOUND: dict[str, Any] = {"perception": "learned+dilated", "hidden": 128, "layers": 2}
FOUND_FOR = ("braid", "checkerboard", "circle", "cross", "spiral", "voronoi")

# For targets that nobody has searched for: the most able of those in the table.
DEFAULT: dict[str, Any] = {"perception": "learned+dilated", "hidden": 128, "layers": 3, "residual": True}


def architecture(target: str) -> dict[str, Any]:
    """The best architecture that is known for a target by name, with all choices named; or a good default."""
    return _whole(FOUND if target in FOUND_FOR else TABLE_4.get(target, DEFAULT))


def reports_architecture(target: str) -> dict[str, Any]:
    """A target's row of the report's Table 4, with all choices named; or a good default."""
    return _whole(TABLE_4.get(target, DEFAULT))


def _whole(fields: dict[str, Any]) -> dict[str, Any]:
    return {"residual": False, "gated": False, **fields}

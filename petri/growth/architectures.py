"""Which architecture grows which pattern."""

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

# For targets that nobody has searched for: the most able of those in the table.
DEFAULT: dict[str, Any] = {"perception": "learned+dilated", "hidden": 128, "layers": 3, "residual": True}


def architecture(target: str) -> dict[str, Any]:
    """Spec fields for a target by name: its row of Table 4, or a good default."""
    return dict(TABLE_4.get(target, DEFAULT))

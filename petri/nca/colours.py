"""The colours of classes: ten that people tell apart who see red and green, or blue and yellow, alike."""

from __future__ import annotations

COLOURS = (
    "#888888",
) * 10
UNDECIDED = "#555555"

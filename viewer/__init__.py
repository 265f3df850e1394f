"""The viewer's files, as they lie in `viewer/`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

ROOT = Path(str(files(__name__)))


def text(name: str) -> str:
    """A file of the viewer by its path in it, such as `lib/dish.js`."""
    return (ROOT / name).read_text(encoding="utf-8")

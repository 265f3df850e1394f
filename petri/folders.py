"""Where petri keeps what can be had again."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def cache(name: str) -> Path:
    """The folder `petri/NAME` within the platform's cache folder."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = _home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
    return root / "petri" / name


def _home() -> Path:
    """The user's folder; one for what is temporary where the system knows of none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())

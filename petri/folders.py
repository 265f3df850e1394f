"""Where petri keeps what can be had again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache(name: str) -> Path:
    """The folder `petri/NAME` within the platform's cache folder."""
    home = Path.home()
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = home / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return root / "petri" / name

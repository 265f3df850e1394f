"""Where petri keeps what can be had again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache(name: str) -> Path:
    """The folder `petri/NAME` within the platform's cache folder.

    Raises:
        OSError: there is none, because the system knows of no home folder, as in some containers.
    """
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = _home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
    return root / "petri" / name


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise OSError("there is no home folder to keep a cache in: set HOME or XDG_CACHE_HOME") from None

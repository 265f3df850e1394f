"""The models that petri ships, by name."""

from __future__ import annotations

import contextlib
from importlib.resources import files
from pathlib import Path

from petri.errors import BadRequest, NotAModel, nearest

MODEL = "model.safetensors"  # in a run's folder
_HERE = Path(str(files(__name__)))


def names() -> list[str]:
    """The shipped models' names."""
    return sorted(path.stem for path in _HERE.glob("*.safetensors"))


def find(name: str) -> Path:
    """The file of a model: that of a shipped one by name, a model file, or that of a run's folder.

    Raises:
        NotAModel: a folder without a model.
        BadRequest: there is none; a near name is suggested.
    """
    if name in names():
        return _HERE / f"{name}.safetensors"
    with contextlib.suppress(OSError, RuntimeError):  # a name too long for a file, or ~nobody
        path = Path(name).expanduser()
        if path.is_dir():
            if not (path / MODEL).is_file():
                raise NotAModel(f"the folder {name} has no {MODEL}")
            return path / MODEL
        if path.is_file():
            return path
    hint = nearest(name, names()) or f": the shipped ones are {', '.join(names())}"
    raise BadRequest(f"there is no model {name!r}{hint}")

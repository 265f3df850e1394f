"""petri grows patterns from a single cell, with neural cellular automata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from petri.version import __version__

if TYPE_CHECKING:
    from petri.nca import Automaton

__all__ = ["__version__", "load"]


def load(path: str | Path) -> Automaton:
    """Load a model file's automaton; `petri.modelfile.read` gives its provenance too.

    Raises:
        petri.errors.BadRequest: the file is not a valid model; the message names what is wrong.
    """
    from petri.modelfile import read  # torch is imported only when it is needed

    return read(Path(path)).automaton

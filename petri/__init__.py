"""petri grows patterns from a single cell, with neural cellular automata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from petri import hooks
from petri.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from petri.modelfile import Model
    from petri.nca import Automaton

__all__ = ["__version__", "load"]


def load(path: str | Path) -> Automaton:
    """Load a model's automaton; `petri.modelfile.read` gives its provenance too.

    Args:
        path: of a model file or of a run's folder, or the name of a shipped model, such as `spiral`.

    Raises:
        petri.errors.BadRequest: there is none, or it is not valid; the message names what is wrong.
    """
    from petri.modelfile import read  # torch is imported only when it is needed
    from petri.models import find

    return read(find(str(path))).automaton


def _rollout(automaton: Automaton, state: Tensor, steps: int, **how: Any) -> Tensor:
    from petri.engine import rollout

    return rollout(automaton, state, steps, **how)


def _alive(model: Model) -> str:
    from petri.viewing.notebook import alive

    return alive(model)


hooks.rollout, hooks.alive = _rollout, _alive

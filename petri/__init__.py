"""petri trains neural cellular automata: every cell of a grid runs the same small network.

What is named here is the library; docs/python.md has examples. Nothing is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petri import hooks
from petri.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from petri.modelfile import Model
    from petri.nca import (
        Attention,
        Automaton,
        Cell,
        Conv,
        Deformable,
        Given,
        Graph,
        Grid,
        Harmonics,
        Invariants,
        Mesh,
        Mlp,
        Noise,
        Residual,
        Ring,
        Spec,
        Stencil,
        Uniform,
        show,
    )
    from petri.nca.senses import SENSES
    from petri.tasks import TASKS, Growing, GrowingMany, Learner, Painting, Rows, Task
    from petri.training.pool import Pool
    from petri.training.train import train

HOMES = {
    "petri.modelfile": ("Model",),
    "petri.nca": (
        "Attention", "Automaton", "Cell", "Conv", "Deformable", "Given", "Graph", "Grid",
        "Harmonics", "Invariants", "Mesh", "Mlp", "Noise", "Residual", "Ring", "Spec", "Stencil",
        "Uniform", "show",
    ),
    "petri.nca.senses": ("SENSES",),
    "petri.tasks": ("TASKS", "Growing", "GrowingMany", "Learner", "Painting", "Rows", "Task"),
    "petri.training.pool": ("Pool",),
    "petri.training.train": ("train",),
}  # fmt: skip

__all__ = [
    "SENSES",
    "TASKS",
    "Attention",
    "Automaton",
    "Cell",
    "Conv",
    "Deformable",
    "Given",
    "Graph",
    "Grid",
    "Growing",
    "GrowingMany",
    "Harmonics",
    "Invariants",
    "Learner",
    "Mesh",
    "Mlp",
    "Model",
    "Noise",
    "Painting",
    "Pool",
    "Residual",
    "Ring",
    "Rows",
    "Spec",
    "Stencil",
    "Task",
    "Uniform",
    "__version__",
    "load",
    "save",
    "show",
    "train",
]


def load(path: str | Path) -> Model:
    """Load a model: its automaton, and the size and steps that it was trained on.

    A model of a mesh is given on the one that it was trained on, if that is to be found; see `petri.worn`.

    Args:
        path: of a model file or of a run's folder, or the name of a shipped model, such as `spiral`.

    Raises:
        petri.errors.BadRequest: there is none, or it is not valid; the message names what is wrong.
    """
    from petri.errors import BadRequest
    from petri.modelfile import read  # torch is imported only when it is needed
    from petri.models import find

    found = find(str(path))
    model = read(found)
    if not model.spec.space.on_graph:
        return model
    from petri.worn import on_its_mesh

    try:
        return on_its_mesh(model, found.parent)
    except BadRequest:
        return model  # it runs on any


def save(path: str | Path, model: Model) -> None:
    """Write a model into a file, whole or not at all; `load` reads it.

    Raises:
        petri.errors.BadRequest: the automaton does what its Spec and weights do not tell.
        OSError: the file cannot be written.
    """
    from petri.modelfile import write

    write(Path(path), model)


def __getattr__(name: str) -> Any:
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'petri' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def _rollout(automaton: Automaton, state: Tensor, steps: int, **how: Any) -> Tensor:
    from petri.engine import rollout

    return rollout(automaton, state, steps, **how)


def _alive(model: Model) -> str:
    from petri.viewing.notebook import alive

    return alive(model)


hooks.rollout, hooks.alive = _rollout, _alive

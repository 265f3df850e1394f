"""Tasks: what may be asked of an automaton, one file each.

A new task is a file with a `Task` here, and a line in `TASKS`; a recipe names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from petri.tasks.classify import Classifying
from petri.tasks.glaze import Glazing
from petri.tasks.grow import Growing
from petri.tasks.learner import Learner
from petri.tasks.many import GrowingMany
from petri.tasks.material import WeavingMaterial
from petri.tasks.paint import Painting
from petri.tasks.surface import ColouringMesh
from petri.tasks.task import Rows, Task
from petri.tasks.texture import Weaving
from petri.tasks.textures import WeavingMany
from petri.tasks.wear import Wearing

if TYPE_CHECKING:
    from petri.training.recipe import Recipe

__all__ = [
    "TASKS",
    "Classifying",
    "ColouringMesh",
    "Glazing",
    "Growing",
    "GrowingMany",
    "Learner",
    "Painting",
    "Rows",
    "Task",
    "Wearing",
    "Weaving",
    "WeavingMany",
    "make",
]

TASKS: dict[str, type[Task]] = {
    "grow": Growing,
    "many": GrowingMany,
    "paint": Painting,
    "surface": ColouringMesh,
    "texture": Weaving,
    "textures": WeavingMany,
    "material": WeavingMaterial,
    "wear": Wearing,
    "glaze": Glazing,
    "classify": Classifying,
}


def make(recipe: Recipe, *, blank: bool = False) -> Task:
    """The task of a recipe.

    Args:
        recipe: of the run.
        blank: without what a checkpoint is going to fill in.

    Raises:
        BadRequest: what the task needs cannot be had, such as a target that cannot be drawn.
    """
    return TASKS[recipe.task].of(recipe, blank=blank)

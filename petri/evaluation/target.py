"""What a model was to look like, found again."""

from __future__ import annotations

from pathlib import Path

from petri import targets
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.toml import parse

RECIPE = "recipe.toml"  # beside the model in a run's folder


def target_of(model: Model, path: Path, number: int = 0) -> str:
    """The target that a model was trained for, as `petri.targets.load` takes it.

    Patterns, emoji and text are known by their names. Of a picture or a shader a model keeps only the name,
    which says nothing of where it lies now; the recipe in a run's folder does.

    Args:
        model: as read from `path`.
        path: of its file.
        number: of the condition, from 0, if it has several targets.

    Raises:
        BadRequest: it cannot be found again.
    """
    name = model.targets[number]
    if targets.travels(name):
        return name
    asked = _asked(path.parent / RECIPE, number)
    if asked is not None and targets.name_of(asked) == name:
        file, _ = targets.split_time(asked)
        if targets.path_of(file).exists():  # a folder of a material's maps, too
            return asked
    raise BadRequest(f"{path} grows {name}, which is not to be found: say with --target what that is")


def _asked(recipe: Path, number: int) -> str | None:
    try:
        fields = parse(recipe.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    several = fields.get("targets")
    asked = several[number : number + 1] if isinstance(several, list) and several else [fields.get("target")]
    return asked[0] if asked and isinstance(asked[0], str) else None

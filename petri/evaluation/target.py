"""What a model was to look like, found again."""

from __future__ import annotations

from pathlib import Path

from petri import targets
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.toml import parse
from petri.wording import readable

RECIPE = "recipe.toml"  # beside the model in a run's folder


def target_of(model: Model, path: Path) -> str:
    """The target that a model was trained for, as `petri.targets.load` takes it.

    Patterns, emoji and text are known by their names. Of a picture or a shader a model keeps only the name,
    which says nothing of where it lies now; the recipe in a run's folder does.

    Args:
        model: as read from `path`.
        path: of its file.

    Raises:
        BadRequest: it cannot be found again.
    """
    if targets.travels(model.target):
        return model.target
    asked = _asked(path.parent / RECIPE)
    if asked is not None and readable(targets.path_of(asked).name) == model.target:
        file, _ = targets.split_time(asked)
        if targets.path_of(file).is_file():
            return asked
    raise BadRequest(f"{path} grows {model.target}, which is not to be found: say with --target what that is")


def _asked(recipe: Path) -> str | None:
    try:
        asked = parse(recipe.read_text(encoding="utf-8")).get("target")
    except (OSError, ValueError):
        return None
    return asked if isinstance(asked, str) else None

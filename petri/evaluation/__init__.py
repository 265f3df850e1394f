"""How good a model is: measured by what it was trained for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from petri.errors import BadRequest
from petri.evaluation import evaluation, many, recognition, surface, texture, textures, worn
from petri.evaluation.evaluation import Evaluation
from petri.evaluation.many import ManyEvaluation
from petri.evaluation.recognition import Recognition
from petri.evaluation.surface import SurfaceEvaluation
from petri.evaluation.texture import TextureEvaluation
from petri.evaluation.textures import TexturesEvaluation
from petri.evaluation.worn import WornEvaluation
from petri.modelfile import Model
from petri.nca import Ring

__all__ = [
    "MEASURES",
    "Evaluation",
    "Found",
    "ManyEvaluation",
    "Recognition",
    "SurfaceEvaluation",
    "TextureEvaluation",
    "TexturesEvaluation",
    "WornEvaluation",
    "evaluate",
]

Found = (
    Evaluation
    | ManyEvaluation
    | Recognition
    | SurfaceEvaluation
    | TextureEvaluation
    | TexturesEvaluation
    | WornEvaluation
)


def evaluate(model: Model, target: str | Sequence[str] | None = None, **how: Any) -> Found:
    """Measure a model by what it was trained for; see the `evaluate` of each of `MEASURES`.

    Args:
        model: as `petri.modelfile.read` gives it.
        target: what it is to look like; of a model of several targets, one for each.
        how: as the measure of its task takes it.

    Raises:
        BadRequest: a value out of range, no such target, or not as many as the model has.
        RunFailed: memory is at an end.
    """
    names = [target] if isinstance(target, str) else list(target or ())
    if isinstance(model.spec.space, Ring):
        raise BadRequest(
            f"{model.target} is of a ring, whose rules `petri mesh ring` measures as it trains them: their "
            "figures lie in the run's ring.json"
        )
    if model.spec.space.on_graph and model.task not in ("surface", "wear", "glaze"):
        raise BadRequest(
            f"{model.target} colours no mesh and weaves no texture: `petri evaluate` measures what "
            "`petri mesh grow` and `petri mesh texture` train"
        )
    measure = MEASURES.get(model.task) or MEASURES["many" if model.conditions else "grow"]
    return measure(model, names, **how)


def _grown(model: Model, names: Sequence[str], **how: Any) -> Evaluation:
    return evaluation.evaluate(model, _only(model, names), **how)


def _woven(model: Model, names: Sequence[str], **how: Any) -> TextureEvaluation:
    return texture.evaluate(model, _only(model, names), **how)


def _recognised(model: Model, names: Sequence[str], **how: Any) -> Recognition:
    return recognition.evaluate(model, _only(model, names), **how)


def _only(model: Model, names: Sequence[str]) -> str | None:
    if len(names) > 1:
        raise BadRequest(f"{model.target} is one target, got {len(names)} to compare with")
    return names[0] if names else None


# By a model's task; one of a program's own is held against what it is to look like.
MEASURES: dict[str, Callable[..., Found]] = {
    "grow": _grown,
    "many": many.evaluate,
    "paint": _grown,
    "texture": _woven,
    "textures": textures.evaluate,
    "material": _woven,
    "classify": _recognised,
    "surface": surface.evaluate,
    "wear": worn.evaluate,
    "glaze": worn.evaluate,
}

"""How good a model is at what it was trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from petri.evaluation import evaluation, texture
from petri.evaluation.evaluation import Evaluation
from petri.evaluation.texture import TextureEvaluation
from petri.modelfile import Model

__all__ = ["MEASURES", "Evaluation", "TextureEvaluation", "evaluate"]

# By task; a model of any other is measured by what it grows.
MEASURES: dict[str, Callable[..., Any]] = {"grow": evaluation.evaluate, "texture": texture.evaluate}


def evaluate(model: Model, target: str | None = None, **how: Any) -> Any:
    """Measure a model by what its task asks; see the `evaluate` of each for the arguments."""
    return MEASURES.get(model.task, evaluation.evaluate)(model, target, **how)

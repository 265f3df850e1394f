"""Everything that is measured of a model of several textures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from petri.errors import BadRequest
from petri.evaluation import texture
from petri.evaluation.texture import TextureEvaluation
from petri.modelfile import Model


@dataclass(frozen=True, kw_only=True)
class TexturesEvaluation:
    """How good a rule of several textures is at each."""

    target: str  # what they are called together
    architecture: str  # of the automaton, in a few words
    res: int  # cells along a side that it was trained on
    seeds: int  # textures of each
    conditions: tuple[str, ...]
    each: tuple[TextureEvaluation, ...]  # by condition

    @property
    def summary(self) -> str:
        """What was measured, in one line."""
        return f"{self.target} on {self.res}×{self.res} cells · {self.architecture} · {self.seeds} textures"

    def to_fields(self) -> dict[str, Any]:
        """As plain values, which JSON can hold; the pictures are left out."""
        return {
            "task": "textures",
            "target": self.target,
            "architecture": self.architecture,
            "res": self.res,
            "seeds": self.seeds,
            "conditions": [
                {"condition": label, **one.to_fields()}
                for label, one in zip(self.conditions, self.each, strict=True)
            ],
        }


def evaluate(
    model: Model,
    target: Sequence[str] = (),
    *,
    say: Callable[[str], object] = lambda text: None,
    **how: Any,
) -> TexturesEvaluation:
    """Measure each texture of a model as `texture.evaluate` does.

    Args:
        model: of several textures.
        target: what each condition is to be like, in order; as the model's file names them if empty.
        say, how: as for `texture.evaluate`.

    Raises:
        BadRequest: a value out of range, no such picture, or not as many as the model has.
        RunFailed: memory is at an end.
    """
    names = tuple(target) or model.targets
    if len(names) != len(model.conditions):
        raise BadRequest(
            f"{model.target} has {len(model.conditions)} textures: name one for each, got {len(names)}"
        )
    each = []
    for number, (label, name) in enumerate(zip(model.conditions, names, strict=True)):
        told = partial(_tell, say, label)
        each.append(texture.evaluate(model, name, condition=number, say=told, **how))
    return TexturesEvaluation(
        target=model.target,
        architecture=model.spec.describe(),
        res=model.res,
        seeds=each[0].seeds,
        conditions=model.conditions,
        each=tuple(each),
    )


def _tell(say: Callable[[str], object], label: str, text: str) -> None:
    say(f"{label}, {text}")

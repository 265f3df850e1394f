"""The best of a study, trained at full size."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petri import checks, modelfile, targets
from petri.errors import BadRequest
from petri.files import write_whole
from petri.models import MODEL
from petri.search.results import Finding, candidates, findings
from petri.search.space import Configuration
from petri.search.study import PROMOTED, Study
from petri.training.presets import quick_for, share_out
from petri.training.recipe import Recipe
from petri.training.runs import Run, has_finished


@dataclass(frozen=True)
class Promotion:
    """One configuration at full size."""

    configuration: Configuration
    recipe: Recipe
    name: str  # of the run's folder


def best_for(study: Study, target: str) -> Finding:
    """The configuration that a study has found best for its target.

    Raises:
        BadRequest: the study is for another target, or none of its trials has come to its end.
    """
    if study.recipe.name != target:
        raise BadRequest(f"the study {study.name!r} is for {study.recipe.name}, not {target}")
    found = candidates(findings(study))
    if not found:
        raise BadRequest(f"no trial of the study {study.name!r} has come to its end yet")
    return found[0]


def full_size(recipe: Recipe, *, res: int, epochs: int | None) -> Recipe:
    """A trial's recipe at full size.

    The phases are those of the quick preset, of a plane up from a quarter of the size; all else stays.

    Args:
        recipe: of the trials.
        res: cells along a side in the end.
        epochs: in all, shared out as the preset's; None for as many as it has.

    Raises:
        BadRequest: a size out of range, or one that the recipe cannot have.
    """
    phases = quick_for(targets.load(recipe.target, res))["phases"]
    if epochs is not None:
        phases = share_out(phases, epochs)
    return Recipe.from_fields({**recipe.to_fields(), "phases": phases})


def promotions(
    study: Study, found: list[Finding], count: int, *, res: int, epochs: int | None
) -> list[Promotion]:
    """The best `count` configurations as full runs, the best first.

    Args:
        study: where they were found.
        found: as `results.findings` gives them, only those that came to their end.
        res, epochs: as for `full_size`.
    """
    base = full_size(study.recipe, res=res, epochs=epochs)
    return [
        Promotion(
            one.configuration,
            one.configuration.recipe(base, seed=study.recipe.seed),
            f"{study.name}-trial-{one.first.number}-at-{res}",
        )
        for one in found[:count]
    ]


def outcome(promotion: Promotion, parent: Path) -> dict[str, Any] | None:
    """What a promotion that has been trained to its end has come to; None if it has not.

    Returns:
        `configuration` in words, `run` (its folder's name), `loss`, `seconds`.

    Raises:
        BadRequest: its folder holds a run of another recipe.
    """
    folder = parent / promotion.name
    if not folder.exists():
        return None
    theirs = dataclasses.replace(Run.open(folder, lock=False).recipe, target=promotion.recipe.target)
    if theirs != promotion.recipe:
        raise BadRequest(f"{folder} was trained by another recipe: move it away, or choose another --out")
    try:
        training = modelfile.read(folder / MODEL).training
    except BadRequest:
        return None
    if not has_finished(training, promotion.recipe):
        return None
    try:
        loss, seconds = training["loss"]["loss"], training["seconds"]
        return {
            "configuration": promotion.configuration.describe(),
            "run": promotion.name,
            "loss": math.inf if math.isnan(loss) else checks.number("its loss", loss, 0, math.inf),
            "seconds": checks.number("its seconds", seconds, 0, 1e9),
        }
    except (KeyError, TypeError, BadRequest) as error:
        raise BadRequest(f"{folder / MODEL} does not say what it has come to: {error}") from None


def keep_best(study: Study, outcomes: list[dict[str, Any]], parent: Path) -> Path:
    """Note in the study what was trained at full size, and copy the best model beside the runs' folders."""
    names = {done["run"] for done in outcomes}
    study.optuna.set_user_attr(
        PROMOTED, [done for done in study.promoted if done["run"] not in names] + outcomes
    )
    best = min(outcomes, key=lambda done: done["loss"])
    path = parent / f"{study.name}.safetensors"
    write_whole(path, (parent / best["run"] / MODEL).read_bytes())
    return path

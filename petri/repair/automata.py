"""Training an automaton for repair by petri's own trainer, and keeping it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from petri import modelfile
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Automaton
from petri.repair.restoring import Restoring
from petri.repair.variants import Variant
from petri.training.recipe import OWN, Optimisation, Phase, PoolUse, Recipe
from petri.training.trainer import Epoch, Trainer


def recipe_of(task: Restoring, *, seed: int) -> Recipe:
    """How the automaton of a task is trained: fresh damage in every batch."""
    variant = task.variant
    return Recipe(
        target="repair",
        name="repair",
        task=OWN,
        spec=task.spec,
        phases=(
            Phase(res=task.grid, epochs=variant.epochs, batch=variant.batch, steps=variant.steps, turns=1),
        ),
        pool=PoolUse(size=variant.batch),
        optimiser=Optimisation(learning_rate=4e-3, average=0.98, shortest=1.0),
        hold=0,
        seed=seed,
    )


def train(
    task: Restoring, *, seed: int = 0, tell: Callable[[int, float], None] = lambda epoch, loss: None
) -> Model:
    """Train the automaton of a task.

    Args:
        task: with its networks.
        seed: of its weights, the damage and all else.
        tell: told of each epoch and its loss.

    Raises:
        petri.errors.RunFailed: training diverged again and again.
    """
    recipe = recipe_of(task, seed=seed)
    trainer = Trainer(recipe, task, torch.device("cpu"))
    while trainer.epoch < recipe.epochs:
        outcome = trainer.train_epoch()
        if isinstance(outcome, Epoch):
            tell(outcome.number, float(outcome.loss))
    training = {"recipe": recipe.to_fields(), "epochs": recipe.epochs}
    return Model(automaton=trainer.result(), target="repair", training=training)


def kept(path: Path, variant: Variant, make: Callable[[], Model]) -> Automaton:
    """A variant's automaton from a model file, which is made if it is not there yet.

    Raises:
        BadRequest: the file has an automaton of another kind, or of another length of training.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        modelfile.write(path, make())
    found = modelfile.read(path)
    if found.automaton.spec != variant.spec or found.training.get("epochs") != variant.epochs:
        raise BadRequest(f"{path} is an automaton of another recipe: choose another --out")
    return found.automaton

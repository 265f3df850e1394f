"""Training in one call, for programs that keep the automaton in their hands."""

from __future__ import annotations

from collections.abc import Callable

import torch

from petri.modelfile import Model
from petri.nca import Automaton
from petri.tasks import Task
from petri.training.recipe import OWN, Optimisation, Phase, PoolUse, Recipe
from petri.training.trainer import Epoch, Trainer


def train(
    task: Task,
    *,
    epochs: int = 1000,
    steps: tuple[int, int] = (48, 96),
    batch: int = 4,
    pool: int = 64,
    damage: int = 0,
    mutation: float = 0.0,
    learning_rate: float = 2e-3,
    average: float = 0.99,
    seed: int = 0,
    device: torch.device | str = "cpu",
    engine: str = "auto",
    automaton: Automaton | None = None,
    tell: Callable[[Epoch], None] = lambda epoch: None,
) -> Model:
    """Train an automaton for a task; what `petri grow` does, without a folder.

    Args:
        task: what is asked of it, and for which Spec and grid.
        epochs: optimiser steps.
        steps: least and most to grow, drawn anew each epoch.
        batch: states trained together; at least one of each batch is fresh.
        pool: states that are kept from epoch to epoch, at least as many as the batch.
        damage: so many of a batch are wounded before they grow on.
        mutation: this share of the pool's states is to become another target, where a task has several.
        learning_rate: its peak; it rises over a tenth of the epochs and then falls to nothing.
        average: decay of the weights' moving average, which is what is returned; 0 for the weights.
        seed: of the weights and all chance; on one CPU the same seed gives the same bits.
        device: where.
        engine: as for `Automaton.rollout`.
        automaton: what to start from, of the task's Spec; left as it is.
        tell: told of each epoch.

    Returns:
        A model: the automaton, and the grid and steps that it was trained on; `petri.save` writes it.

    Raises:
        petri.errors.BadRequest: a value out of range.
        petri.errors.RunFailed: training diverged again and again.
    """
    recipe = Recipe(
        target="a task of its own",
        name="a task of its own",
        task=OWN,
        spec=task.spec,
        phases=(Phase(res=task.grid, epochs=epochs, batch=batch, steps=steps),),
        pool=PoolUse(size=pool, damage=damage, mutation=mutation),
        optimiser=Optimisation(learning_rate=learning_rate, average=average),
        hold=0,
        seed=seed,
    )
    trainer = Trainer(recipe, task, torch.device(device), engine=engine, weights=automaton)
    while trainer.epoch < epochs:
        outcome = trainer.train_epoch()
        if isinstance(outcome, Epoch):
            tell(outcome)
    training = {"recipe": recipe.to_fields(), "epochs": epochs}
    return Model(
        automaton=trainer.result(),
        target=type(task).__name__,
        training=training,
        conditions=task.conditions,
        classes=task.classes,
    )

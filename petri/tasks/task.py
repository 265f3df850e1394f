"""What a task is: what is asked of an automaton, and how good it is at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from petri.damage import random_damage
from petri.errors import BadRequest
from petri.ground import WHITE
from petri.images import drawn
from petri.nca import seed_state, show

if TYPE_CHECKING:
    import numpy as np

    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe

# What the pool keeps of each of its entries, `[entry, …]` by name: `state`, and what a task needs beside it,
# such as a label, a condition or a target.
Rows = dict[str, Tensor]


class Task:
    """What is asked of an automaton; the trainer knows nothing else of what it trains for.

    A task of one's own overrides `losses`, and whatever else is not as it is here. Names of losses are those
    of the columns of a run's metrics.

    Args:
        spec: of the automaton.
        grid: rows and columns.

    Attributes:
        weights: of each loss in what is minimised, by name; 0 for one that is only watched.
    """

    # Table `loss` of a recipe for this task: a frozen dataclass that checks its fields; None: there is none.
    terms: ClassVar[type | None] = None
    conditions: tuple[str, ...] = ()  # of a rule of several targets: a label for each fixed plane
    classes: tuple[str, ...] = ()  # of a classifier: what each of its votes is for
    weights: Mapping[str, float] = {"error": 1.0}

    def __init__(self, spec: Spec, grid: int | tuple[int, int]) -> None:
        self.spec, self.grid = spec, (grid, grid) if isinstance(grid, int) else grid

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> Task:
        """The task of a recipe; `blank` if a checkpoint is going to fill in its tensors."""
        return cls(recipe.spec, recipe.phases[0].grid)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Refuse a recipe that this task cannot have; most have one target and nothing to mutate into.

        Raises:
            BadRequest: it names several targets, or mutates.
        """
        if recipe.targets:
            raise BadRequest(f"the task {recipe.task} has one target, got {len(recipe.targets)}")
        if recipe.pool.mutation:
            raise BadRequest("pool.mutation is for a rule of several targets, this one has one")

    @classmethod
    def weigh(cls, terms: Any) -> Mapping[str, float]:
        """The weight of each loss by name, as the table `loss` of a recipe has them."""
        return cls.weights

    def to(self, device: torch.device) -> Task:
        """The same, what it compares with on a device."""
        return self

    def meet(self, automaton: Automaton) -> None:
        """The automaton that is going to be trained; told once, before anything else is asked.

        A task of which the states are not all that it looks at keeps it, such as one whose pictures a
        decoder paints.
        """

    def settle(self, ground: str) -> str:
        """What a run's pictures show a figure on, of what the user asked for; see `petri.ground`."""
        return ground

    def introduce(self, folder: Path) -> None:
        """Draw what is asked for into the folder of a run that begins."""

    def enter(self, number: int) -> None:
        """Phase `number` of the recipe, from 0, begins; the grid may be another one from here on."""

    def begin(self, count: int, chance: torch.Generator, device: torch.device) -> Rows:
        """Rows that have not been trained yet: the state that the Spec starts from, and what goes with it.

        Fixed planes are empty here: a task that has any fills them.
        """
        seed = 0
        if self.spec.start_is_drawn:
            seed = int(torch.randint(2**32, (), generator=chance))
        empty = torch.zeros(self.spec.fixed, *self.grid)
        state = seed_state(self.spec, *self.grid, batch=count, device=device, seed=seed, fixed=empty)
        return {"state": state}

    def mutate(self, rows: Rows, chance: torch.Generator) -> Rows:
        """Rows of the pool that are to become something else before they grow on: `pool.mutation` of them.

        Args:
            rows: as the pool has them.
            chance: of the CPU.

        Returns:
            The same rows, asked for something else.

        Raises:
            BadRequest: there is nothing else to ask for.
        """
        raise BadRequest(f"{type(self).__name__} asks for one thing: leave pool.mutation at 0")

    def wound(
        self, state: Tensor, chance: torch.Generator, *, radii: tuple[float, float], half_planes: bool
    ) -> Tensor:
        """States of the pool, damaged: circles and half-planes of a grid.

        Args:
            state: `[batch, channel, height, width]`; of the evolving channels.
            chance, radii, half_planes: as of `petri.damage.random_damage`.

        Returns:
            New states.
        """
        return random_damage(state, chance, radii=radii, half_planes=half_planes)

    def marks(self, steps: int) -> tuple[int, ...]:
        """The steps after which the states are looked at, in order; the last ones go back into the pool.

        Args:
            steps: to grow, as the trainer has drawn them.
        """
        return (steps,)

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """What is wrong with each sample, by the names of `weights`: `[batch]`, at least 0.

        Args:
            looks: states `[batch, channel, height, width]`, one for each mark.
            rows: what belongs to them.
        """
        raise NotImplementedError

    def learn(self, looks: Sequence[Tensor], rows: Rows) -> None:
        """Train whatever learns beside the automaton, such as a critic; called once an epoch, after it.

        Args:
            looks, rows: as for `losses`, without a gradient and of the whole batch, on every process alike.
        """

    def learned(self) -> dict[str, Tensor]:
        """What `learn` changes, by name, with the state of its optimiser; `Learner.tensors` has both.

        A checkpoint keeps it, and a run that goes back takes it back. The names are the same from the start.
        """
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps beside it, so that a run goes on with the same numbers."""
        return {}

    def picture(self, state: Tensor) -> np.ndarray:
        """What a person is shown of a state `[channel, height, width]`: uint8 `[height, width, 3]`."""
        return drawn(show(state, self.spec), WHITE)

    def goal(self) -> np.ndarray | None:
        """What a person is shown of what is asked for, as `picture` has it; None if there is nothing."""
        return None

    def curve(self, columns: Mapping[str, Sequence[float]]) -> tuple[list[float], str, float | None]:
        """What the plot of a run shows over its epochs, what it is, and a value of others to hold it against.

        Args:
            columns: of the run's metrics, by name.
        """
        return list(columns["loss"]), "loss, in the pool", None

    def say(self, losses: Mapping[str, float]) -> tuple[str, str] | None:
        """What a person is told beside the loss on the way: a name and a value; None for nothing.

        Args:
            losses: by the names of `weights`, the mean over the epochs since the last time.
        """
        return None

    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """How good an automaton is, with fresh chance. An early stop goes by `loss`, if there is one.

        Args:
            automaton: as trained so far.
            seeds: rollouts.
        """
        return {}

    def finish(self, automaton: Automaton, folder: Path) -> Outcome:
        """Measure a trained automaton, and draw it into the run's folder; by default neither."""
        return Outcome(stands=True, files=())


@dataclass(frozen=True)
class Outcome:
    """What an automaton has come to at a task."""

    stands: bool  # whether it does what it was asked for at all
    files: tuple[str, ...]  # drawn into the run's folder
    fields: dict[str, Any] = field(default_factory=dict)  # of it in the model file's account of the training

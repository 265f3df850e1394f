"""One training run in memory: the automaton, its optimiser and its pool, an epoch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from petri.growth import optimiser
from petri.growth.loss import overflow_loss, pattern_loss
from petri.growth.pool import Pool
from petri.growth.recipe import Recipe
from petri.nca import Automaton, seed_state


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave. Losses are scalars on the device: reading them waits for it."""

    number: int  # from 1
    steps: int  # taken to grow, before those to hold
    learning_rate: float
    pattern: Tensor
    stability: Tensor
    overflow: Tensor
    loss: Tensor  # their weighted sum
    grown: Tensor  # state [channel, height, width] of the sample that started from the seed


class Trainer:
    """Trains one automaton by a recipe.

    Nothing moves between host and device inside an epoch.

    Args:
        recipe: how.
        target: `[seen, res, res]` in 0..1: RGB, or RGB premultiplied by alpha and alpha.
        device: where the pool, the weights and all arithmetic live.
    """

    def __init__(self, recipe: Recipe, target: Tensor, device: torch.device) -> None:
        self.recipe = recipe
        self.target = target.to(device)
        self.epoch = 0
        self.chance = torch.Generator().manual_seed(recipe.seed)  # steps and fire seeds
        self.draws = torch.Generator(device).manual_seed(recipe.seed)  # of the pool
        self.automaton = Automaton(recipe.spec, generator=self.chance).to(device)
        self.weights = dict(self.automaton.named_parameters())
        self.adam = optimiser.make(self.weights)
        self.pool = Pool(seed_state(recipe.spec, recipe.res, recipe.res, device=device), recipe.pool)

    def train_epoch(self) -> Epoch:
        """Grow a batch from the pool, hold it, and change the weights so that both look better."""
        recipe = self.recipe
        steps = int(torch.randint(recipe.steps[0], recipe.steps[1] + 1, (), generator=self.chance))
        fire_seed = int(torch.randint(2**32, (), generator=self.chance))
        indices, states = self.pool.draw(recipe.batch, self.draws)

        grown = self._roll(states, steps, 0, fire_seed)
        held = self._roll(grown, recipe.hold, steps, fire_seed)
        pattern = pattern_loss(grown, self.target)
        stability = pattern_loss(held, self.target)
        overflow = overflow_loss(held)
        losses = pattern + recipe.stability * stability + recipe.overflow * overflow
        loss = losses.mean()

        rate = optimiser.learning_rate(self.epoch, recipe.epochs, recipe.learning_rate)
        self.adam.param_groups[0]["lr"] = rate
        self.adam.zero_grad()
        loss.backward()
        optimiser.normalise_gradients(self.weights.values())
        self.adam.step()
        self.pool.put_back(indices, held, losses)
        self.epoch += 1
        means = [values.detach().mean() for values in (pattern, stability, overflow, loss)]
        return Epoch(self.epoch, steps, rate, *means, grown[0].detach())

    def _roll(self, state: Tensor, steps: int, start: int, seed: int) -> Tensor:
        kept = min(steps, self.recipe.truncate or steps)  # steps that the gradient goes back through
        if self.recipe.truncate:
            with torch.no_grad():
                state = self._take(state, steps - kept, start, seed).detach()
        return self._take(state, kept, start + steps - kept, seed)

    def _take(self, state: Tensor, steps: int, start: int, seed: int) -> Tensor:
        return self.automaton.rollout(state, steps, seed=seed, start=start, precision="auto")

    def tensors(self) -> dict[str, Tensor]:
        """Everything that going on with the same numbers needs, by name."""
        saved = {"target": self.target, "pool.states": self.pool.states, "pool.losses": self.pool.losses}
        saved["chance"] = self.chance.get_state()
        saved["draws"] = self.draws.get_state()
        for name, weight in self.weights.items():
            saved[f"weights.{name}"] = weight.detach()
            for moment in ("exp_avg", "exp_avg_sq"):
                saved[f"adam.{moment}.{name}"] = self.adam.state[weight][moment]
        return saved

    def restore(self, tensors: dict[str, Tensor], epoch: int) -> None:
        """Go back to where `tensors` were taken, after `epoch` epochs."""
        for name, place in self.tensors().items():
            if name == "chance" or (name == "draws" and place.shape == tensors[name].shape):
                getattr(self, name).set_state(tensors[name])
            elif name == "draws":  # of another kind of device: its numbers cannot be had here
                self.draws.manual_seed(self.recipe.seed + epoch)
            else:
                place.copy_(tensors[name])
        for weight in self.weights.values():
            self.adam.state[weight]["step"].fill_(epoch)
        self.epoch = epoch

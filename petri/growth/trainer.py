"""One training run in memory: the automaton, its optimiser and its pool, an epoch at a time."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.damage import random_damage
from petri.errors import RunFailed
from petri.growth import optimiser
from petri.growth.loss import multi_scale_loss, overflow_loss, pattern_loss
from petri.growth.perceptual import PerceptualLoss
from petri.growth.pool import Pool
from petri.growth.ranks import Ranks
from petri.growth.recipe import Phase, Recipe
from petri.nca import Automaton, seed_state
from petri.nca.life import has_life

SHORTEST = 0.25  # share of a rollout's length at the start of the warm-up, or after many deaths
EXPLODED = 1e4  # a state value beyond this will not come back
GOOD_EVERY = 50  # epochs between the states that a failing run goes back to
RETURNS = 3  # before it is given up
SLOWER = 0.5  # what a return does to the learning rate
DYING = 0.3  # share of the rollouts of late that may die before the learning rate is halved
SLOWEST = 0.2  # of the learning rate; below that it is not halved for deaths any more
SHORTER, LONGER = 0.8, 1.03  # what a death from the seed, or none, does to the length of rollouts from there
LATE = 0.01  # share of this average that one epoch is


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave. Losses are scalars on the device: reading them waits for it."""

    number: int  # from 1
    steps: int  # taken to grow, before those to hold
    learning_rate: float
    pattern: Tensor  # mean squared error of what has grown
    stability: Tensor  # and of what is there after the steps to hold
    overflow: Tensor
    died: Tensor  # share of the batch that ended without a living cell
    loss: Tensor  # what was minimised
    note: str  # what the user should know; nearly always empty
    grown: Tensor  # state [channel, height, width] of the sample that started from the seed, if one did


@dataclass(frozen=True)
class Return:
    """Instead of an epoch: the run went back to an earlier state."""

    epoch: int  # the number of epochs after which that state was
    reason: str


class Trainer:
    """Trains one automaton by a recipe, through all its phases.

    Args:
        recipe: how.
        targets: of each phase, `[seen, res, res]` in 0..1: RGB, or RGB premultiplied by alpha and alpha.
        device: where the pool, the weights and all arithmetic live.
        engine, precision: how rollouts are computed; see `Automaton.rollout`.
        ranks: the processes that share the work.
        weights: the model to start from, of the recipe's architecture; drawn by the recipe's seed if None.
    """

    def __init__(
        self,
        recipe: Recipe,
        targets: list[Tensor],
        device: torch.device,
        *,
        engine: str = "auto",
        precision: str = "auto",
        ranks: Ranks | None = None,
        weights: Automaton | None = None,
    ) -> None:
        self.recipe = recipe
        self.targets = [target.to(device) for target in targets]
        self.device = device
        self.engine, self.precision = engine, precision
        self.ranks = ranks or Ranks()
        for phase in recipe.phases:
            self.ranks.share(phase.batch)  # refused now, not in the middle of the run
        self.epoch = 0
        self.chance = torch.Generator().manual_seed(recipe.seed)  # steps, damage and fire seeds
        self.draws = torch.Generator(device).manual_seed(recipe.seed)  # of the pool
        self.automaton = Automaton(recipe.spec, generator=self.chance).to(device)
        if weights is not None:
            self.automaton.load_state_dict(weights.state_dict())
        self.weights = dict(self.automaton.named_parameters())
        self.adam = optimiser.make(self.weights, recipe.optimiser)
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.slower = torch.ones((), dtype=torch.float64)  # what returns have made of the learning rate
        self.returns = torch.zeros((), dtype=torch.int64)
        self.good_epoch = torch.zeros((), dtype=torch.int64)
        self.reach = torch.ones((), dtype=torch.float64)  # share of their steps that seeds are given
        self.dying = torch.zeros((), dtype=torch.float64)  # share of the rollouts that died of late
        self.good = {name: tensor.clone() for name, tensor in self._learned().items()}
        self._enter(0, fresh=True)

    @property
    def phase(self) -> Phase:
        """The part of the recipe that the last epoch belonged to, or the first will."""
        return self.recipe.phases[self.number]

    @property
    def target(self) -> Tensor:
        """What is to be grown in this phase, `[seen, res, res]`."""
        return self.targets[self.number]

    def _enter(self, number: int, *, fresh: bool = False) -> None:
        """Begin a phase: weights and optimiser go on; so does the pool, if it is to and still fits."""
        self.number = number
        recipe, phase, weigh = self.recipe, self.phase, self.recipe.loss
        self.begun = sum(before.epochs for before in recipe.phases[:number])
        seed = seed_state(recipe.spec, phase.res, phase.res, device=self.device)
        self.perceptual = PerceptualLoss(self.target) if weigh.perceptual else None
        with torch.no_grad():
            loss = self._losses(seed, seed).mean()
        if fresh or self.pool.states.shape != (recipe.pool_size(phase), *seed.shape[1:]):
            self.pool = Pool(seed, recipe.pool_size(phase), loss=loss, priority=recipe.pool.priority)
        self.empty = loss  # what a rollout that died begins again with

    def _losses(self, grown: Tensor, held: Tensor) -> Tensor:
        """What is minimised, `[batch]`."""
        weigh = self.recipe.loss
        losses = multi_scale_loss(grown, self.target, weigh.scales)
        if weigh.stability:
            losses = losses + weigh.stability * multi_scale_loss(held, self.target, weigh.scales)
        if weigh.overflow:
            losses = losses + weigh.overflow * overflow_loss(held, bound=weigh.bound)
        if self.perceptual:
            losses = losses + weigh.perceptual * self.perceptual(grown)
        return losses

    def train_epoch(self) -> Epoch | Return:
        """Grow a batch from the pool, hold it, and change the weights so that both look better.

        Returns:
            The epoch; or a `Return` if its loss was not finite or a state exploded, and the trainer is as it
            was some epochs before, but with half the learning rate.

        Raises:
            RunFailed: it went wrong again after several such returns.
        """
        recipe = self.recipe
        if (number := recipe.phase_after(self.epoch)) != self.number:
            self._enter(number)
        phase = self.phase
        seeds = phase.seeds(self.epoch)
        use = recipe.pool
        hurt = min(use.damage, phase.hurt(self.epoch, use.damage_every))
        steps = self._draw_steps(seeds, hurt=hurt > 0)
        fire_seed = int(torch.randint(2**32, (), generator=self.chance))
        rivals = recipe.pool.rivals if seeds == phase.batch else 0
        indices, states = self.pool.draw(phase.batch, self.draws, seeds=seeds, rivals=rivals)
        if hurt:
            best = states[phase.batch - hurt :]  # the batch is sorted by loss
            states[phase.batch - hurt :] = random_damage(
                best, self.chance, radii=use.damage_radii, half_planes=use.half_planes
            )

        mine = self.ranks.share(phase.batch)
        grown = self._roll(states[mine], steps, 0, fire_seed, mine.start)
        held = self._roll(grown, recipe.hold, steps, fire_seed, mine.start)
        losses = self._losses(grown, held)
        self.adam.zero_grad()
        (losses.sum() / phase.batch).backward()
        self.ranks.add_up(weight.grad for weight in self.weights.values())
        with torch.no_grad():
            parts = torch.stack(
                [
                    losses,
                    pattern_loss(grown, self.target),
                    pattern_loss(held, self.target),
                    overflow_loss(held, bound=recipe.loss.bound),
                    self._dead(held),
                ]
            )
            parts = self.ranks.gather(parts.T).T
            held, seen = self.ranks.gather(held.detach()), self.ranks.gather(grown.detach()[:1])[0]
            reason = self._trouble(parts[0], held)
        if reason:
            return self._go_back(reason)

        note = self._heed_deaths(parts[4], seeds)
        epoch = self.epoch - self.begun
        rate = optimiser.learning_rate(epoch, phase.epochs, recipe.optimiser) * self.slower.item()
        self.adam.param_groups[0]["lr"] = rate
        optimiser.normalise_gradients(self.weights.values())
        if self.epoch and self.epoch % GOOD_EVERY == 0 and self.dying < DYING / 2:
            self._keep()  # this epoch's rollout has shown that these weights are sound
        self.adam.step()
        if seeds < phase.batch or not phase.turns_of or self._stays(phase):
            self._put_back(indices, held, parts[0], parts[4] > 0)
        self.epoch += 1
        optimiser.update_average(self.average, self.weights, recipe.optimiser.average, self.epoch)
        loss, pattern, stability, overflow, died = parts.mean(dim=1)
        return Epoch(self.epoch, steps, rate, pattern, stability, overflow, died, loss, note, seen)

    def _stays(self, phase: Phase) -> bool:
        """Whether a batch of seeds comes into the pool: one of so many of them, in turn."""
        return self.epoch // phase.turns_of % self.recipe.pool.newcomer == 0

    def _put_back(self, indices: Tensor, states: Tensor, losses: Tensor, dead: Tensor) -> None:
        """Keep what has grown; a dead state has no gradient and never will have: the seed replaces it."""
        states = torch.where(dead[:, None, None, None], self.pool.seed, states)
        self.pool.put_back(indices, states, torch.where(dead, self.empty, losses))

    def _dead(self, state: Tensor) -> Tensor:
        """1 for every sample without a living cell, `[batch]`; without the living mask none can die."""
        if not self.recipe.spec.living:
            return state.new_zeros(len(state))
        return (~has_life(state)).to(state.dtype)

    def _draw_steps(self, seeds: int, *, hurt: bool = False) -> int:
        """Steps to grow in this epoch: fewer in the first phase's warm-up, and where seeds die on the way."""
        least, most = self.phase.steps_of(self.epoch, hurt=hurt)
        warm = self.recipe.optimiser.warm_up * self.recipe.phases[0].epochs
        length = min(1.0, SHORTEST + (1 - SHORTEST) * self.epoch / warm) if warm else 1.0
        steps = int(torch.randint(least, most + 1, (), generator=self.chance))
        return max(1, round(min(length, self.reach.item() if seeds else 1.0) * steps))

    def _heed_deaths(self, dead: Tensor, seeds: int) -> str:
        """Take account of who died, `[batch]`, the seeds first; a note if that changes the learning rate.

        What dies has no gradient. Cut short before it dies, the same rollout has one, and it says: live.
        """
        if dead[:seeds].any():
            self.reach.mul_(SHORTER).clamp_(min=SHORTEST)
        elif seeds:
            self.reach.mul_(LONGER).clamp_(max=1.0)
        self.dying.lerp_(dead.mean().double().to(self.dying.device), LATE)
        if self.dying <= DYING or self.slower < SLOWEST:
            return ""
        self.dying.zero_()
        self.slower *= SLOWER
        return "nearly a third of what grew of late has died: on with half the learning rate"

    def _roll(self, state: Tensor, steps: int, start: int, seed: int, first: int) -> Tensor:
        kept = min(steps, self.phase.truncate or steps)  # steps that the gradient goes back through
        if self.phase.truncate and steps:
            with torch.no_grad():
                state = self._take(state, steps - kept, start, seed, first).detach()
        return self._take(state, kept, start + steps - kept, seed, first)

    def _take(self, state: Tensor, steps: int, start: int, seed: int, first: int) -> Tensor:
        return self.automaton.rollout(
            state,
            steps,
            seed=seed,
            start=start,
            first_sample=first,
            engine=self.engine,
            precision=self.precision,
            checkpoint=self.recipe.checkpoint,
        )

    def _trouble(self, losses: Tensor, held: Tensor) -> str:
        """What is wrong with an epoch; empty if nothing is."""
        if not losses.isfinite().all():
            return "the loss was no longer finite"
        if not all(weight.grad.isfinite().all() for weight in self.weights.values()):
            return "a gradient was no longer finite"
        if not held.abs().max() <= EXPLODED:
            return f"state values passed {EXPLODED:,.0f}"
        return ""

    def _learned(self) -> dict[str, Tensor]:
        """What training has changed, by name; the tensors themselves."""
        learned = {}
        for name, weight in self.weights.items():
            learned[f"weights.{name}"] = weight.detach()
            for moment in ("exp_avg", "exp_avg_sq"):
                learned[f"adam.{moment}.{name}"] = self.adam.state[weight][moment]
            if self.recipe.optimiser.average:
                learned[f"average.{name}"] = self.average[name]
        return learned

    def _keep(self) -> None:
        """Remember this state as a good one."""
        for name, tensor in self._learned().items():
            self.good[name].copy_(tensor)
        self.good_epoch.fill_(self.epoch)

    def _go_back(self, reason: str) -> Return:
        self.returns += 1
        if self.returns > RETURNS:
            raise RunFailed(
                f"{reason} in epoch {self.epoch + 1:,}, again after {RETURNS} returns to an earlier state, "
                "each with half the learning rate; begin anew with --recipe RUN/recipe.toml and "
                "--set optimiser.learning_rate=…, or bound the state by spec.clamp"
            )
        for name, tensor in self._learned().items():
            tensor.copy_(self.good[name])
        self.slower *= SLOWER
        self._set_epoch(int(self.good_epoch))
        # With a pool that nothing has spoilt.
        self._enter(self.recipe.phase_after(max(0, self.epoch - 1)), fresh=True)
        return Return(self.epoch, reason)

    def _set_epoch(self, epoch: int) -> None:
        for weight in self.weights.values():
            self.adam.state[weight]["step"].fill_(epoch)
        self.epoch = epoch

    def result(self) -> Automaton:
        """The automaton as it stands: of the averaged weights, if the recipe averages them."""
        automaton = copy.deepcopy(self.automaton)
        if self.recipe.optimiser.average:
            with torch.no_grad():
                for name, weight in automaton.named_parameters():
                    weight.copy_(self.average[name])
        return automaton

    def tensors(self) -> dict[str, Tensor]:
        """Everything that going on with the same numbers needs, by name."""
        saved = {
            f"target.{phase.res}": target
            for phase, target in zip(self.recipe.phases, self.targets, strict=True)
        }
        saved |= {"pool.states": self.pool.states, "pool.losses": self.pool.losses}
        saved |= {"chance": self.chance.get_state(), "draws": self.draws.get_state()}
        saved |= {"guard.slower": self.slower, "guard.returns": self.returns, "guard.epoch": self.good_epoch}
        saved |= {"guard.dying": self.dying, "guard.reach": self.reach}
        return saved | self._learned() | {f"good.{name}": tensor for name, tensor in self.good.items()}

    def tensors_at(self, epoch: int) -> dict[str, Tensor]:
        """Tensors such as `tensors` gives after `epoch` epochs; the trainer enters their phase."""
        number = self.recipe.phase_after(max(0, epoch - 1))
        if number != self.number:
            self._enter(number)
        return self.tensors()

    def restore(self, tensors: dict[str, Tensor], epoch: int) -> None:
        """Go back to where `tensors` were taken, after `epoch` epochs."""
        for phase, target in zip(self.recipe.phases, self.targets, strict=True):
            target.copy_(tensors[f"target.{phase.res}"])
        self._enter(self.recipe.phase_after(max(0, epoch - 1)))  # what it compares with is now the target
        for name, place in self.tensors().items():
            if name == "chance" or (name == "draws" and place.shape == tensors[name].shape):
                getattr(self, name).set_state(tensors[name])
            elif name == "draws":  # of another kind of device: its numbers cannot be had here
                self.draws.manual_seed(self.recipe.seed + epoch)
            else:
                place.copy_(tensors[name])
        self._set_epoch(epoch)

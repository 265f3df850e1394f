"""One training run in memory: the automaton, its optimiser and its pool, an epoch at a time."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.nca import Automaton
from petri.nca.life import has_life
from petri.tasks import Rows, Task
from petri.training import optimiser
from petri.training.guard import Guard
from petri.training.pool import Pool
from petri.training.ranks import Ranks
from petri.training.recipe import Phase, Recipe


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave. Losses are scalars on the device: reading them waits for it."""

    number: int  # from 1
    steps: int  # taken to grow, before those to hold
    learning_rate: float
    losses: dict[str, Tensor]  # by the task's names, the mean of the batch
    died: Tensor  # share of the batch that ended without a living cell
    loss: Tensor  # what was minimised
    note: str  # what the user should know; nearly always empty
    grown: (
        Tensor  # state [channel, height, width] of the first sample at its first mark; a fresh one if any is
    )


@dataclass(frozen=True)
class Return:
    """Instead of an epoch: the run went back to an earlier state."""

    epoch: int  # the number of epochs after which that state was
    reason: str


class Trainer:
    """Trains one automaton by a recipe, through all its phases.

    An epoch draws rows of the pool, lets their states grow to each of the task's marks, weighs what the task
    finds wrong with them, changes the weights, and puts the states back.

    Args:
        recipe: how.
        task: what for.
        device: where the pool, the weights and all arithmetic live.
        engine, precision: how rollouts are computed; see `Automaton.rollout`.
        ranks: the processes that share the work.
        weights: the model to start from, of the recipe's architecture; drawn by the recipe's seed if None.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        device: torch.device,
        *,
        engine: str = "auto",
        precision: str = "auto",
        ranks: Ranks | None = None,
        weights: Automaton | None = None,
    ) -> None:
        if recipe.spec.classes != len(task.classes):
            raise BadRequest(
                f"{type(task).__name__} names {len(task.classes) or 'no'} classes to vote for, "
                f"spec.classes is {recipe.spec.classes}"
            )
        self.recipe = recipe
        self.task = task.to(device)
        self.device = device
        self.engine, self.precision = engine, precision
        self.ranks = ranks or Ranks()
        for phase in recipe.phases:
            self.ranks.share(phase.batch)  # refused now, not in the middle of the run
        self.epoch = 0
        self.pool: Pool
        self.chance = torch.Generator().manual_seed(recipe.seed)  # steps, damage and fire seeds
        self.draws = torch.Generator(device).manual_seed(recipe.seed)  # of the pool
        self.automaton = Automaton(recipe.spec, generator=self.chance).to(device)
        if weights is not None:
            if weights.spec != recipe.spec:
                theirs, ours = weights.spec.describe(), recipe.spec.describe()
                raise BadRequest(f"the model to start from is {theirs}; what is trained is {ours}")
            self.automaton.load_state_dict(weights.state_dict())
        self.weights = dict(self.automaton.named_parameters())
        self.groups = optimiser.groups(self.automaton, recipe.optimiser)
        self.adam = optimiser.make(self.groups, recipe.optimiser)
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.task.meet(self.automaton)
        self.guard = Guard(recipe.guard, self._learned())
        self._enter(0, fresh=True)

    @property
    def phase(self) -> Phase:
        """The part of the recipe that the last epoch belonged to, or the first will."""
        return self.recipe.phases[self.number]

    def _enter(self, number: int, *, fresh: bool = False) -> None:
        """Begin a phase: weights and optimiser go on; so does the pool, if it is to and still fits."""
        self.number = number
        recipe, phase = self.recipe, self.phase
        self.begun = sum(before.epochs for before in recipe.phases[:number])
        self.task.enter(number)
        size = recipe.pool_size(phase)
        if fresh or self.pool.states.shape[2:] != phase.grid or len(self.pool.states) != size:
            rows = self._begin(size, torch.Generator().manual_seed(recipe.seed))
            self.pool = Pool(rows, loss=self._loss_of(rows), priority=recipe.pool.priority)
        self.empty = self._loss_of(self._begin(1, torch.Generator().manual_seed(0)))

    def _begin(self, count: int, chance: torch.Generator | None = None) -> Rows:
        rows = self.task.begin(count, chance or self.chance, self.device)
        if "state" not in rows:
            raise BadRequest(f"{type(self.task).__name__}.begin must give rows with a 'state'")
        return rows

    @torch.no_grad()
    def _loss_of(self, rows: Rows) -> Tensor:
        """What is minimised, of rows as they are; the mean of all, as entries of a pool begin with."""
        first = {name: values[:1] for name, values in rows.items()}
        looks = [first["state"]] * len(self.task.marks(1))
        losses = self.task.losses(looks, first)
        self._check(losses, rows)
        return self._weighed(losses).mean()

    def _check(self, losses: dict[str, Tensor], rows: Rows) -> None:
        """Refuse what a task gives by mistake, before anything is trained.

        Raises:
            BadRequest: losses by other names than its weights, or none that counts; values that are not one a
                sample; or states of another shape than the Spec and the grid have.
        """
        name, task = type(self.task).__name__, self.task
        if set(losses) != set(task.weights):
            said, wanted = (", ".join(sorted(names)) or "none" for names in (losses, task.weights))
            raise BadRequest(f"{name}.losses gives {said}, but {name}.weights has {wanted}")
        if not any(task.weights.values()):
            raise BadRequest(f"{name}.weights must have one that is not 0, got {dict(task.weights)}")
        for loss, values in losses.items():
            if values.shape != (1,):
                found = list(values.shape)
                raise BadRequest(f"{name}.losses must give one value a sample: {loss!r} of one is {found}")
        shape = (self.recipe.spec.planes, *self.phase.grid)
        if tuple(rows["state"].shape[1:]) != shape:
            raise BadRequest(
                f"{name}.begin must give states of {shape}, got {tuple(rows['state'].shape[1:])}"
            )

    def _weighed(self, losses: dict[str, Tensor]) -> Tensor:
        """What is minimised, `[batch]`."""
        total: Tensor | float = 0.0
        for name, weight in self.task.weights.items():
            if weight:
                total = total + (losses[name] if weight == 1 else weight * losses[name])
        return torch.as_tensor(total)

    def train_epoch(self) -> Epoch | Return:
        """Grow a batch from the pool, hold it, and change the weights so that both look better.

        Returns:
            The epoch; or a `Return` if its loss was not finite or a state exploded, and the trainer is as it
            was some epochs before, but with half the learning rate.

        Raises:
            RunFailed: it went wrong again after several such returns.
        """
        recipe, task = self.recipe, self.task
        if (number := recipe.phase_after(self.epoch)) != self.number:
            self._enter(number)
        phase, use = self.phase, recipe.pool
        seeds = phase.seeds(self.epoch)
        hurt = min(use.damage, phase.hurt(self.epoch, use.damage_every))
        if self.epoch - self.begun < use.damage_from * phase.epochs:
            hurt = 0
        mutated = self._draw_mutations(phase.batch - seeds)
        hurt = min(hurt, phase.batch - seeds - mutated)
        steps = self._draw_steps(hurt=hurt + mutated > 0)
        fire_seed = int(torch.randint(2**32, (), generator=self.chance))
        rivals = use.rivals if seeds == phase.batch else 0
        if spared := hurt > 0 and not seeds:  # what has not healed yet is not wounded again
            rivals = use.damage_of
        fresh = self._begin(seeds) if seeds else None
        indices, rows = self.pool.draw(phase.batch, self.draws, fresh=fresh, rivals=rivals, best=spared)
        if hurt:
            self._damage(rows["state"][phase.batch - hurt :])  # the best: the batch is sorted by loss
        if mutated:  # the best of the others
            self._mutate(rows, slice(phase.batch - hurt - mutated, phase.batch - hurt))

        mine = self.ranks.share(phase.batch)
        part = {name: values[mine] for name, values in rows.items()}
        looks = self._grow(part["state"], steps, fire_seed, mine.start)
        dead = self._dead(looks[-1])
        living = recipe.spec.living  # else none can die, and nobody need wait for the device to say so
        if living and dead.all() and (alive := self._last_alive(part["state"], steps, fire_seed, mine.start)):
            # What is dead has no gradient. Cut short before it dies, the same rollout has one: it says live.
            looks = self._grow(part["state"], alive, fire_seed, mine.start)
        found, state = task.losses(looks, part), looks[-1]
        losses = self._weighed(found)
        self.adam.zero_grad()
        (losses.sum() / phase.batch).backward()
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        self.ranks.add_up(gradients)
        with torch.no_grad():
            names = list(task.weights)
            parts = torch.stack([losses, *(found[name] for name in names), dead])
            parts = self.ranks.gather(parts.T).T
            held, seen = self.ranks.gather(state.detach()), self.ranks.gather(looks[0].detach()[:1])[0]
            reason = self.guard.trouble(parts[0], gradients, held)
        if reason:
            return self._go_back(reason)

        dead = parts[-1]
        died = int(dead.sum()) if living else 0
        note = self.guard.heed_deaths(died / len(dead))
        epoch = self.epoch - self.begun
        rate = optimiser.learning_rate(epoch, phase.epochs, recipe.optimiser)
        rate *= phase.rate * self.guard.slower.item()
        optimiser.set_rate(self.adam, self.groups, rate)
        optimiser.tame_gradients(self.groups)
        self.guard.keep(self._learned(), self.epoch)  # this epoch's rollout has shown that they are sound
        self.adam.step()
        task.learn([self.ranks.gather(look.detach()) for look in looks], rows)
        if seeds < phase.batch or not phase.turns_of or self._stays(phase):
            self._put_back(indices, {**rows, "state": held}, parts[0], dead > 0, died)
        self.epoch += 1
        optimiser.update_average(self.average, self.weights, recipe.optimiser.average, self.epoch)
        loss, *means, share = parts.mean(dim=1)
        named = dict(zip(names, means, strict=True))
        return Epoch(self.epoch, steps, rate, named, share, loss, note, seen)

    def _damage(self, states: Tensor) -> None:
        """Wound states, in their place; fixed planes are no part of them."""
        use, evolving = self.recipe.pool, states[:, : self.recipe.spec.channels]
        radii = use.radii_after((self.epoch - self.begun) / self.phase.epochs)
        evolving.copy_(self.task.wound(evolving, self.chance, radii=radii, half_planes=use.half_planes))

    def _draw_mutations(self, count: int) -> int:
        """How many of so many states of the pool are to become something else."""
        if not self.recipe.pool.mutation:
            return 0  # without a draw: runs of earlier versions go on with the same chance
        return int((torch.rand(count, generator=self.chance) < self.recipe.pool.mutation).sum())

    def _mutate(self, rows: Rows, which: slice) -> None:
        """Ask some rows for something else, in their place."""
        asked = self.task.mutate({name: values[which] for name, values in rows.items()}, self.chance)
        for name, values in asked.items():
            rows[name][which] = values

    def _stays(self, phase: Phase) -> bool:
        """Whether a batch of seeds comes into the pool: one of so many of them, in turn."""
        return self.epoch // phase.turns_of % self.recipe.pool.newcomer == 0

    def _put_back(self, indices: Tensor, rows: Rows, losses: Tensor, dead: Tensor, died: int) -> None:
        """Keep what has grown; a dead state has no gradient and never will have: a fresh row replaces it."""
        if died:
            rows = {name: values.clone() for name, values in rows.items()}
            for name, values in self._begin(died).items():
                rows[name][dead] = values
        self.pool.put_back(indices, rows, torch.where(dead, self.empty, losses))

    def _dead(self, state: Tensor) -> Tensor:
        """1 for every sample without a living cell, `[batch]`; without the living mask none can die."""
        if not self.recipe.spec.living:
            return state.new_zeros(len(state))
        return (~has_life(state)).to(state.dtype)

    def _draw_steps(self, *, hurt: bool = False) -> int:
        """Steps to grow in this epoch: fewer in the first phase's warm-up."""
        least, most = self.phase.steps_of(self.epoch, hurt=hurt)
        how = self.recipe.optimiser
        warm, shortest = how.warm_up * self.recipe.phases[0].epochs, how.shortest
        length = min(1.0, shortest + (1 - shortest) * self.epoch / warm) if warm else 1.0
        steps = int(torch.randint(least, most + 1, (), generator=self.chance))
        return max(1, round(length * steps))

    def _grow(self, state: Tensor, steps: int, seed: int, first: int) -> list[Tensor]:
        """The states at the task's marks."""
        looks, taken = [], 0
        for mark in self.task.marks(steps):
            state = self._roll(state, mark - taken, taken, seed, first)
            looks.append(state)
            taken = mark
        return looks

    @torch.no_grad()
    def _last_alive(self, state: Tensor, steps: int, seed: int, first: int) -> int:
        """Most steps to grow after which a rollout that dies still lives, at its last mark too; 0 if none."""
        if self.ranks.size > 1 or not self.recipe.spec.living:
            return 0  # the others would have to grow as many steps
        living, dying = 0, steps
        while dying - living > 1:
            middle = (living + dying) // 2
            end = self._take(state, self.task.marks(middle)[-1], 0, seed, first)
            living, dying = (living, middle) if self._dead(end).all() else (middle, dying)
        return living

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

    def _learned(self) -> dict[str, Tensor]:
        """What training has changed, by name; the tensors themselves."""
        learned = {}
        for name, weight in self.weights.items():
            learned[f"weights.{name}"] = weight.detach()
            for moment in ("exp_avg", "exp_avg_sq"):
                learned[f"adam.{moment}.{name}"] = self.adam.state[weight][moment]
            if self.recipe.optimiser.average:
                learned[f"average.{name}"] = self.average[name]
        return learned | {f"task.{name}": tensor.detach() for name, tensor in self.task.learned().items()}

    def _go_back(self, reason: str) -> Return:
        self._set_epoch(self.guard.go_back(self._learned(), reason, self.epoch))
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
        saved = dict(self.task.tensors())
        for name, values in self.pool.rows.items():
            saved["pool.states" if name == "state" else f"pool.rows.{name}"] = values
        saved |= {"pool.losses": self.pool.losses}
        saved |= {"chance": self.chance.get_state(), "draws": self.draws.get_state()}
        return saved | self._learned() | self.guard.tensors()

    def tensors_at(self, epoch: int) -> dict[str, Tensor]:
        """Tensors such as `tensors` gives after `epoch` epochs; the trainer enters their phase."""
        number = self.recipe.phase_after(max(0, epoch - 1))
        if number != self.number:
            self._enter(number)
        return self.tensors()

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], epoch: int) -> None:
        """Go back to where `tensors` were taken, after `epoch` epochs."""
        for name, place in self.task.tensors().items():
            place.copy_(tensors[name])
        self._enter(self.recipe.phase_after(max(0, epoch - 1)))  # what it compares with is now the target
        for name, place in self.tensors().items():
            if name == "chance" or (name == "draws" and place.shape == tensors[name].shape):
                getattr(self, name).set_state(tensors[name])
            elif name == "draws":  # of another kind of device: its numbers cannot be had here
                self.draws.manual_seed(self.recipe.seed + epoch)
            else:
                place.copy_(tensors[name])
        self._set_epoch(epoch)

"""The automaton: the definition of a step, which every other implementation is tested against."""

from __future__ import annotations

from functools import cache
from itertools import chain

import torch
from torch import Tensor, nn

from petri.errors import BadRequest
from petri.nca.fire import fire_words, fires, sample_seeds
from petri.nca.life import alive
from petri.nca.perception import Perception
from petri.nca.rule import Rule
from petri.nca.seed import seed_state
from petri.nca.spec import Spec


class Automaton(nn.Module):
    """A Spec and its weights.

    Args:
        spec: what a step does.
        generator: source of the initial weights; torch's global one if left out.

    Source: the report, "Architecture"; Mordvintsev et al. 2020.
    """

    def __init__(self, spec: Spec, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.perception = Perception(spec)
        self.rule = Rule(spec, generator=generator)

    def seed_state(self, height: int, width: int | None = None, *, batch: int = 1) -> Tensor:
        """The state that growth starts from, `[batch, channel, height, width]`, on the weights' device."""
        return seed_state(self.spec, height, width or height, batch=batch, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next(
            (values.device for values in chain(self.parameters(), self.buffers())), torch.device("cpu")
        )

    def step(self, state: Tensor, *, step: int | Tensor, seeds: Tensor) -> Tensor:
        """Let every cell perceive, propose a change and, if it fires, take it.

        Args:
            state: `[batch, channel, height, width]`.
            step: the step's number since the rollout began, from 0; decides with `seeds` who fires.
            seeds: int64 `[batch]`, from `petri.nca.fire.sample_seeds`.

        Returns:
            The next state: clamped if the Spec says so, then emptied where cells were not alive before
            the step or are not alive after it, if the Spec has the living mask.
        """
        spec = self.spec
        proposed = self.rule(self.perception(state)).to(state.dtype)
        change = proposed[:, : spec.channels]
        words = fire_words(seeds, step, *state.shape[-2:])
        if spec.gated:
            chance = proposed[:, spec.channels :].sigmoid()
            # Straight-through: a cell fires or not, and the gradient is that of its probability.
            fired = fires(words, chance.detach()).to(state.dtype) + (chance - chance.detach())
        else:
            fired = fires(words, spec.fire_rate).to(state.dtype)
        after = state + change * fired
        if spec.clamp is not None:
            after = after.clamp(-spec.clamp, spec.clamp)
        if spec.living:
            lives = alive(state, padding=spec.padding) & alive(after, padding=spec.padding)
            after = after * lives.to(state.dtype)
        return after

    def rollout(
        self,
        state: Tensor,
        steps: int,
        *,
        seed: int = 0,
        start: int = 0,
        first_sample: int = 0,
        engine: str = "auto",
        precision: str = "float32",
        checkpoint: int = 0,
    ) -> Tensor:
        """Take many steps; a pure function of the Spec, the weights and the arguments.

        Args:
            state: `[batch, channel, height, width]`, float32.
            steps: how many, at least 0.
            seed: decides which cells fire, 0..2³²−1; each sample of the batch draws from it apart.
            start: number of the first step, so that a rollout can be taken in parts:
                50 steps and then 50 with `start=50` give the same bits as 100.
            first_sample: number of the first sample, so that a batch can be taken in parts, too.
            engine: `torch`, `compiled` (torch.compile makes the step), `native` (the fused CPU step) or
                `auto` (the fastest that runs at once: native on the CPU, else torch). The native step knows
                the Spec alone, so it takes no automaton with a step, a perception or a rule of its own.
            precision: `float32`, or `bfloat16` for the products alone (state and sums stay float32),
                or `auto`: bfloat16 where the hardware multiplies it.
            checkpoint: of so many steps one state is kept for the backward pass, which computes the others
                again; 0 lets the engine choose.

        Returns:
            The state after the last step, of the same shape; differentiable in the state and weights.

        Raises:
            BadRequest: a state of the wrong shape, steps or seed out of range, or an engine that cannot take
                this rollout; the message says why.
        """
        from petri import engine as engines

        if state.ndim != 4 or state.shape[1] != self.spec.channels:
            raise BadRequest(
                f"a state must be [batch, {self.spec.channels}, height, width], got {list(state.shape)}"
            )
        if steps < 0 or start < 0:
            raise BadRequest(f"steps and start must be at least 0, got {steps} and {start}")
        if not 0 <= seed < 2**32:
            raise BadRequest(f"seed must be in 0..4294967295, got {seed}")
        seeds = sample_seeds(seed, state.shape[0], first=first_sample, device=state.device)
        return engines.rollout(
            self,
            state,
            steps,
            seeds=seeds,
            start=start,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
        )


def departure(automaton: Automaton) -> str:
    """What of an automaton its Spec and weights do not tell, in words; empty if they tell all.

    Only the step itself (`engine="torch"`) does what such an automaton does: the native step, model files and
    shaders are made of the Spec and the weights alone.
    """
    spec, perception, rule = automaton.spec, automaton.perception, automaton.rule
    if getattr(automaton.step, "__func__", None) is not Automaton.step:
        return f"{type(automaton).__name__} has a step of its own"
    for name, part, kind in (("perception", perception, Perception), ("rule", rule, Rule)):
        if getattr(part.forward, "__func__", None) is not kind.forward:
            return f"its {name} is a module of its own, {type(part).__name__}"
        if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks:
            return f"its {name} has hooks"
    made = _made_of(spec)
    shapes = [[values.shape for values in (*each.weights, *each.biases)] for each in (rule, made.rule)]
    if shapes[0] != shapes[1] or rule.residual != spec.residual:
        return "its rule's layers are not those of its Spec"
    banks = (perception.bank, perception.far_bank), (made.perception.bank, made.perception.far_bank)
    for found, wanted, trained in zip(*banks, (spec.trains_bank, False), strict=True):
        if found is None or wanted is None:
            same = found is wanted
        else:
            same = found.shape == wanted.shape and (trained or torch.equal(found.cpu().float(), wanted))
        if not same or perception.spec.padding != spec.padding:
            return "its perception's filters or padding are not those of its Spec"
    return ""


@cache
def _made_of(spec: Spec) -> Automaton:
    """An automaton to compare with; of its weights only the shapes count."""
    return Automaton(spec, generator=torch.Generator()).requires_grad_(False)

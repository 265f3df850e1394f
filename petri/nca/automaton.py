"""The automaton: the definition of a step, which every other implementation is tested against."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from itertools import chain

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from petri import hooks
from petri.errors import BadRequest
from petri.nca.decoder import Decoder, Raster, interpolate
from petri.nca.fire import fire_words, fires, sample_seeds
from petri.nca.graph import Graph, ring
from petri.nca.held import hold
from petri.nca.life import ALPHA, THRESHOLD, alive, alive_on, exists
from petri.nca.perception import Perception
from petri.nca.rule import Rule
from petri.nca.seed import seed_state
from petri.nca.shown import show
from petri.nca.space import Ring
from petri.nca.spec import Spec
from petri.nca.spots import Spots

# What a module of a sense or a rule keeps of the kind that made it.
DESCRIBES = ("kind", "padding", "channels", "mlp", "outputs")

# Buffers whose values were read and found to be those wanted, and the version that they had.
_READ = WeakTensorKeyDictionary()

BAND = 2**16  # points that are painted at once, so that memory does not grow with the picture


class Automaton(nn.Module):
    """A Spec and its weights.

    Args:
        spec: what a step does.
        generator: source of the initial weights; torch's global one if left out.
        graph: what an automaton of a mesh runs on; it may be given later, by `on`.

    Source: the report, "Architecture"; Mordvintsev et al. 2020.
    """

    def __init__(
        self, spec: Spec, *, generator: torch.Generator | None = None, graph: Graph | None = None
    ) -> None:
        super().__init__()
        self.spec, self.graph = spec, graph
        self.perception = Perception(spec, generator=generator)
        self.rule = Rule(spec.rule, spec.features, spec.outputs, generator=generator)
        self.decoder: Decoder | None = None
        if spec.decoder is not None:
            self.decoder = Decoder(
                spec.decoder,
                spec.channels,
                padding=spec.space.padding,
                axes=spec.space.axes,
                generator=generator,
            )

    def on(self, graph: Graph) -> Automaton:
        """The same automaton, with the same weights and not copies of them, on a mesh or another graph.

        Raises:
            BadRequest: its space is no mesh, or it senses directions that the graph has not.
        """
        if not self.spec.space.on_graph or isinstance(self.spec.space, Ring):
            raise BadRequest(f"a graph is for an automaton of a mesh, got {self.spec.space!r}")
        worn = copy.copy(self)
        worn.graph = graph
        return worn

    def graph_of(self, nodes: int) -> Graph | None:
        """Who is whose neighbour among so many nodes; None of a grid.

        Raises:
            BadRequest: an automaton of a mesh was given none, or one of other nodes or another frame.
        """
        if not self.spec.space.on_graph:
            return None
        if isinstance(self.spec.space, Ring):
            return ring(nodes).to(self.device)
        if self.graph is None:
            raise BadRequest("an automaton of a mesh runs on one that it is given: automaton.on(graph)")
        if self.graph.nodes != nodes:
            raise BadRequest(f"the mesh has {self.graph.nodes} nodes, the state {nodes}")
        if self.graph.directions is not None and self.graph.frame != self.spec.space.frame:
            raise BadRequest(
                f"the automaton is told directions by {self.spec.space.frame!r}, the graph has them by "
                f"{self.graph.frame!r}: surface.graph({self.spec.space.frame!r})"
            )
        return self.graph.to(self.device)

    def seed_state(
        self,
        height: int,
        width: int | None = None,
        *,
        batch: int = 1,
        seed: int = 0,
        fixed: Tensor | None = None,
        condition: int | None = None,
    ) -> Tensor:
        """The state that a rollout starts from, `[batch, planes, height, width]`, on the weights' device.

        Of a ring or a mesh a number of nodes is given alone, and the state is `[batch, planes, node]`.

        Args:
            seed: of a start that is drawn by chance.
            fixed: the fixed planes, `[fixed, height, width]` or of every sample, if the Spec has any.
            condition: or which one of them is 1 everywhere, from 0; the others are 0.
        """
        alone = self.spec.space.on_graph and width is None
        if alone and fixed is not None:
            fixed = fixed.unsqueeze(-2)
        state = seed_state(
            self.spec,
            1 if alone else height,
            width or height,
            batch=batch,
            device=self.device,
            seed=seed,
            fixed=fixed,
            condition=condition,
        )
        return state[:, :, 0] if alone else state

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next(
            (values.device for values in chain(self.parameters(), self.buffers())), torch.device("cpu")
        )

    def step(self, state: Tensor, *, step: int | Tensor, seeds: Tensor) -> Tensor:
        """Let every cell perceive, propose a change and, if it fires, take it.

        Args:
            state: `[batch, planes, height, width]`: the channels that evolve, then the fixed planes;
                of a ring or a mesh `[batch, planes, node]`.
            step: the step's number since the rollout began, from 0; decides with `seeds` who fires.
            seeds: int64 `[batch]`, from `petri.nca.fire.sample_seeds`.

        Returns:
            The next state: clamped if the Spec says so, then emptied where cells were not alive before
            the step or are not alive after it, if the Spec has the living mask, or where the first fixed
            plane has no cell, if it is masked; what is held is as it was.
        """
        spec = self.spec
        if spec.space.on_graph and state.ndim == 3:
            return self.step(state.unsqueeze(-2), step=step, seeds=seeds).squeeze(-2)
        graph = self.graph_of(state.shape[-1])
        sensed = self.perception(state) if graph is None else self.perception(state, graph)
        proposed = self.rule(sensed).to(state.dtype)
        change = proposed[:, : spec.channels]
        evolving, fixed = state[:, : spec.channels], state[:, spec.channels :]
        words = fire_words(seeds, step, *state.shape[-2:])
        if spec.fire_rate is None:  # the gate decides
            chance = proposed[:, spec.channels :].sigmoid()
            # Straight-through: a cell fires or not, and the gradient is that of its probability.
            fired = fires(words, chance.detach()).to(state.dtype) + (chance - chance.detach())
        else:
            fired = fires(words, spec.fire_rate).to(state.dtype)
        after = evolving + change * fired
        if spec.clamp is not None:
            after = after.clamp(-spec.clamp, spec.clamp)
        if spec.living:
            padding = spec.space.padding
            if graph is None:
                lives = alive(state, padding=padding) & alive(after, padding=padding)
            else:
                lives = alive_on(state, graph) & alive_on(after, graph)
            after = after * lives.to(state.dtype)
        if spec.masked:
            after = after * exists(fixed).to(state.dtype)
        return hold(state, torch.cat([after, fixed], dim=1), spec) if spec.fixed else after

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

        The steps are taken by `petri.engine`, which is imported at the first call: `petri.hooks` says how.

        Args:
            state: `[batch, channel, height, width]`, float32; of a ring or a mesh `[batch, channel, node]`.
            steps: how many, at least 0.
            seed: decides which cells fire, 0..2³²−1; each sample of the batch draws from it apart.
            start: number of the first step, so that a rollout can be taken in parts:
                50 steps and then 50 with `start=50` give the same bits as 100.
            first_sample: number of the first sample, so that a batch can be taken in parts, too.
            engine: `torch`, `compiled` (torch.compile makes the step), `native` (the fused CPU step),
                `triton` (the fused step on an NVIDIA GPU) or `auto` (native on the CPU, triton on CUDA; torch
                where they cannot be had). The fused steps know the Spec alone, so they take no automaton
                with a step, a perception or a rule of its own.
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
        spec = self.spec
        if spec.space.on_graph and state.ndim == 3:
            rows = self.rollout(
                state.unsqueeze(-2),
                steps,
                seed=seed,
                start=start,
                first_sample=first_sample,
                engine=engine,
                precision=precision,
                checkpoint=checkpoint,
            )
            return rows.squeeze(-2)
        if state.ndim != 4 or state.shape[1] != spec.planes:
            planes = f"{spec.planes} ({spec.channels} channels and {spec.fixed} fixed planes)"
            raise BadRequest(
                f"a state must be [batch, {planes if spec.fixed else spec.planes}, height, width], "
                f"got {list(state.shape)}"
            )
        spec.check_grid(*state.shape[-2:])
        self.graph_of(state.shape[-1])
        if steps < 0 or start < 0:
            raise BadRequest(f"steps and start must be at least 0, got {steps} and {start}")
        if not 0 <= seed < 2**32:
            raise BadRequest(f"seed must be in 0..4294967295, got {seed}")
        seeds = sample_seeds(seed, state.shape[0], first=first_sample, device=state.device)
        return hooks.rollout(
            self,
            state,
            steps,
            seeds=seeds,
            start=start,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
        )

    def paint(self, state: Tensor, points: Raster | Spots) -> Tensor:
        """What the decoder makes of states at some points.

        Of a figure there is something only where the alpha between its cells is that of a living one.

        Args:
            state: `[batch, planes, height, width]`; of a mesh `[batch, planes, 1, node]`.
            points: of a grid a raster, of a mesh spots on its triangles.

        Returns:
            `[batch, 3 or 4, rows, columns]`, as `petri.nca.show` gives it of an automaton without a decoder;
            of spots `[batch, 3, …]`.

        Raises:
            BadRequest: there is no decoder, or the points are of another space.
        """
        if self.decoder is None:
            raise BadRequest("the automaton has no decoder to paint with")
        if isinstance(points, Spots) != self.spec.space.on_graph:
            raise BadRequest("a raster is of a grid, and spots are of a mesh")
        lives = None
        if self.spec.living and isinstance(points, Raster):
            lives = self.between(state[:, ALPHA : ALPHA + 1], points) > THRESHOLD
        said, seen = self.decoder(state, points, lives), self.decoder.kind.seen(alpha=self.spec.living)
        return said[:, : len(seen)] if seen[-1] == len(seen) - 1 else said[:, list(seen)]

    def between(self, state: Tensor, raster: Raster) -> Tensor:
        """Values of states between their cells, where the decoder has the cells: `[batch, channel, …]`."""
        where = self.spec.decoder.coordinates if self.spec.decoder else "centre"
        return interpolate(state, raster, padding=self.spec.space.padding, coordinates=where)

    def view(self, state: Tensor, pixels: int | None = None) -> Tensor:
        """What is seen of states: all pictures and all figures of merit are made of this.

        Args:
            state: `[..., planes, height, width]`; of a ring or a mesh `[..., planes, 1, node]`.
            pixels: along the longer side of what a decoder paints; without one a pixel is a cell, and on a
                mesh a node.

        Returns:
            `[..., 3 or 4, rows, columns]`, not bounded, as `petri.nca.show` gives it; of a decoder without
            a gradient.
        """
        if self.decoder is None:
            return show(state, self.spec)
        flat = state.reshape(-1, *state.shape[-3:])
        views = [torch.cat(list(self.bands(one, pixels)), dim=-2) for one in flat]
        return torch.stack(views).unflatten(0, state.shape[:-3]) if state.ndim > 3 else views[0]

    @torch.no_grad()
    def bands(self, state: Tensor, pixels: int | None = None, *, whole: bool = False) -> Iterator[Tensor]:
        """The view of one state, in bands of whole rows from the top, so that memory is bounded.

        Args:
            state: `[planes, height, width]`.
            pixels: as for `view`.
            whole: all that the decoder says, not only what is seen: all maps of a material.
        """
        if self.decoder is None:
            yield show(state, self.spec)
            return
        height, width = state.shape[-2:]
        if self.spec.space.on_graph:
            yield self.paint(state[None], Spots.of_nodes(width, device=state.device))[0].unsqueeze(-2)
            return
        paint = self.decoder if whole else self.paint
        pixels = pixels or max(height, width)
        rows, columns = (max(1, round(side * pixels / max(height, width))) for side in (height, width))
        raster, high = Raster.of(rows, columns, device=state.device), max(1, BAND // columns)
        for top in range(0, rows, high):
            yield paint(state[None], raster.crop(top, 0, high, columns))[0]


def departure(automaton: Automaton) -> str:
    """What of an automaton its Spec and weights do not tell, in words; empty if they tell all.

    Only the step itself (`engine="torch"`) does what such an automaton does: the native step, model files and
    shaders are made of the Spec and the weights alone.
    """
    if getattr(automaton.step, "__func__", None) is not Automaton.step:
        return f"{type(automaton).__name__} has a step of its own"
    made = _made_of(automaton.spec)
    for name in ("perception", "rule", "decoder"):
        part, wanted = getattr(automaton, name), getattr(made, name)
        if part is wanted is None:
            continue
        theirs = dict(part.named_modules())
        for path, module in wanted.named_modules():
            if departed := _module_departs(theirs.pop(path, None), module):
                return f"its {name} {departed}"
        if theirs:
            return f"its {name} has more modules than its Spec describes"
    return ""


def _module_departs(found: nn.Module | None, wanted: nn.Module) -> str:
    """What else than its weights tells a module from the one that its Spec makes; empty if nothing does."""
    if found is None:
        return "lacks a module that its Spec describes"
    if type(found) is not type(wanted) or "forward" in vars(found):
        return f"is a module of its own, {type(found).__name__}"
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(found, name) for name in hooks):
        return "has hooks"
    for what in ("_parameters", "_buffers"):
        mine, its = getattr(found, what), getattr(wanted, what)
        if {name: _shape(tensor) for name, tensor in mine.items()} != {
            name: _shape(tensor) for name, tensor in its.items()
        }:
            return "has tensors of other shapes than its Spec describes"
    for name, tensor in wanted._buffers.items():
        mine = found._buffers[name]
        if tensor is not None and mine is not None and not _has_values(mine, tensor):
            return "has other filters than its Spec describes"
    if any(vars(found).get(name) != vars(wanted).get(name) for name in DESCRIBES):
        return "is not the one that its Spec describes"
    return ""


def _has_values(buffer: Tensor, wanted: Tensor) -> bool:
    """Whether a buffer has the values wanted; on another device than the CPU they are read once.

    Reading them waits for all work given to the device before, which every rollout would do.
    """
    known = buffer._version, id(wanted)
    if buffer.device.type == "cpu" or _READ.get(buffer) != known:
        if not torch.equal(buffer.cpu().float(), wanted):
            return False
        _READ[buffer] = known
    return True


def _shape(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


@cache
def _made_of(spec: Spec) -> Automaton:
    """An automaton to compare with; of its weights only the shapes count."""
    return Automaton(spec, generator=torch.Generator()).requires_grad_(False)

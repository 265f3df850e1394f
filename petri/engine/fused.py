"""The fused step on a GPU: rollouts by the kernels of `petri.engine.kernels`, differentiable for PyTorch."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from petri.engine import graphs
from petri.engine.check import STEP, agrees
from petri.engine.packed import Taps, Widths, pack
from petri.nca import kinds
from petri.nca.fire import WORD, pcg
from petri.nca.rule import RULES, Mlp
from petri.nca.senses import SENSES, Conv, Stencil
from petri.nca.space import SPACES, Grid
from petri.nca.spec import Spec

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton

BLOCK = 64  # cells that a program takes at once; fewer of wide rules
UNITS = 8192  # cells times hidden units, at most, of a program
TILE = 64  # rows and columns, at most, of a tile of a gradient
SHARES = 64  # sums, at most, of each weight's gradient, each over a share of the cells
SHARE = 1024  # cells, at least, of such a share
PARTS = (16, 4, 1)  # steps of what is recorded in a graph
ALIGNED = 16  # bytes
OPTIONS = {"enable_fp_fusion": True}  # Triton's default is about to change, and it warns of that
TOLERANCE = {False: 1e-3, True: 0.15}  # of a trial; in bfloat16 many a unit is rounded across its edge
# What `pack` gives, and the bounds, by the kernels' names.
NAMES = (
    *("taps", "filters", "filter_biases", "first", "first_bias"),
    *("middle", "middle_bias", "last", "last_bias"),
)
Request = tuple[Spec, Taps, torch.dtype]  # the last of what is multiplied
BOUNDS = ("clamp", "sensed_bound", "hidden_bound", "change_bound")


def obstacle(spec: Spec) -> str:
    """Why a rollout of this Spec cannot be taken by these kernels; empty if it can."""
    if type(spec.rule) is not Mlp:
        return f"it has no rule of the kind {kinds.name_of(spec.rule, RULES)}"
    if type(spec.space) is not Grid:
        return f"it has no space of the kind {kinds.name_of(spec.space, SPACES)}"
    for sense in spec.senses:
        if type(sense) not in (Stencil, Conv):
            return f"it has no sense of the kind {kinds.name_of(sense, SENSES)}"
    return ""


def interpreted() -> bool:
    """Whether Triton interprets the kernels, slowly and on the CPU, for tests without a GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def trouble(spec: Spec, device: torch.device, bfloat16: bool) -> str:
    """Why the kernels of this Spec cannot be had on a device, found out once by a step; empty if they can."""
    if find_spec("triton") is None:
        return 'Triton is not installed: pip install "petri-nca[gpu]"'

    def step(automaton: Automaton, state: Tensor, seeds: Tensor) -> Tensor:
        return rollout(automaton, state, 1, seeds=seeds, start=STEP, bfloat16=bfloat16)

    tried = dataclasses.replace(spec, decoder=None)
    try:
        # A sum that is nearly 0 may be rounded to either side of an edge, so that a second state is tried.
        if any(
            agrees(tried, step, tolerance=TOLERANCE[bfloat16], device=device, seed=seed) for seed in (0, 1)
        ):
            return ""
    except torch.OutOfMemoryError:  # of which another time may know nothing
        raise
    except Exception as error:  # whatever a compiler or a driver says
        return f"Triton cannot make it run here: {_said(error)}"
    return "what Triton makes of it here does not agree with the reference"


def _said(error: BaseException) -> str:
    """What an error says, in a line; Triton's own begin with the place in a kernel and then say it."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = str(getattr(error, "error_message", None) or error).strip() or type(error).__name__
    return words.splitlines()[0][:200]


def state_bytes(spec: Spec, batch: int, height: int, width: int) -> int:
    """Bytes that are kept of a state for the way back: all planes, padded, and a mark a cell."""
    return batch * height * width * (4 * Widths.of(spec).wide + 1)


def room_bytes(spec: Spec, cells: int, bfloat16: bool) -> int:
    """Bytes that the way back computes again of so many cells of a step: the room of `_Back`."""
    widths = Widths.of(spec)
    felt = widths.stencils * widths.wide + 2 * widths.convs * widths.felt
    units = 2 * widths.hidden * (spec.rule.layers - 1)
    return cells * (felt + units + widths.out) * (2 if bfloat16 else 4)


def rollout(
    automaton: Automaton, state: Tensor, steps: int, *, seeds: Tensor, start: int, bfloat16: bool
) -> Tensor:
    """Take `steps` steps, at least 1, of a float32 state on a GPU; see `Automaton.rollout`.

    Nothing is copied between the GPU and the CPU.

    Args:
        bfloat16: whether products are of bfloat16, with float32 sums.
    """
    spec, (_, _, height, width) = automaton.spec, state.shape
    taps, wide = Taps.of(spec, height, width, state.device), Widths.of(spec).wide
    numbers = torch.arange(start, start + steps, device=state.device)[:, None] & WORD
    words = F.pad(pcg((seeds + pcg(numbers)) & WORD), (0, len(seeds) % 2))  # every step's begin aligned
    before = F.pad(state.permute(0, 2, 3, 1), (0, wide - spec.planes)).contiguous()
    packed = pack(automaton, taps)
    keeps = torch.is_grad_enabled() and any(values.requires_grad for values in (before, *packed))
    products = torch.bfloat16 if bfloat16 else torch.float32
    after = _Rollout.apply((spec, taps, products), keeps, words, before, *packed)
    return after[..., : spec.planes].permute(0, 3, 1, 2).contiguous()


class _Rollout(torch.autograd.Function):
    """Keeps every state and a byte a cell and step; the backward pass computes the rest again."""

    @staticmethod
    def forward(
        ctx: Any, request: Request, keeps: bool, words: Tensor, state: Tensor, *packed: Tensor
    ) -> Tensor:
        kept: list[Tensor] = []
        with torch.cuda.device_of(state):  # where Triton starts what it is asked to
            for part in words.split(lengths(len(words))):
                size = state.nbytes * (len(part) if keeps else 1)
                state, *more = graphs.run(
                    partial(_forward, request, keeps),
                    ("forward", request[0], request[2], keeps),
                    (state, part, *packed),
                    size + state.nbytes,
                )
                kept += more
        if keeps:
            ctx.request = request
            ctx.save_for_backward(*packed, *kept)
        return state

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # asked for once: checkpointing computes them again
        packed, kept = saved[: len(NAMES)], saved[len(NAMES) :]
        flow, request = flow.contiguous(), ctx.request
        room = room_bytes(request[0], flow.shape[:3].numel(), request[2] is torch.bfloat16)
        trained = ctx.needs_input_grad[4]  # saved tensors may have forgotten it, the first of which has taps
        sums = [torch.zeros_like(values) for values in packed]
        with torch.cuda.device_of(flow):
            for states, marks in zip(kept[-2::-2], kept[-1::-2], strict=True):
                flow, *more = graphs.run(
                    partial(_backward, request, trained),
                    ("backward", request[0], request[2], trained),
                    (flow, states, marks, *packed),
                    states.nbytes + 2 * flow.nbytes + room,
                )
                sums = [one + other for one, other in zip(sums, more, strict=True)]
        return None, None, None, flow, *sums


def lengths(steps: int) -> list[int]:
    """Steps of each part of a rollout: few numbers, so that few graphs take them all."""
    found = []
    for length in PARTS:
        count, steps = divmod(steps, length)
        found += [length] * count
    return found


def _forward(
    request: Request, keeps: bool, state: Tensor, words: Tensor, *packed: Tensor
) -> tuple[Tensor, ...]:
    """The state after as many steps as there are words; with what is kept, the states before, and marks."""
    step, steps = _Step(request, state.shape, packed), len(words)
    # Rows that begin where those of other sizes do, too, as kernels are compiled for that.
    marks = torch.zeros(steps, -(-step.cells // ALIGNED) * ALIGNED, dtype=torch.uint8, device=state.device)
    states = state.new_empty(steps if keeps else 0, *state.shape)
    if keeps:
        states[0] = state
    for number in range(steps):
        inside = keeps and number + 1 < steps
        after = states[number + 1] if inside else torch.empty_like(state)
        step.forward(states[number] if keeps else state, words[number], after, marks[number])
        state = after
    return (state, states, marks) if keeps else (state,)


def _backward(
    request: Request, trained: bool, flow: Tensor, states: Tensor, marks: Tensor, *packed: Tensor
) -> tuple[Tensor, ...]:
    """From the gradient of the state after some steps to that of the one before, and those of all weights."""
    back = _Back(_Step(request, flow.shape, packed), packed, trained)
    for number in reversed(range(len(states))):
        flow = back.step(states[number], marks[number], flow)
    return flow, *(sums.sum(0) for sums in back.sums)


class _Step:
    """The kernels of a Spec, on a grid.

    Args:
        request: the Spec, its taps on this grid, and the type of what is multiplied.
        shape: of states, `[batch, height, width, wide]`.
        packed: the weights, from `pack`.
    """

    def __init__(self, request: Request, shape: torch.Size, packed: Sequence[Tensor]) -> None:
        from petri.engine import kernels

        self.kernels = kernels
        self.spec, self.taps, self.products = request
        self.widths = Widths.of(self.spec)
        batch, self.height, self.width, _ = shape
        self.cells = batch * self.height * self.width
        rule = self.spec.rule
        # Taps of stencils and biases are not multiplied in tiles.
        stencils, *rest = packed
        rest = [values.to(self.products) if values.ndim > 1 else values for values in rest]
        bounds = (self.spec.clamp, rule.sensed_bound, rule.hidden_bound, rule.change_bound)
        # What kernels are given, by the names of their arguments.
        self.known: dict[str, Any] = {
            "table": self.taps.table,
            "firsts": self.taps.firsts,
            **dict(zip(NAMES, (stencils, *rest), strict=True)),
            "count": self.cells,
            "height": self.height,
            "width": self.width,
            "threshold": int((self.spec.fire_rate or 0.0) * 4294967296.0),
            **dict(zip(BOUNDS, (math.inf if bound is None else bound for bound in bounds), strict=True)),
            "CHANNELS": self.spec.channels,
            "PLANES": self.spec.planes,
            "HELD": self.spec.held,
            "GATED": rule.gated,
            "LIVING": self.spec.living,
            "MASKED": self.spec.masked,
            "DEEP": rule.layers == 3,
            "RESIDUAL": rule.residual,
            "WRAP": self.spec.space.padding == "wrap",
            "HIDDEN": self.widths.hidden,
            "TILE": self.widths.tile,
            "OUT": self.widths.out,
            "STENCILS": self.widths.stencils,
            "CONVS": self.widths.convs,
            "TAPS": self.taps.stencils,
            "WIDE": self.widths.wide,
            "FELT": self.widths.felt,
            "BLOCK": max(16, min(BLOCK, UNITS // self.widths.hidden)),
        }

    def start(self, kernel: Any, *grid: int, **given: Any) -> None:
        """Start a kernel: a program for each block of cells, unless the grid is said."""
        known = self.known | given
        blocks = -(-self.cells // known["BLOCK"])
        wanted = {name: known[name] for name in kernel.arg_names}
        kernel[grid or (blocks,)](**wanted, **OPTIONS)

    def forward(self, before: Tensor, words: Tensor, after: Tensor, marks: Tensor) -> None:
        """Write the state after a step, and of each cell a mark: 1 if it fired, and 2 more if it lives."""
        moved = torch.empty_like(before) if self.spec.living else after
        self.start(self.kernels.forward, before=before, after=moved, marks=marks, words=words)
        if self.spec.living:
            self.start(self.kernels.live, before=before, moved=moved, after=after, marks=marks)


class _Back:
    """The way back through steps: room for what is computed again, and the sums of weights' gradients."""

    def __init__(self, step: _Step, packed: Sequence[Tensor], trained: bool) -> None:
        self.forward, self.widths, self.deep = step, step.widths, step.spec.rule.layers == 3
        self.trained = trained  # taps of stencils
        shares = max(1, min(SHARES, step.cells // SHARE))
        self.share = -(-step.cells // (shares * BLOCK)) * BLOCK
        self.shares = -(-step.cells // self.share)
        self.sums = [values.new_zeros(self.shares, *values.shape) for values in packed]

        def room(columns: int, wanted: bool = True) -> Tensor:
            rows = step.cells if wanted else 0
            return torch.empty(rows, columns, dtype=step.products, device=packed[0].device)

        widths = self.widths
        self.room = {
            "felt": room(widths.convs * widths.felt),
            "felt_flow": room(widths.stencils * widths.wide + widths.convs * widths.felt),
            "units": room(widths.hidden),
            "unit_flow": room(widths.hidden),
            "above_units": room(widths.hidden, self.deep),
            "above_flow": room(widths.hidden, self.deep),
            "out_flow": room(widths.out),
        }

    def step(self, before: Tensor, marks: Tensor, flow: Tensor) -> Tensor:
        """From the gradient of the state after a step to that of the one before; weights' are added."""
        forward, kernels, widths = self.forward, self.forward.kernels, self.widths

        def start(kernel: Any, *grid: int, **given: Any) -> None:
            forward.start(kernel, *grid, **self.room, **given)

        if widths.convs:
            blocks = -(-forward.cells // forward.known["BLOCK"])
            start(kernels.feel, blocks, widths.convs, state=before)
        flow_before = torch.empty_like(flow)
        start(kernels.backward, before=before, flow=flow, marks=marks, direct=flow_before)
        start(kernels.gather, before=flow_before)
        self._add(before)
        return flow_before

    def _add(self, state: Tensor) -> None:
        """Add a step's gradients of all weights."""
        room, kernels, widths = self.room, self.forward.kernels, self.widths
        taps, filters, filter_biases, first, first_bias, middle, middle_bias, last, last_bias = self.sums
        bound, stencils = self.forward.known["sensed_bound"], widths.stencils * widths.wide
        if widths.stencils:
            self._outer(state, room["unit_flow"], first, first_bias, bound=bound, FILTERED=True)
        if widths.convs:
            convs = first[:, stencils:]
            self._outer(room["felt"], room["unit_flow"], convs, first_bias, bound=bound, BIASED=not stencils)
        if self.deep:
            self._outer(room["units"], room["above_flow"], middle, middle_bias)
            self._outer(room["above_units"], room["out_flow"], last, last_bias)
        if self.forward.spec.rule.residual or not self.deep:
            self._outer(room["units"], room["out_flow"], last, last_bias, BIASED=not self.deep)
        given = {"state": state, "felt_flow": room["felt_flow"], "share": self.share, "BLOCK": BLOCK}
        if self.trained:
            self.forward.start(kernels.taps_gradient, taps.shape[1], self.shares, sums=taps, **given)
        if widths.convs:
            given |= {"sums": filters, "bias_sums": filter_biases}
            self.forward.start(kernels.filters_gradient, filters.shape[1], self.shares, **given)

    def _outer(self, left: Tensor, right: Tensor, sums: Tensor, bias_sums: Tensor, **given: Any) -> None:
        """Add what went into a layer times the gradients of what came out; see `kernels.outer`."""
        widths = self.widths
        given = {"FILTERED": False, "BIASED": True, "bound": math.inf, **given}
        if given["FILTERED"]:
            rows, columns = widths.wide, widths.stencils * widths.wide
        else:
            columns = left.shape[1]
            rows = min(TILE, columns & -columns)
        across = min(TILE, right.shape[1])
        self.forward.start(
            self.forward.kernels.outer,
            *(columns // rows, right.shape[1] // across, self.shares),
            **given,
            left=left,
            right=right,
            state=left,
            sums=sums,
            bias_sums=bias_sums,
            share=self.share,
            STRIDE=sums.stride(0),
            LEFT=columns,
            RIGHT=right.shape[1],
            ROWS=rows,
            COLUMNS=across,
            BLOCK=BLOCK,
        )

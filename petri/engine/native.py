"""The native step: whole rollouts in C++, differentiable for PyTorch."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from petri.engine import build
from petri.engine.build import Unavailable
from petri.errors import RunFailed
from petri.nca import kinds
from petri.nca.graph import Graph
from petri.nca.rule import RULES, Mlp
from petri.nca.senses import SENSES, Conv, Harmonics, Invariants, Sense, Stencil
from petri.nca.space import SPACES, Grid, Mesh, Ring
from petri.nca.spec import Spec

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton

PRODUCTS = ("float32", "bfloat16 (AVX-512)", "bfloat16 (AMX tiles)")  # by their number in interface.h
SINGLE = 0
LARGEST = 7  # cells along a side of what a sense reads
KINDS = (Stencil, Conv, Harmonics, Invariants)  # by their number in interface.h


class Described(ctypes.Structure):
    """A sense; the fields are those of `Sense` in interface.h."""

    _fields_ = tuple((name, ctypes.c_int32) for name in ("kind", "size", "dilation", "width", "trained"))


class Neighbours(ctypes.Structure):
    """The nodes of a ring or a mesh; the fields are those of `Graph` in interface.h."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("offsets", "neighbours", "weights", "totals", "into_offsets", "into_rows", "into_edges")
    )


class Plan(ctypes.Structure):
    """What the step is asked to do; the fields are those of `Plan` in interface.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("channels", "fixed", "held", "hidden", "layers")),
        *((name, ctypes.c_int32) for name in ("residual", "gated", "living", "masked", "wrap")),
        *((name, ctypes.c_float) for name in ("clamp", "sensed_bound", "hidden_bound", "change_bound")),
        ("senses", ctypes.c_int32),
        ("sense", ctypes.POINTER(Described)),
        ("threshold", ctypes.c_uint64),
        *((name, ctypes.c_int32) for name in ("batch", "height", "width")),
        ("start", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("threads", ctypes.c_int32),
        ("products", ctypes.c_int32),
        ("graph", ctypes.POINTER(Neighbours)),
    )


class Parameters(ctypes.Structure):
    """Where the parameters lie, or their gradients are to lie."""

    _fields_ = (
        ("weights", ctypes.c_void_p * 3),
        ("biases", ctypes.c_void_p * 3),
        ("sense_weights", ctypes.POINTER(ctypes.c_void_p)),
        ("sense_biases", ctypes.POINTER(ctypes.c_void_p)),
    )


class View(ctypes.Structure):
    """Where a batch of states lies, in any layout."""

    _fields_ = (("data", ctypes.c_void_p), ("strides", ctypes.c_int64 * 4))


def rollout(
    automaton: Automaton, state: Tensor, steps: int, *, seeds: Tensor, start: int, bfloat16: bool
) -> Tensor:
    """Take `steps` steps of a float32 state on the CPU; see `Automaton.rollout`.

    Args:
        bfloat16: whether the products may be in bfloat16, if the processor has such.

    Raises:
        Unavailable: the native step cannot be had.
    """
    products = fastest_products() if bfloat16 else SINGLE
    return run(native_library(), automaton, state, steps, seeds=seeds, start=start, products=products)


def run(
    library: ctypes.CDLL,
    automaton: Automaton,
    state: Tensor,
    steps: int,
    *,
    seeds: Tensor,
    start: int,
    products: int,
) -> Tensor:
    """Take `steps` steps, at least 1, with a certain library and a certain kind of products."""
    spec = automaton.spec
    senses = [automaton.perception[number] for number, _ in _in_order(spec)]
    weights = [
        sense.bank if isinstance(sense.kind, Stencil) else sense.weight
        for sense in senses
        if not isinstance(sense.kind, Harmonics | Invariants)
    ]
    graph = automaton.graph_of(state.shape[-1])
    biases = [sense.bias for sense in senses if isinstance(sense.kind, Conv)]
    tensors = [state, *automaton.rule.weights, *automaton.rule.biases, *weights, *biases]
    keeps = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return _Rollout.apply((library, spec, graph, steps, start, products), keeps, seeds, *tensors)


@cache
def native_library() -> ctypes.CDLL:
    """The compiled step, loaded.

    Raises:
        Unavailable: no compiler, or what it made does not do what the reference does.
    """
    return opened(build.library())


def opened(path: Path) -> ctypes.CDLL:
    """Load a compiled step.

    Raises:
        Unavailable: the file is not a library of this kind.
    """
    return _declare(build.load(path))


@cache
def native_status() -> tuple[bool, str]:
    """Whether the native step runs here, and one line that says how, or why not."""
    try:
        products = PRODUCTS[fastest_products()]
    except Unavailable as reason:
        return False, str(reason)
    status = f"compiled for this processor, {products} products, {torch.get_num_threads()} threads"
    return True, "; ".join(filter(None, (status, build.unused())))


@cache
def fastest_products() -> int:
    """The number of the fastest products that the processor has.

    Raises:
        Unavailable: the native step cannot be had.
    """
    return native_library().petri_products()


def obstacle(spec: Spec) -> str:
    """Why a rollout of this Spec cannot be taken natively; empty if it can."""
    for name, kind, known in (("rule", spec.rule, RULES), ("space", spec.space, SPACES)):
        if type(kind) not in (Mlp, Grid, Ring, Mesh):
            return f"it has no {name} of the kind {kinds.name_of(kind, known)}"
    if spec.space.on_graph and spec.living:
        return "it has no living mask on a ring or a mesh"
    if spec.space.on_graph and len(spec.senses) > 1:
        return f"on a ring or a mesh it has one sense, got {len(spec.senses)}"
    for sense in spec.senses:
        if type(sense) not in KINDS:
            return f"it has no sense of the kind {kinds.name_of(sense, SENSES)}"
        if sense.size > LARGEST:
            return f"it has senses of at most {LARGEST}×{LARGEST} cells, got {sense.size}×{sense.size}"
    return ""


def state_bytes(spec: Spec, batch: int, height: int, width: int) -> int:
    """Bytes of one state as it is kept: planes in sixteens, with a border as wide as the senses reach."""
    border = 0 if spec.space.on_graph else max(1, *(sense.reach for sense in spec.senses))
    planes = (spec.planes + 15) // 16 * 16
    return batch * (height + 2 * border) * (width + 2 * border) * planes * 4


def _in_order(spec: Spec) -> list[tuple[int, Sense]]:
    """The senses and their numbers, stencils first: the order of their features."""
    return sorted(enumerate(spec.senses), key=lambda numbered: KINDS.index(type(numbered[1])))


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer = ctypes.POINTER
    try:
        library.petri_products.restype = ctypes.c_int
        library.petri_products.argtypes = ()
        library.petri_state_floats.restype = ctypes.c_int64
        library.petri_state_floats.argtypes = (pointer(Plan),)
        for function, last in (
            (library.petri_forward, (ctypes.c_void_p, ctypes.c_void_p)),
            (library.petri_backward, (ctypes.c_void_p, ctypes.c_void_p, pointer(Parameters))),
        ):
            function.restype = ctypes.c_int
            function.argtypes = (
                pointer(Plan), ctypes.c_void_p, pointer(Parameters), pointer(View), pointer(View), *last
            )  # fmt: skip
    except AttributeError as error:
        raise Unavailable(f"the compiled step lacks a function: {error}") from None
    return library


def neighbours(graph: Graph, sense: Harmonics) -> tuple[Neighbours, tuple[Tensor, ...]]:
    """A graph as the step reads it, with the edges by whom they read, too; and the tensors, to be kept."""

    def make() -> tuple[Tensor, ...]:
        weights, rows, read = sense.weights(graph), graph.rows, graph.neighbours
        totals = torch.zeros(graph.nodes, len(weights), dtype=torch.float64).index_add(0, rows, weights.T)
        order = torch.sort(read, stable=True).indices
        into = torch.zeros(graph.nodes + 1, dtype=torch.int64)
        into[1:] = torch.bincount(read, minlength=graph.nodes).cumsum(0)
        made = (
            graph.offsets,
            read.int(),
            weights.T.float(),
            totals.float(),
            into,
            rows[order].int(),
            order.int(),
        )
        return tuple(tensor.contiguous() for tensor in made)

    kept = graph.kept(("native", sense), make)
    return Neighbours(*(tensor.data_ptr() for tensor in kept)), kept


def make_plan(
    spec: Spec, shape: torch.Size, *, graph: Graph | None = None, steps: int, start: int, products: int
) -> Plan:
    """Say in numbers what a rollout does.

    Args:
        shape: of the state, `[batch, channel, height, width]`.
        graph: who is whose neighbour, if the space is no grid.
    """
    batch, _, height, width = shape
    rule, senses = spec.rule, [_described(sense) for _, sense in _in_order(spec)]
    return Plan(
        channels=spec.channels,
        fixed=spec.fixed,
        held=spec.held,
        hidden=rule.hidden,
        layers=rule.layers,
        residual=rule.residual,
        gated=rule.gated,
        living=spec.living,
        masked=spec.masked,
        wrap=spec.space.padding == "wrap",
        clamp=_bound(spec.clamp),
        sensed_bound=_bound(rule.sensed_bound),
        hidden_bound=_bound(rule.hidden_bound),
        change_bound=_bound(rule.change_bound),
        senses=len(senses),
        sense=(Described * len(senses))(*senses),
        threshold=0 if spec.fire_rate is None else int(spec.fire_rate * 4294967296.0),
        batch=batch,
        height=height,
        width=width,
        start=start,
        steps=steps,
        threads=torch.get_num_threads(),
        products=products,
        graph=None if graph is None else ctypes.pointer(neighbours(graph, _harmonics(spec))[0]),
    )


def _harmonics(spec: Spec) -> Harmonics:
    """The harmonics that are gathered."""
    (sense,) = spec.senses
    assert isinstance(sense, Harmonics | Invariants), "another kind is an obstacle, named before"
    return sense.slope if isinstance(sense, Invariants) else sense


def _described(sense: Sense) -> Described:
    assert isinstance(sense, KINDS), "another kind is an obstacle, named before"
    if isinstance(sense, Harmonics | Invariants):
        return Described(kind=KINDS.index(type(sense)), size=3, dilation=1, width=sense.features(1))
    return Described(
        kind=KINDS.index(type(sense)),
        size=sense.size,
        dilation=sense.dilation,
        width=len(sense.filters) if isinstance(sense, Stencil) else sense.width,
        trained=sense.trained if isinstance(sense, Stencil) else True,
    )


def _bound(bound: float | None) -> float:
    return math.inf if bound is None else bound


def view(state: Tensor) -> View:
    """Where a state `[batch, channel, height, width]` lies."""
    return View(state.data_ptr(), (ctypes.c_int64 * 4)(*state.stride()))


def parameters(tensors: Sequence[Tensor | None], spec: Spec) -> Parameters:
    """Where the rule's weights and biases and the senses' lie, in this order; all must be contiguous."""
    addresses = iter([None if tensor is None else tensor.data_ptr() for tensor in tensors])
    layers, senses = spec.rule.layers, len(spec.senses)
    weights, biases = (list(islice(addresses, layers)) for _ in range(2))
    if spec.space.on_graph:
        senses = 0  # they have none
    sense_weights, rest = list(islice(addresses, senses)), list(addresses)
    sense_biases = [None] * (senses - len(rest)) + rest  # stencils, which stand first, have none
    return Parameters(
        (ctypes.c_void_p * 3)(*weights),
        (ctypes.c_void_p * 3)(*biases),
        (ctypes.c_void_p * senses)(*sense_weights),
        (ctypes.c_void_p * senses)(*sense_biases),
    )


def check(code: int) -> None:
    """Raise what a function of the step reports."""
    if code:
        raise RunFailed(
            {1: "not enough memory for the rollout"}.get(code, f"the native step failed ({code})")
        )


class _Rollout(torch.autograd.Function):
    """Keeps every state and a byte a cell and step; the backward pass computes the rest again."""

    @staticmethod
    def forward(
        ctx: Any,
        request: tuple[ctypes.CDLL, Spec, Graph | None, int, int, int],
        keeps: bool,
        seeds: Tensor,
        state: Tensor,
        *tensors: Tensor,
    ) -> Tensor:
        library, spec, graph, steps, start, products = request
        plan = make_plan(spec, state.shape, graph=graph, steps=steps, start=start, products=products)
        seeds = seeds.contiguous()
        tensors = tuple(tensor.contiguous() for tensor in tensors)
        size = library.petri_state_floats(plan)
        states = torch.empty((steps + 1 if keeps else 2, size), dtype=torch.float32)
        batch, _, height, width = state.shape
        marks = torch.empty((steps, batch, height, width), dtype=torch.uint8) if keeps else None
        after = torch.empty(state.shape, dtype=torch.float32)
        check(
            library.petri_forward(
                plan,
                seeds.data_ptr(),
                parameters(tensors, spec),
                view(state),
                view(after),
                states.data_ptr(),
                None if marks is None else marks.data_ptr(),
            )
        )
        if keeps:
            ctx.request, ctx.shape = request, state.shape
            ctx.save_for_backward(seeds, states, marks, *tensors)
        return after

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, flow: Tensor) -> tuple[Tensor | None, ...]:
        library, spec, graph, steps, start, products = ctx.request
        seeds, states, marks, *tensors = ctx.saved_tensors
        plan = make_plan(spec, ctx.shape, graph=graph, steps=steps, start=start, products=products)
        gradients: list[Tensor | None] = [torch.empty_like(tensor) for tensor in tensors]
        first = 2 * spec.rule.layers  # of the senses' weights
        for number, (_, sense) in enumerate(_in_order(spec), first):
            if isinstance(sense, Stencil) and not sense.trained:
                gradients[number] = None
        before = torch.empty(ctx.shape, dtype=torch.float32)
        check(
            library.petri_backward(
                plan,
                seeds.data_ptr(),
                parameters(tensors, spec),
                view(flow),
                view(before),
                states.data_ptr(),
                marks.data_ptr(),
                parameters(gradients, spec),
            )
        )
        return None, None, None, before, *gradients

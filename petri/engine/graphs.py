"""CUDA graphs: what a function launches on a GPU is recorded once, and replayed with other numbers in place.

A GPU is done with a step of a small grid before Python has asked for the next one. A graph asks for many at
once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

Work = Callable[..., tuple[Tensor, ...]]

# Bytes, at most, that go in and out of all graphs; of one, with what it needs on its way, a quarter.
ROOM = 1_000_000_000
_lock = threading.RLock()
_once: set[Hashable] = set()  # what has been run before
_graphs: OrderedDict[Hashable, Graph | None] = OrderedDict()  # the latest last; None: it is to do without


class Graph:
    """What a work launches, with its inputs and outputs in places of their own.

    Args:
        work: a function of tensors, which has been run before, so that its kernels are compiled. It reads
            nothing but its inputs and what never changes, and leaves them as they are.
        inputs: tensors on the GPU, of which only shapes and types count.
    """

    def __init__(self, work: Work, inputs: Sequence[Tensor]) -> None:
        self.work = work  # what it holds on to must outlive the graph
        with torch.inference_mode(False), torch.no_grad():  # places that can be written in any mode
            self.inputs = [values.clone() for values in inputs]
            self.outputs = self.record()
        self.size = sum(values.nbytes for values in (*self.inputs, *self.outputs))

    def record(self) -> tuple[Tensor, ...]:
        """Record the work; its outputs, whose numbers come with `replay`."""
        stream = torch.cuda.current_stream(self.inputs[0].device)
        aside, room = _aside(stream)
        self.graph = torch.cuda.CUDAGraph()
        # The outer stream is for a recording that fails: PyTorch would go on where it was recorded.
        with (
            torch.cuda.stream(stream),
            torch.cuda.graph(self.graph, pool=room, stream=aside, capture_error_mode="thread_local"),
        ):
            return self.work(*self.inputs)

    def replay(self) -> None:
        """Launch it all at once."""
        self.graph.replay()

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What the work makes of other inputs."""
        for place, values in zip(self.inputs, inputs, strict=True):
            place.copy_(values)
        self.replay()
        return tuple(values.clone() for values in self.outputs)


def run(work: Work, name: Hashable, inputs: Sequence[Tensor], size: int) -> tuple[Tensor, ...]:
    """What a work makes of its inputs: launched one by one at first, then by a graph.

    A graph is kept if it once gives the bits of what is launched one by one.

    Args:
        work: as for `Graph`.
        name: of all that the work hangs on beside its inputs' numbers, shapes and types.
        inputs: tensors on one device.
        size: bytes of what goes in and out and of what it needs on its way, about.
    """
    if size > ROOM // 4 or not possible(inputs[0].device):
        return work(*inputs)
    with _lock:  # between the copies into a graph and those out of it nobody else may use it
        device = inputs[0].device
        stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        key = (name, device, stream, *((values.shape, values.dtype) for values in inputs))
        if graph := _graphs.get(key):
            _graphs.move_to_end(key)
            return graph(inputs)
        outputs = work(*inputs)
        if key not in _once:  # what runs but once is not worth a graph
            _once.add(key)
        elif key not in _graphs:
            _graphs[key] = _recorded(work, inputs, outputs)
            _make_room()
    return outputs


@cache
def _aside(stream: torch.cuda.Stream) -> tuple[torch.cuda.Stream, Any]:
    """Where graphs of a stream are recorded: on another of its device, with memory that they share.

    They run one after the other, and what comes out of one is copied before the next runs. So what each needs
    on its way can lie in the same place, and many small ones do not take some megabytes each.
    """
    return torch.cuda.Stream(stream.device), torch.cuda.graph_pool_handle()


def possible(device: torch.device) -> bool:
    """Whether graphs can be recorded on a device, and now: not within another."""
    return device.type == "cuda" and not torch.cuda.is_current_stream_capturing()


def _recorded(work: Work, inputs: Sequence[Tensor], expected: Sequence[Tensor]) -> Graph | None:
    """A graph that gives the expected bits; None if there is none to be had."""
    try:
        graph = Graph(work, inputs)
        same = all(
            torch.equal(got.view(torch.uint8), wanted.view(torch.uint8))
            for got, wanted in zip(graph(inputs), expected, strict=True)
        )
    except RuntimeError:  # it cannot be recorded here, or memory is at an end; it runs without
        _aside.cache_clear()  # PyTorch may never know that this recording has ended, and refuse others there
        return None
    return graph if same else None


def _make_room() -> None:
    """Do without the graphs that have not been used for longest; they are not recorded again and again."""
    kept = [(key, graph.size) for key, graph in _graphs.items() if graph]
    size = sum(one for _, one in kept)
    for key, one in kept:
        if size <= ROOM:
            break
        _graphs[key] = None
        size -= one

"""What tests/test_fused.py does in a process of its own, in which Triton interprets the kernels."""

import ast
import copy
import os
import sys

import numpy
import torch
from parity import both, furthest, furthest_gradient

from petri.engine import fused, graphs

# The interpreter needs as long for a large block as for a small one.
SIZES = {"BLOCK": 1024, "UNITS": 2**20, "TILE": fused.TILE, "SHARE": fused.SHARE}
trouble = fused.trouble


def begin():
    """Before Triton is imported."""
    assert "triton" not in sys.modules
    os.environ["TRITON_INTERPRET"] = "1"
    torch.set_num_threads(1)

    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    dot = InterpreterBuilder.create_dot

    def widened(tile):
        """It keeps bfloat16 as the upper halves of float32, and would multiply them as integers."""
        if tile.data.dtype != numpy.uint16:
            return tile
        return TensorHandle((tile.data.astype(numpy.uint32) << 16).view(numpy.float32), tl.float32)

    def create_dot(self, left, right, *others):
        return dot(self, widened(left), widened(right), *others)

    InterpreterBuilder.create_dot = create_dot
    sizes()


def sizes(**wanted):
    """Let kernels take blocks and tiles of such sizes."""
    for name, value in (SIZES | wanted).items():
        setattr(fused, name, value)
    fused.trouble = lambda *_: ""  # a test is a trial


def compare(automaton, state, steps=1, **given):
    """How far the state after some steps and each gradient is from the reference."""
    sizes(**given)
    after, *gradients = both(automaton, state, steps, engine="triton")
    expected, *wanted = both(automaton, state, steps, engine="torch")
    pairs = zip(gradients, wanted, strict=True)
    return furthest(after, expected), [furthest_gradient(*pair) for pair in pairs]


def rolled(automaton, state, parts, **options):
    """The state after parts of a rollout, each so many steps, of any engine."""
    sizes()
    start = options.pop("start", 0)
    with torch.no_grad():
        for steps in parts:
            state = automaton.rollout(state, steps, start=start, **options)
            start += steps
    return state


def gradients(automaton, state, steps, checkpoint=0, **given):
    """The last state and all gradients."""
    sizes(**given)
    return both(automaton, state, steps, engine="triton", checkpoint=checkpoint)


def recorded(automaton, state, kind, room=graphs.ROOM):
    """Epochs of a training with other weights in each, of two rollouts before a way back.

    The states and gradients of all, with `kind` in the place of a CUDA graph, if there is one.
    """
    sizes()
    graphs._once.clear(), graphs._graphs.clear()
    automaton, found = copy.deepcopy(automaton), []
    known = graphs.possible, graphs.Graph, graphs.ROOM, fused.PARTS
    graphs.possible, graphs.Graph, graphs.ROOM = lambda device: kind is not None, kind, room
    fused.PARTS = (2, 1)
    try:
        for number in range(3):
            given = (state + 0.1 * number).requires_grad_()
            ends = [automaton.rollout(given, 2, seed=seed, engine="triton") for seed in (number, 7)]
            found += [end.detach() for end in ends]
            found += torch.autograd.grad(sum(map(torch.sum, ends)), [given, *automaton.parameters()])
            with torch.no_grad():
                for weights in automaton.parameters():
                    weights.mul_(0.9)
    finally:
        graphs.possible, graphs.Graph, graphs.ROOM, fused.PARTS = known
    return found, kind and kind.count


def tried(spec, bfloat16, broken="", inference=False):
    """What a trial of the kernels says, one of which does nothing or raises an error, if it is said."""
    sizes()
    from petri.engine import kernels

    trouble.cache_clear()
    name, _, how = broken.partition(" ")
    kernel = getattr(kernels, name, None)
    if broken:
        setattr(kernels, name, Broken(kernel.arg_names, how))
    try:
        with torch.inference_mode(inference):
            return trouble(spec, torch.device("cpu"), bfloat16)
    finally:
        if broken:
            setattr(kernels, name, kernel)


class Broken:
    """In the place of a kernel."""

    def __init__(self, arg_names, how):
        self.arg_names, self.how = arg_names, how

    def __getitem__(self, grid):
        def run(**given):
            if self.how == "raises":
                raise RuntimeError("no such instruction\nand more")
            if self.how == "asserts":
                raise AssertionError
            if self.how == "cannot be compiled":
                from triton.compiler.errors import CompilationError

                raise CompilationError("x = y", ast.parse("x = y").body[0], "no y\nnowhere")

        return run

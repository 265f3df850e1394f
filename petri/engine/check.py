"""A compiled step is tried out before it is kept: a step forward and backward, against the reference."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

# A broken compiler or processor is off by far more than rounding is; the tests are the ones to be strict.
TOLERANCE = {False: 1e-4, True: 3e-2}


def main(path: str) -> None:
    """Print what is wrong with the library at `path`, and exit with 1; for a process of its own."""
    if said := verdict(Path(path)):
        print(said)
        sys.exit(1)


def verdict(path: Path) -> str:
    """What is wrong with the library at `path`, which may end the process; empty if nothing is."""
    from petri.engine.native import Unavailable, opened

    try:
        return "" if agrees(opened(path)) else "the compiled step does not agree with the reference"
    except Unavailable as reason:
        return str(reason)


def agrees(library: ctypes.CDLL) -> bool:
    """Whether the library's step and its gradients are those of `Automaton.step`."""
    from petri.engine.native import SINGLE, run
    from petri.nca import Automaton, Spec
    from petri.nca.fire import sample_seeds

    random = torch.Generator().manual_seed(0)
    seeds = sample_seeds(1, 2)
    for spec in (
        Spec.of(perception="learned+dilated", hidden=32, residual=True, living=True),
        Spec.of(perception="sobel", hidden=16, layers=2, padding="wrap", channels=7, clamp=None),
        Spec.of(perception="learned5+laplacian+conv3d2", hidden=16, layers=2, channels=6, fixed=3),
        Spec.of(perception="conv3", hidden=16, layers=2, channels=4, fixed=1, masked=True, clamp=None),
    ):
        automaton = Automaton(spec, generator=random)
        with torch.no_grad():
            automaton.rule.weights[-1].uniform_(-0.1, 0.1, generator=random)
        state = torch.rand(2, spec.planes, 9, 5, generator=random)
        flow = torch.rand(state.shape, generator=random)

        def reference(state: Tensor, automaton: Automaton = automaton) -> Tensor:
            return automaton.step(state, step=3, seeds=seeds)

        expected = _both(automaton, reference, state, flow)
        for products in {SINGLE, library.petri_products()}:

            def native(state: Tensor, automaton: Automaton = automaton, products: int = products) -> Tensor:
                return run(library, automaton, state, 1, seeds=seeds, start=3, products=products)

            got = _both(automaton, native, state, flow)
            limit = TOLERANCE[products != SINGLE]
            if any(_distance(a, b) > limit for a, b in zip(got, expected, strict=True)):
                return False
    return True


def _both(
    automaton: torch.nn.Module, step: Callable[[Tensor], Tensor], state: Tensor, flow: Tensor
) -> list[Tensor]:
    """The state after the step, and the gradients of `flow` in the state and the parameters."""
    with torch.enable_grad():
        state = state.clone().requires_grad_()
        after = step(state)
        return [after.detach(), *torch.autograd.grad(after, [state, *automaton.parameters()], flow)]


def _distance(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value; NaN counts as infinitely far."""
    return float(((a - b).abs().max() / (b.abs().max() + 1e-6)).nan_to_num(nan=torch.inf))

"""A step is tried out before it is used: one step forward and backward, against the reference.

So is what was compiled for the CPU, before it is kept, and on a GPU each Spec, before its first rollout.
"""

from __future__ import annotations

import copy
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from petri.nca.automaton import Automaton
    from petri.nca.spec import Spec

    # From an automaton and a state to the state after step 3, by the seeds given.
    Step = Callable[[Automaton, Tensor, Tensor], Tensor]

# A broken compiler or processor is off by far more than rounding is; the tests are the ones to be strict.
TOLERANCE = {False: 1e-4, True: 3e-2}
STEP = 3  # the number of the step that is tried


def main(path: str) -> None:
    """Print what is wrong with the library at `path`, and exit with 1; for a process of its own."""
    if said := verdict(Path(path)):
        print(said)
        sys.exit(1)


def verdict(path: Path) -> str:
    """What is wrong with the library at `path`, which may end the process; empty if nothing is."""
    from petri.engine.native import Unavailable, opened

    try:
        return "" if library_agrees(opened(path)) else "the compiled step does not agree with the reference"
    except Unavailable as reason:
        return str(reason)


def library_agrees(library: ctypes.CDLL) -> bool:
    """Whether the library's step and its gradients are those of `Automaton.step`."""
    from petri.engine.native import SINGLE, run
    from petri.nca import Spec

    def agree(spec: Spec, products: int) -> bool:
        def native(automaton: Automaton, state: Tensor, seeds: Tensor) -> Tensor:
            return run(library, automaton, state, 1, seeds=seeds, start=STEP, products=products)

        return agrees(spec, native, tolerance=TOLERANCE[products != SINGLE])

    return all(
        agree(spec, products)
        for spec in (
            Spec.of(perception="learned+dilated", hidden=32, residual=True, living=True),
            Spec.of(perception="sobel", hidden=16, layers=2, padding="wrap", channels=7, clamp=None),
            Spec.of(perception="learned5+laplacian+conv3d2", hidden=16, layers=2, channels=6, fixed=3),
            Spec.of(perception="conv3", hidden=16, layers=2, channels=4, fixed=1, masked=True, clamp=None),
        )
        for products in {SINGLE, library.petri_products()}
    )


@torch.inference_mode(False)  # in which there would be no gradients
def agrees(
    spec: Spec, step: Step, *, tolerance: float, device: str | torch.device = "cpu", seed: int = 0
) -> bool:
    """Whether a step of this Spec and its gradients are those of `Automaton.step` on the CPU.

    Args:
        tolerance: length of the difference of each, at most, as a share of its own length.
        device: where the step is taken.
        seed: of the weights and the state.
    """
    from petri.nca import Automaton
    from petri.nca.fire import sample_seeds

    random, seeds = torch.Generator().manual_seed(seed), sample_seeds(1, 2)
    automaton = Automaton(spec, generator=random)
    with torch.no_grad():
        automaton.rule.weights[-1].uniform_(-0.1, 0.1, generator=random)
        # Rounding must not decide who fires.
        automaton.rule.weights[-1][spec.channels :] = 0.0
        automaton.rule.biases[-1][spec.channels :] = 0.3
    state = torch.rand(2, spec.planes, 9, 5, generator=random)
    flow = torch.rand(state.shape, generator=random)
    state[:, spec.channels :, ::2] = 1.0  # cells that are held
    expected = _both(automaton, lambda own, given: own.step(given, step=STEP, seeds=seeds), state, flow)
    there = copy.deepcopy(automaton).to(device)
    seeds = seeds.to(device)
    got = _both(there, lambda own, given: step(own, given, seeds), state.to(device), flow.to(device))
    return all(_distance(a.cpu(), b) <= tolerance for a, b in zip(got, expected, strict=True))


def _both(
    automaton: Automaton, step: Callable[[Automaton, Tensor], Tensor], state: Tensor, flow: Tensor
) -> list[Tensor]:
    """The state after the step, and the gradients of `flow` in the state and the step's parameters."""
    with torch.enable_grad():
        state = state.clone().requires_grad_()
        after = step(automaton, state)
        learned = [*automaton.perception.parameters(), *automaton.rule.parameters()]
        return [after.detach(), *torch.autograd.grad(after, [state, *learned], flow)]


def _distance(a: Tensor, b: Tensor) -> float:
    """The length of the difference as a share of the second's length; NaN counts as infinitely far."""
    return float(((a - b).norm() / (b.norm() + 1e-6)).nan_to_num(nan=torch.inf))

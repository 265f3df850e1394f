"""How long a step takes on rings and meshes: the native step beside PyTorch and plain numpy, in one run.

    python benchmarks/mesh.py [--largest NODES]

Times are of the processor, not of the clock, on one thread: what else the machine does hardly counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from petri.engine import native_status
from petri.graph import icosphere
from petri.nca import Automaton, Harmonics, Mesh, Mlp, Spec
from petri.nca.fire import fire_words, sample_seeds
from petri.nca.graph import Graph
from petri.training.rings import spec_of

RINGS = (64, 1024, 16_384, 65_536, 1_048_576)  # nodes
LEVELS = (4, 5, 6, 7)  # of icospheres
STEPS = 64  # of a ring's rollout; fewer where they would take long
ENOUGH = 0.3  # seconds that are measured at least


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call, the least of several."""
    work()
    least, spent = float("inf"), 0.0
    while spent < ENOUGH:
        before = time.process_time()
        work()
        took = time.process_time() - before
        least, spent = min(least, took), spent + took
    return least


def numpy_rollout(automaton: Automaton, state: np.ndarray, steps: int) -> np.ndarray:
    """The ring's rule in plain numpy: `[channel, node]`."""
    (first, last), (near, far) = (
        [values.detach().numpy() for values in part]
        for part in (automaton.rule.weights, automaton.rule.biases)
    )
    seeds, nodes = sample_seeds(0, 1), state.shape[1]
    for step in range(steps):
        before, after = np.roll(state, 1, axis=1), np.roll(state, -1, axis=1)
        sensed = np.stack([state, before + after - 2 * state, after - before], axis=1).reshape(-1, nodes)
        hidden = np.maximum(first @ sensed + near[:, None], 0)
        change = last @ hidden + far[:, None]
        fires = fire_words(seeds, step, 1, nodes)[0, 0].numpy() < 2**31
        state = np.clip(state + change * fires, -1, 1)
    return state


def forward(automaton: Automaton, state: torch.Tensor, steps: int, engine: str) -> Callable[[], object]:
    """A rollout without a gradient."""

    def work() -> object:
        with torch.no_grad():
            return automaton.rollout(state, steps, engine=engine)

    return work


def training(automaton: Automaton, state: torch.Tensor, steps: int, engine: str) -> Callable[[], object]:
    """A rollout and the way back."""

    def work() -> object:
        return torch.autograd.grad(
            automaton.rollout(state, steps, engine=engine).sum(), list(automaton.parameters())
        )

    return work


def drawn(spec: Spec, graph: Graph | None = None) -> Automaton:
    """With weights that do something."""
    random = torch.Generator().manual_seed(0)
    automaton = Automaton(spec, generator=random, graph=graph)
    with torch.no_grad():
        automaton.rule.weights[-1].uniform_(-0.1, 0.1, generator=random)
    return automaton


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--largest", type=int, default=RINGS[-1], help="nodes beyond which nothing is measured"
    )
    largest = parser.parse_args().largest
    torch.set_num_threads(1)
    print(native_status()[1])
    print("\nring, the rule of 2,364 parameters, ns a node and step of processor time")
    print(
        f"{'nodes':>9} {'numpy':>8} {'torch':>8} {'native':>8} {'times':>6}   training: torch, native, times"
    )
    automaton = drawn(spec_of())
    for nodes in (count for count in RINGS if count <= largest):
        steps = max(2, min(STEPS, 2**20 // nodes))
        state = torch.rand(1, automaton.spec.channels, nodes, generator=torch.Generator().manual_seed(1))
        plain = state[0].numpy()
        again = numpy_rollout(automaton, plain, 2)
        with torch.no_grad():
            assert np.abs(again - automaton.rollout(state, 2)[0].numpy()).max() < 1e-5
        per = 1e9 / (nodes * steps)
        found = [seconds(lambda: numpy_rollout(automaton, plain, steps)) * per]  # noqa: B023
        for kind in (forward, training):
            found += [seconds(kind(automaton, state, steps, engine)) * per for engine in ("torch", "native")]
        numpy_, slow, fast, slow_back, fast_back = found
        print(
            f"{nodes:>9,} {numpy_:>8.0f} {slow:>8.0f} {fast:>8.1f} {numpy_ / fast:>6.1f}   "
            f"{slow_back:>8.0f} {fast_back:>8.1f} {slow_back / fast_back:>6.1f}",
            flush=True,
        )
    print("\nicosphere, 80→128→16 (order 1 and the node itself), of processor time")
    print(
        f"{'vertices':>9} {'torch ms':>9} {'native ms':>9} {'times':>6}   "
        "training ns a vertex and step: torch, native"
    )
    spec = Spec(space=Mesh(), senses=(Harmonics(order=1),), rule=Mlp(hidden=128, layers=2))
    for level in LEVELS:
        graph = icosphere(level).graph()
        if graph.nodes > largest:
            continue
        automaton, steps = drawn(spec, graph), max(2, min(16, 2**17 // graph.nodes))
        state = torch.rand(1, spec.channels, graph.nodes, generator=torch.Generator().manual_seed(1))
        slow, fast = (
            seconds(forward(automaton, state, steps, engine)) / steps for engine in ("torch", "native")
        )
        back = [
            seconds(training(automaton, state, steps, engine)) / steps / graph.nodes * 1e9
            for engine in ("torch", "native")
        ]
        print(
            f"{graph.nodes:>9,} {slow * 1e3:>9.2f} {fast * 1e3:>9.2f} {slow / fast:>6.1f}   "
            f"{back[0]:>8.0f} {back[1]:>8.0f} {back[0] / back[1]:>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

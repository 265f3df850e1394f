"""What a rule can do on a ring: a pattern of the whole of it, with controls, and a sequence of any length."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from petri.files import write_whole
from petri.graph.rings import ramps, wheel
from petri.losses.windows import WindowLoss
from petri.modelfile import Model
from petri.nca import Automaton, Cell, Harmonics, Mlp, Noise, Ring, Spec, show
from petri.nca.graph import nearest, ring
from petri.tasks.colour import Colouring, correlation
from petri.tasks.sequence import Sequencing
from petri.training.train import train

STEPS, FEW = (64, 96), (12, 16)  # to grow; the second are too few to come around a ring of 64
LATE = 10  # times as many steps, after which the pattern must still be there
ROLLOUTS = 16  # that a figure is the mean of
FIRE = 20_261_126  # the seed of who fires when a rule is measured
GONE = 0.25  # share of the ring that damage takes
EXEMPLAR = 512  # nodes of the sequence that is learned
LONG = 4096  # nodes of the longer ring
# Of each the order of its harmonics and its steps.
VARIANTS: dict[str, tuple[int, tuple[int, int]]] = {
    "the rule": (1, STEPS),
    "without the odd part": (0, STEPS),
    "too few steps": (1, FEW),
}


@dataclass(frozen=True)
class Figures:
    """What a rule came to on a ring: correlations with the target, means of fresh rollouts."""

    variant: str
    seed: int
    seconds: float  # of processor time that training took
    grown: float
    worst: float  # of the rollouts that `grown` is the mean of
    late: float  # after ten times the steps
    hurt: float  # right after a quarter of the ring was emptied
    healed: float  # and as many steps later as it had to grow
    moved: float  # grown from a seed a quarter of the ring away
    followed: float  # the same, with the target moved as far
    twice: float  # grown on a ring of twice as many nodes, with the target stretched


@dataclass(frozen=True)
class Spread:
    """Distances of windows: how unlike a sequence's the statistics of a ring are."""

    nodes: int
    sequence: float  # of the rule that learned a sequence's statistics
    floor: float  # of more of the sequence itself
    ceiling: float  # of the sequence's nodes in random order
    whole: float  # the control: of the rule that learned a whole ring, from that ring
    whole_ceiling: float  # of that ring's nodes in random order


def spec_of(*, order: int = 1, noise: bool = False) -> Spec:
    """The rule of gary-mesh: 2,364 parameters, or without the odd part 1,788."""
    sense = Harmonics(order=order, dimensions=1, valence=2)
    start = Noise() if noise else Cell()
    return Spec(space=Ring(), senses=(sense,), channels=12, rule=Mlp(hidden=48, layers=2), start=start)


def learn(variant: str, seed: int, *, nodes: int = 64, epochs: int = 4000) -> tuple[Model, Figures]:
    """Train a rule to colour a whole ring, and measure it."""
    order, steps = VARIANTS[variant]
    task = Colouring(spec_of(order=order), wheel(nodes), steps=steps[1])
    before = time.process_time()
    model = train(task, epochs=epochs, steps=steps, batch=4, pool=32, damage=1, seed=seed, learning_rate=4e-3)
    seconds = time.process_time() - before
    model = replace(model, target=f"ring-{nodes}")
    return model, measure(model.automaton, task.colours, steps[1], variant, seed, seconds)


@torch.no_grad()
def measure(
    automaton: Automaton, colours: Tensor, steps: int, variant: str, seed: int, seconds: float = 0.0
) -> Figures:
    """The figures of a rule.

    Args:
        colours: the target, `[3, node]`.
        steps: to grow.
        variant, seed, seconds: as they are to stand in the figures.
    """
    nodes, far = colours.shape[1], colours.shape[1] // 4

    def grow(state: Tensor, more: int = steps, start: int = 0) -> Tensor:
        return automaton.rollout(state, more, seed=FIRE, start=start)

    def alike(state: Tensor, target: Tensor) -> Tensor:
        return correlation(show(state, automaton.spec), target)

    first = automaton.seed_state(nodes, batch=ROLLOUTS)
    grown = grow(first)
    chance = torch.Generator().manual_seed(FIRE)
    sources = torch.randint(nodes, (ROLLOUTS,), generator=chance).tolist()
    gone = torch.stack([nearest(ring(nodes), source, round(GONE * nodes)) for source in sources])
    hurt = grown.masked_fill(gone[:, None], 0.0)
    moved = grow(first.roll(far, -1))
    alone = alike(grown, colours)
    longer = automaton.seed_state(2 * nodes, batch=ROLLOUTS)
    return Figures(
        variant,
        seed,
        seconds,
        grown=alone.mean().item(),
        worst=alone.min().item(),
        late=alike(grow(grown, (LATE - 1) * steps, steps), colours).mean().item(),
        hurt=alike(hurt, colours).mean().item(),
        healed=alike(grow(hurt, steps, steps), colours).mean().item(),
        moved=alike(moved, colours).mean().item(),
        followed=alike(moved, colours.roll(far, -1)).mean().item(),
        twice=alike(grow(longer, 2 * steps), wheel(2 * nodes)).mean().item(),
    )


def learn_sequence(seed: int, *, nodes: int = 64, epochs: int = 4000) -> Model:
    """Train a rule to weave a sequence from noise, by the statistics of its windows alone."""
    task = Sequencing(spec_of(noise=True), ramps(EXEMPLAR), nodes=nodes, seed=seed)
    model = train(task, epochs=epochs, steps=STEPS, batch=4, pool=32, seed=seed, learning_rate=2e-3)
    return replace(model, target=f"sequence-{nodes}")


@torch.no_grad()
def spread(sequence: Automaton, whole: Automaton, *, nodes: int = 64) -> list[Spread]:
    """The statistics of both kinds of rules, on the ring that they were trained on and on a long one.

    Args:
        sequence: of `learn_sequence`.
        whole: of `learn`.
        nodes: that both were trained on.
    """
    wanted, own = WindowLoss(ramps(EXEMPLAR)), WindowLoss(wheel(nodes))
    found = []
    for size in (nodes, LONG):
        many = max(1, LONG // size)  # as many windows of the short ring
        chance = torch.Generator().manual_seed(FIRE)
        pieces = ramps(LONG, seed=1).reshape(3, many, size).transpose(0, 1)
        order = torch.rand(LONG, generator=chance).argsort()
        mixed = ramps(LONG, seed=1)[:, order].reshape(3, many, size).transpose(0, 1)
        rings = wheel(nodes).repeat(many, 1, size // nodes)
        stirred = rings[..., torch.rand(size, generator=chance).argsort()]
        states = sequence.rollout(sequence.seed_state(size, batch=many), 2 * STEPS[1], seed=FIRE)
        others = whole.rollout(whole.seed_state(size, batch=many), max(STEPS[1], size * 3 // 2), seed=FIRE)

        def distance(loss: WindowLoss, rgb: Tensor) -> float:
            return loss(rgb, torch.Generator().manual_seed(FIRE)).mean().item()

        found.append(
            Spread(
                size,
                sequence=distance(wanted, show(states, sequence.spec)),
                floor=distance(wanted, pieces),
                ceiling=distance(wanted, mixed),
                whole=distance(own, show(others, whole.spec)),
                whole_ceiling=distance(own, stirred),
            )
        )
    return found


def experiment(
    *, nodes: int = 64, epochs: int = 4000, seeds: int = 5, known: Sequence[Figures] = ()
) -> Iterator[tuple[Model, Figures]]:
    """Every variant, with so many seeds each, one after the other, but what is known already."""
    there = {(figures.variant, figures.seed) for figures in known}
    for variant in VARIANTS:
        for seed in range(seeds):
            if (variant, seed) not in there:
                yield learn(variant, seed, nodes=nodes, epochs=epochs)


def keep(
    path: Path, figures: Sequence[Figures], spreads: Sequence[Spread], *, nodes: int, epochs: int
) -> None:
    """Write what there is so far, as JSON."""
    record = {
        "parameters": spec_of().parameters,
        "nodes": nodes,
        "epochs": epochs,
        "fire_seed": FIRE,
        "figures": [asdict(found) for found in figures],
        "windows": [asdict(found) for found in spreads],
    }
    write_whole(path, json.dumps(record, indent=1).encode())


def kept(path: Path, *, nodes: int, epochs: int) -> list[Figures]:
    """The figures that `keep` has written; none of another ring or other epochs, or if it is no such file."""
    try:
        record = json.loads(path.read_bytes())
        if (record["nodes"], record["epochs"]) == (nodes, epochs):
            return [Figures(**found) for found in record["figures"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return []


@torch.no_grad()
def history(automaton: Automaton, nodes: int, steps: int) -> Tensor:
    """What is seen of every step: RGB `[3, steps + 1, node]`, the start in the first row."""
    state, rows = automaton.seed_state(nodes), []
    for step in range(steps + 1):
        rows.append(show(state, automaton.spec)[0])
        state = automaton.rollout(state, 1, seed=FIRE, start=step)
    return torch.stack(rows, dim=1)

"""How well a classifier classifies: pictures, cells, how they agree, and whether they change their mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from petri.datasets.pictures import Labelled
from petri.nca import Automaton, Spec
from petri.nca.seed import repainted, seed_state
from petri.nca.votes import cells_of, counted, verdict

MARKS = {
    1: (20, 30, 149, 449),
    3: (32, 64, 300),
}  # steps after which it is asked, as NCAtorch does, by planes
SWAP = 150  # steps after which each picture becomes another, and after which it is asked again
BATCH = 250  # pictures at once
EVALUATION_SEED = 0xC1A55


@dataclass(frozen=True)
class Reading:
    """What the cells say after so many steps, as shares in 0..1."""

    steps: int
    pictures: float  # recognised, by the mean of the votes
    majority: float  # recognised, by the class that most cells vote for
    cells: float  # that vote rightly, of all cells of all pictures
    agreement: float  # of a picture's cells that vote as most of them do; the mean over pictures


@dataclass(frozen=True)
class Swap:
    """What becomes of the votes when each picture is changed for one of another class."""

    steps: int  # before it, and after it
    before: float  # share of the pictures that were recognised
    after: float  # and of those that they became

    @property
    def recovery(self) -> float:
        """What is left of the share, percent; NaN if nothing was recognised before."""
        return 100 * self.after / self.before if self.before else float("nan")


@dataclass(frozen=True)
class Classes:
    """How well pictures are classified."""

    classes: tuple[str, ...]
    pictures: int
    readings: tuple[Reading, ...]
    swap: Swap | None
    confusion: tuple[tuple[int, ...], ...]  # pictures, by what they show (rows) and what is said, at `asked`
    asked: int  # steps

    def to_fields(self) -> dict[str, Any]:
        """As plain values."""
        fields = asdict(self)
        fields["confusion"] = [list(row) for row in self.confusion]
        fields["classes"], fields["readings"] = list(self.classes), [asdict(one) for one in self.readings]
        if self.swap is not None:
            fields["swap"] |= {"recovery": round(self.swap.recovery, 3)}
        return fields


@torch.no_grad()
def classify(
    automaton: Automaton,
    part: Labelled,
    classes: Sequence[str],
    *,
    marks: Sequence[int],
    confusion_at: int | None = None,
    swap: int | None = SWAP,
    seed: int = EVALUATION_SEED,
    precision: str = "float32",
) -> Classes:
    """Classify pictures from nothing on, with chance that training has not seen.

    Args:
        automaton: a classifier.
        part: the pictures.
        classes: what the labels stand for.
        marks: steps after which the cells are asked, ascending.
        confusion_at: which of them the confusion matrix is of; the last if None.
        swap: steps after which each picture becomes the next one that shows something else, and after as
            many again of which the cells are asked anew; None for no such trial.
        seed: decides which cells fire.
        precision: see `Automaton.rollout`.
    """
    asked = marks[-1] if confusion_at is None else confusion_at
    sums = {mark: torch.zeros(4, dtype=torch.float64) for mark in marks}
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    swapped = torch.zeros(2, dtype=torch.float64)
    cells = 0.0
    for first, batch in part.parts(BATCH):
        how: dict[str, Any] = {"seed": seed, "first_sample": first, "precision": precision}
        begun = _begin(automaton, batch)
        state, taken = begun, 0
        for mark in marks:
            state, taken = automaton.rollout(state, mark - taken, start=taken, **how), mark
            sums[mark] += _sums(state, batch.labels, automaton)
            if mark == asked:
                said = verdict(state, automaton.spec).cpu()
                pairs = batch.labels.cpu() * len(classes) + said
                confusion += torch.bincount(pairs, minlength=confusion.numel()).view_as(confusion)
        cells += float(cells_of(begun, automaton.spec).sum())
        if swap:
            swapped += _swapped(automaton, begun, batch.labels, swap, how)
    count = max(1, len(part))
    readings = tuple(
        Reading(
            steps=mark,
            pictures=float(values[0]) / count,
            majority=float(values[1]) / count,
            cells=float(values[2]) / max(1.0, cells),
            agreement=float(values[3]) / count,
        )
        for mark, values in sums.items()
    )
    return Classes(
        classes=tuple(classes),
        pictures=len(part),
        readings=readings,
        swap=Swap(swap, *(swapped / count).tolist()) if swap else None,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        asked=asked,
    )


def told(state: Tensor, spec: Spec) -> tuple[int, float]:
    """What the cells of a state `[planes, height, width]` say: the class, and the share that votes for it."""
    which, counts = int(verdict(state[None], spec)), counted(state[None], spec)[0]
    return which, float(counts[which] / cells_of(state[None], spec).sum().clamp_min(1))


def _begin(automaton: Automaton, batch: Labelled) -> Tensor:
    return seed_state(
        automaton.spec,
        *batch.images.shape[-2:],
        batch=len(batch),
        device=automaton.device,
        fixed=batch.planes(),
    )


def _sums(state: Tensor, labels: Tensor, automaton: Automaton) -> Tensor:
    """Pictures recognised by the mean and by the majority, cells that are right, and agreement, added up."""
    spec, labels = automaton.spec, labels.to(state.device)
    counts, cells = counted(state, spec), cells_of(state, spec).sum(dim=(1, 2))
    right = [
        (verdict(state, spec) == labels).sum(),
        (counts.argmax(dim=1) == labels).sum(),
        counts.gather(1, labels[:, None]).sum(),
        (counts.amax(dim=1) / cells.clamp_min(1)).sum(),
    ]
    return torch.stack([one.double() for one in right]).cpu()


def others(labels: Tensor) -> Tensor:
    """For each picture the number of the next one, in a circle, that shows something else; itself if none."""
    count = len(labels)
    found = torch.arange(count)
    for ahead in range(count - 1, 0, -1):
        next_one = (torch.arange(count) + ahead) % count
        found = torch.where(labels[next_one] != labels, next_one, found)
    return found


def _swapped(automaton: Automaton, begun: Tensor, labels: Tensor, steps: int, how: dict[str, Any]) -> Tensor:
    """Pictures recognised before each becomes another, and of those that they become, after as many steps."""
    spec, labels = automaton.spec, labels.cpu()
    state = automaton.rollout(begun, steps, **how)
    before = (verdict(state, spec).cpu() == labels).sum()
    which = others(labels)
    state = repainted(state, spec, begun[which.to(begun.device), spec.channels :])
    state = automaton.rollout(state, steps, start=steps, **how)
    after = (verdict(state, spec).cpu() == labels[which]).sum()
    return torch.stack([before, after]).double()

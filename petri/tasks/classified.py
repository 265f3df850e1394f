"""What classifying has come to: measured on pictures that it has never seen, and drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petri import images, samples
from petri.evaluation import confusion
from petri.evaluation.classes import MARKS, Classes, classify, others
from petri.nca import Automaton, show
from petri.nca.seed import repainted
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.datasets.pictures import Pictures
    from petri.tasks.classify import Classifying

ENOUGH = 0.5  # share of the test pictures from which on it is a classifier at all
TESTED = {1: 1000, 3: 300}  # test pictures that a run ends with, by planes; `petri evaluate` takes them all
PER_CLASS, FILM_STEPS, FILM_EVERY, FILM_FPS, FILM_ZOOM = 2, 60, 1, 15, 4
DRAWN = ("confusion.png", "votes.webp")


@dataclass(frozen=True, kw_only=True)
class Classified(Outcome):
    """What classifying has come to."""

    found: Classes


@torch.no_grad()
def finish(task: Classifying, automaton: Automaton, folder: Path) -> Classified:
    """Classify test pictures, and draw which classes are taken for which, and how cells come to agree."""
    marks = sorted({*task.steps, *MARKS.get(task.spec.fixed, ())[2:]})
    found = classify(
        automaton,
        task.data.test.first(TESTED.get(task.spec.fixed, TESTED[1])),
        task.classes,
        marks=marks,
        confusion_at=task.steps[1],
        precision="auto",
    )
    confusion.save(folder / DRAWN[0], found)
    frames = [images.enlarge(frame, FILM_ZOOM) for frame in film_votes(task, automaton)]
    images.save_animation(folder / DRAWN[1], frames, fps=FILM_FPS)
    return Classified(
        stands=all(reading.pictures > ENOUGH for reading in found.readings),
        files=DRAWN,
        fields={"found": found.to_fields(), "samples": sampled(task.data)},
        found=found,
    )


def sampled(data: Pictures) -> dict[str, Any]:
    """The first test picture of every class, for the model's file."""
    test = data.test
    first = [(test.labels == label).nonzero()[:1, 0] for label in range(len(data.classes))]
    return samples.to_fields(test.images[torch.cat(first)])


def film_votes(task: Classifying, automaton: Automaton) -> Iterator[np.ndarray]:
    """Test pictures of every class while their cells vote; half way each becomes another."""
    test, spec, count = task.data.test, task.spec, len(task.classes)
    which = torch.stack([(test.labels == label).nonzero()[:PER_CLASS, 0] for label in range(count)], dim=1)
    planes = test.planes(which.flatten())
    state = automaton.seed_state(*task.grid, batch=len(planes), fixed=planes)

    def drawn(state: torch.Tensor) -> np.ndarray:
        seen = (show(state, spec) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        rows = seen.reshape(PER_CLASS, count, *seen.shape[1:])
        return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])

    yield drawn(state)
    for step in range(0, 2 * FILM_STEPS, FILM_EVERY):
        if step == FILM_STEPS:
            state = repainted(state, spec, planes[others(test.labels[which.flatten()].cpu())])
        state = automaton.rollout(state, FILM_EVERY, start=step)
        yield drawn(state)

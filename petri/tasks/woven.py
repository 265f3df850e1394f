"""What weaving a texture has come to: measured with fresh chance, and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from petri import images
from petri.evaluation.report import plain
from petri.evaluation.style import woven
from petri.film import film
from petri.nca import Automaton, show
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.tasks.texture import Weaving

SEEDS = 2  # textures that a figure is the mean of
FACTORS = (1, 2, 4)  # times the size it was trained at
LARGEST = 2048  # cells a side of what is drawn
AWAY = 0.5  # of the way from the floor to the ceiling: what is further is no such texture
GAP, GROUND = 16, 255  # pixels between the sizes of the sheet, and the grey level behind them
FILM_PIXELS, FILM_FPS = 256, 20
EXEMPLAR = "exemplar.png"
DRAWN = ("tile.png", "sizes.png", "weaving.webp", EXEMPLAR)


@dataclass(frozen=True, kw_only=True)
class Woven(Outcome):
    """What weaving a texture has come to."""

    steps: int  # after which it was measured
    distance: float  # style distance in held-out layers
    floor: float  # of more of the same
    ceiling: float  # of the exemplar's pixels, shuffled
    way: float  # of the distance between them, percent; NaN if there is none


@torch.no_grad()
def finish(task: Weaving, automaton: Automaton, folder: Path) -> Woven:
    """Measure a model from noise, and draw what it weaves: a tile, larger pieces, and a film."""
    spec, judge, steps = automaton.spec, task.judge, 2 * task.steps
    states = woven(automaton, task.grid, steps, seeds=SEEDS)
    distance = judge.distance(show(states, spec)).mean().item()
    pieces = [images.picture(states[0], spec, task.ground)]
    for factor in FACTORS[1:]:
        grid = task.grid[0] * factor, task.grid[1] * factor
        if max(grid) <= LARGEST:
            pieces.append(images.picture(woven(automaton, grid, steps)[0], spec, task.ground))
    images.save_picture(folder / "tile.png", pieces[0])
    images.save_picture(folder / "sizes.png", side_by_side(pieces))
    zoom = max(1, FILM_PIXELS // max(task.grid))
    shown = film(automaton, task.grid, steps, ground=task.ground)
    images.save_animation(
        folder / "weaving.webp", [images.enlarge(rgb, zoom) for _, rgb in shown], fps=FILM_FPS
    )
    way = judge.way(distance)
    figures = {"distance": distance, "floor": judge.floor, "ceiling": judge.ceiling, "way": way}
    return Woven(
        stands=distance <= max(judge.floor, (1 - AWAY) * judge.floor + AWAY * judge.ceiling),
        files=DRAWN,
        fields={"style": {"steps": steps} | {name: plain(value) for name, value in figures.items()}},
        steps=steps,
        **figures,
    )


def side_by_side(pieces: list[np.ndarray]) -> np.ndarray:
    """Pictures beside each other, their lower edges in line, a pixel a cell."""
    height = max(len(piece) for piece in pieces)
    columns = []
    for piece in pieces:
        columns.append(np.pad(piece, ((height - len(piece), 0), (0, GAP), (0, 0)), constant_values=GROUND))
    return np.concatenate(columns, axis=1)[:, :-GAP]

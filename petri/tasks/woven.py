"""What weaving a texture, or several, has come to: measured with fresh chance, and drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from petri import images
from petri.evaluation.report import plain
from petri.evaluation.style import Judge, woven
from petri.film import film
from petri.nca import Automaton
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from petri.tasks.texture import Weaving

SEEDS = 2  # textures that a figure is the mean of
FACTORS = (1, 2, 4)  # times the size it was trained at
LARGEST = 2048  # pixels a side of what is drawn
AWAY = 0.5  # of the way from the floor to the ceiling: what is further is no such texture
GAP, GROUND = 16, 255  # pixels between the sizes of the sheet, and the grey level behind them
FILM_PIXELS, FILM_FPS = 256, 20
EXEMPLAR = "exemplar.png"


@dataclass(frozen=True)
class Likeness:
    """How far a texture lies from its exemplar."""

    steps: int  # after which it was measured
    distance: float  # style distance in held-out layers
    floor: float  # of more of the same
    ceiling: float  # of the exemplar's pixels, shuffled
    way: float  # of the distance between them, percent; NaN if there is none

    @property
    def stands(self) -> bool:
        """Whether it is nearer to more of the same than to pixels in random order."""
        return self.distance <= max(self.floor, (1 - AWAY) * self.floor + AWAY * self.ceiling)

    def to_fields(self) -> dict[str, float | None]:
        """As plain values."""
        return {name: plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Woven(Outcome):
    """What weaving textures has come to."""

    each: dict[str, Likeness]  # by condition; of one texture alone by its file's name


@torch.no_grad()
def finish(task: Weaving, automaton: Automaton, folder: Path) -> Woven:
    """Measure a model from noise, and draw what it weaves: tiles, larger pieces, and a film."""
    steps, each, sheets, tiles = 2 * task.steps, {}, [], []
    for number, judge in enumerate(task.judges):
        condition = number if task.conditions else None
        name = task.conditions[number] if task.conditions else "texture"
        likeness, pieces = _weave(task, automaton, judge, steps, condition)
        each[name] = likeness
        tiles.append(f"tile-{number + 1}.png" if task.conditions else "tile.png")
        images.save_picture(folder / tiles[-1], pieces[0])
        sheets.append(side_by_side(pieces))
    images.save_picture(folder / "sizes.png", np.concatenate(sheets))
    _draw_film(task, automaton, folder, steps)
    fields = [{"condition": name, **found.to_fields()} for name, found in each.items()]
    return Woven(
        stands=all(found.stands for found in each.values()),
        files=(*tiles, "sizes.png", "weaving.webp", EXEMPLAR),
        fields={"each": fields} if task.conditions else {"style": next(iter(each.values())).to_fields()},
        each=each,
    )


def _weave(
    task: Weaving, automaton: Automaton, judge: Judge, steps: int, condition: int | None
) -> tuple[Likeness, list[np.ndarray]]:
    """How like its exemplar a texture is, and pictures of it on larger and larger grids."""
    states = woven(automaton, task.grid, steps, seeds=SEEDS, condition=condition)
    distance = judge.distance(automaton.view(states, task.pixels)).mean().item()
    pieces, pixels = [], max(task.exemplar.shape[-2:])
    for factor in FACTORS:
        grid = task.grid[0] * factor, task.grid[1] * factor
        if factor == 1 or pixels * factor <= LARGEST:
            large = states if factor == 1 else woven(automaton, grid, steps, condition=condition)
            pieces.append(images.picture(automaton, large[0], task.ground, pixels * factor))
    return Likeness(steps, distance, judge.floor, judge.ceiling, judge.way(distance)), pieces


def _draw_film(task: Weaving, automaton: Automaton, folder: Path, steps: int) -> None:
    """From noise on; of several textures one becomes the next in turn, and the first again."""
    cells, count = max(task.grid), len(task.conditions)
    zoom = 1 if task.pixels else max(1, FILM_PIXELS // cells)
    shown = film(
        automaton,
        task.grid,
        steps * (count + 1),
        ground=task.ground,
        pixels=max(cells, FILM_PIXELS),
        condition=0 if count else None,
        switches={turn * steps: turn % count for turn in range(1, count + 1)},
    )
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    images.save_animation(folder / "weaving.webp", frames, fps=FILM_FPS)


def side_by_side(pieces: list[np.ndarray]) -> np.ndarray:
    """Pictures beside each other, their lower edges in line."""
    height = max(len(piece) for piece in pieces)
    columns = []
    for piece in pieces:
        columns.append(np.pad(piece, ((height - len(piece), 0), (0, GAP), (0, 0)), constant_values=GROUND))
    return np.concatenate(columns, axis=1)[:, :-GAP]

"""How far a texture lies from its exemplar: between more of the same picture and its pixels shuffled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from petri.evaluation.report import EVALUATION_SEED
from petri.evaluation.walk import walk
from petri.losses.transport import TransportLoss
from petri.nca import Automaton

# Of VGG16, none of which training looks at.
HELD_OUT = ("relu1_2", "relu2_2", "relu3_2")
LEAST_WAY = 0.05  # of the ceiling, between it and the floor, for a percentage to say anything
LEAST_BITS = 3  # fewer sizes of a small exemplar, so that the last layer has places that can differ
SIZES, DIRECTIONS = 3, 64  # 1, 1/2 and 1/4 of the size; directions a layer, always the same


class Judge:
    """Compares textures with an exemplar in layers that training has not seen.

    Args:
        exemplar: RGB, `[3, height, width]` in 0..1.
        others: more of the same picture, each as large; if there are none, the exemplar's own quarters are
            compared with the whole of it, which lie further from it than what is as large.
        layers, sizes: what is compared, as for `TransportLoss`.
        closer: textures of half the exemplar's side are going to be judged: so are floor and ceiling then.

    Attributes:
        floor: distance of the others from the exemplar, their mean: no texture need be nearer.
        by: what the floor is made of.
        shuffled: the exemplar's own pixels in random order, `[3, height, width]`.
        ceiling: their distance: the right colours, and no texture.
    """

    def __init__(
        self,
        exemplar: Tensor,
        others: Sequence[Tensor] = (),
        *,
        layers: Sequence[str] = HELD_OUT,
        sizes: int = SIZES,
        closer: bool = False,
    ) -> None:
        self.exemplar = exemplar
        sizes = min(sizes, max(1, min(exemplar.shape[1:]).bit_length() - LEAST_BITS))
        self._loss = TransportLoss(exemplar, layers=layers, sizes=sizes, projections=DIRECTIONS)
        self.by = "other crops" if others else "its quarters"
        same = list(others) or _quarters(exemplar)
        if closer and others:
            same = [quarter for one in others for quarter in _quarters(one)]
        self.floor = self._mean(same)
        chance = torch.Generator().manual_seed(EVALUATION_SEED)
        order = torch.randperm(exemplar[0].numel(), generator=chance).to(exemplar.device)
        self.shuffled = exemplar.flatten(1)[:, order].view_as(exemplar)
        self.ceiling = self._mean(_quarters(self.shuffled) if closer else [self.shuffled])

    def _mean(self, pictures: Sequence[Tensor]) -> float:
        return sum(self.distance(one[None]).item() for one in pictures) / len(pictures)

    @torch.no_grad()
    def distance(self, rgb: Tensor) -> Tensor:
        """The style distance, a sample.

        Args:
            rgb: `[batch, 3, height, width]`; values outside 0..1 count as 0 or 1.

        Returns:
            `[batch]`, as `TransportLoss` has it.
        """
        chance = torch.Generator().manual_seed(EVALUATION_SEED)
        # One by one: large grids would need much memory at once.
        return (
            self._loss(rgb.clamp(0, 1), chance)
            if len(rgb) == 1
            else torch.cat([self.distance(one[None]) for one in rgb])
        )

    def way(self, distance: float) -> float:
        """The share of the way from the floor to the ceiling, in percent; below 0 nearer than the floor.

        Not a number if there is no way: of a picture that is no texture, other parts may lie as far from it
        as its pixels in random order do.
        """
        if self.ceiling - self.floor < LEAST_WAY * self.ceiling:
            return math.nan
        return 100 * (distance - self.floor) / (self.ceiling - self.floor)


def _quarters(exemplar: Tensor) -> list[Tensor]:
    height, width = (side // 2 for side in exemplar.shape[1:])
    return [exemplar[:, y : y + height, x : x + width] for y in (0, height) for x in (0, width)]


@torch.no_grad()
def woven(
    automaton: Automaton,
    grid: tuple[int, int],
    steps: int,
    *,
    seeds: int = 1,
    condition: int | None = None,
) -> Tensor:
    """States `[seeds, planes, height, width]` after so many steps, by chance that training has not seen.

    Args:
        condition: of an automaton of several textures, which fixed plane asks for this one.
    """
    state = automaton.seed_state(*grid, batch=seeds, seed=EVALUATION_SEED, condition=condition)
    *_, (_, state) = walk(automaton, state, [steps])
    return state

"""The task of an automaton that repairs: from what is known to what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.nca import Automaton
from petri.repair import damage
from petri.repair.calibration import Sight, statistics
from petri.repair.damaged import Damaged, planes
from petri.repair.habits import Habits
from petri.repair.layers import Part
from petri.repair.measure import divergence
from petri.repair.variants import MATRIX, Variant
from petri.tasks import Rows, Task

LEAST = 1e-6  # of what an error is divided by


class Restoring(Task):
    """Restoring one layer of networks.

    Args:
        variant: what the automaton is like.
        parts: the layer of each network to learn from; of a matrix all of one shape.
        sights: of what each is given.
        habits: of the networks, for a variant that knows templates.
        images: without labels, `[image, pixel]`, for a variant whose loss is the divergence of outputs.

    Raises:
        BadRequest: no networks, matrices of several shapes, a layer that the variant is not for, or no images
            where they are needed.
    """

    def __init__(
        self,
        variant: Variant,
        parts: Sequence[Part],
        sights: Sequence[Sight],
        habits: Habits | None = None,
        images: Tensor | None = None,
    ) -> None:
        widths = {len(part.bias) for part in parts}
        if not parts or (variant.layout == MATRIX and len(widths) > 1):
            raise BadRequest(f"networks to learn from must be there and fit, got widths {sorted(widths)}")
        if obstacle := variant.obstacle(parts[0]):
            raise BadRequest(obstacle)
        if variant.divergence and images is None:
            raise BadRequest("the divergence of outputs is of images, there are none")
        height, width = parts[0].matrix.shape
        side = parts[0].side if variant.layout != MATRIX else None
        super().__init__(variant.spec, side or (height, width))
        self.variant, self.parts, self.sights, self.habits = variant, parts, sights, habits
        self.stored = [statistics(part, sight) for part, sight in zip(parts, sights, strict=True)]
        self.weights = {
            "weights": 1 - variant.functional - variant.divergence,
            "outputs": variant.functional,
            "divergence": variant.divergence,
        }

        @cache
        def seen(number: int) -> tuple[Tensor, Tensor]:
            """What a network's layer is given of the images, and what the undamaged network says of them."""
            assert images is not None
            given = parts[number].given(images)
            return given, parts[number].outputs(given).log_softmax(1)

        self._seen = seen

    def meet(self, automaton: Automaton) -> None:
        """See `Task`: hidden channels that are off never change, as the rule's last layer starts at 0."""
        if self.variant.alone:
            rule = automaton.rule
            for last in (rule.weights[-1], rule.biases[-1]):
                first = torch.arange(len(last), device=last.device).view(-1, *[1] * (last.ndim - 1)) == 0
                last.register_hook(lambda gradient, first=first: gradient * first)

    def begin(self, count: int, chance: torch.Generator, device: torch.device) -> Rows:
        """See `Task`: damaged networks' pictures, or whole matrices, each with what is to come of it."""
        found: dict[str, list[Tensor]] = {}
        left = count
        while left:
            number = int(torch.randint(len(self.parts), (), generator=chance))
            whole = self.parts[number]
            least, most = self.variant.rates
            rate = least + (most - least) * float(torch.rand((), generator=chance))
            known = damage.anywhere(whole.matrix.shape, rate, chance)
            damaged = Damaged.of(whole, known, self.stored[number], self.sights[number], self.habits)
            state, scaled = states_of(self.variant, damaged), whole.matrix / damaged.scale
            scaled = scaled[None] if self.variant.layout == MATRIX else whole.cut(scaled)
            some = torch.randperm(len(state), generator=chance)[: min(left, self.variant.together)]
            drawn = {"state": state[some], "wanted": scaled[some]}
            if self.variant.divergence:
                drawn |= {"unit": some, "scale": torch.full((len(some),), damaged.scale)}
                drawn |= {"network": torch.full_like(some, number), "draw": torch.full_like(some, left)}
            for name, values in drawn.items():
                found.setdefault(name, []).append(values)
            left -= len(some)
        return {name: torch.cat(values).to(device) for name, values in found.items()}

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: the error of what is missing, and what it does to pre-activations and outputs."""
        (state,) = looks
        channels = self.spec.channels
        lost = (1 - state[:, channels]).flatten(1)
        error = (state[:, 0].flatten(1) - rows["wanted"].flatten(1)) * lost
        return {
            "weights": error.square().sum(1) / lost.sum(1).clamp(min=1),
            "outputs": self._unlike(error.view_as(rows["wanted"]), rows["wanted"]),
            "divergence": self._apart(error, rows),
        }

    def _unlike(self, error: Tensor, wanted: Tensor) -> Tensor:
        """Variance of the error of a unit's pre-activation, of its own variance; of a matrix the mean."""
        if not self.variant.functional:
            return error.new_zeros(len(error))
        covariance = self.sights[0].covariance

        def variance(values: Tensor) -> Tensor:
            return ((values @ covariance) * values).sum(-1)

        return (variance(error) / variance(wanted).clamp(min=LEAST)).view(len(error), -1).mean(1)

    def _apart(self, error: Tensor, rows: Rows) -> Tensor:
        """Divergence of the outputs from the undamaged ones if the units of a draw have these errors."""
        if not self.variant.divergence:
            return error.new_zeros(len(error))
        draws, place = rows["draw"].unique(return_inverse=True)
        apart = []
        for draw in range(len(draws)):
            here = place == draw
            number = int(rows["network"][here][0])
            part, (given, said) = self.parts[number], self._seen(number)
            wrong = error[here] * rows["scale"][here, None]
            matrix = part.matrix.index_add(0, rows["unit"][here], wrong)
            apart.append(divergence(said, part.with_matrix(matrix).outputs(given).log_softmax(1)))
        return torch.stack(apart)[place]


def states_of(variant: Variant, damaged: Damaged) -> Tensor:
    """What a rollout begins with: the known weights, 0 in all other channels, and the fixed planes.

    Returns:
        `[picture, planes, height, width]`; of a matrix `[1, planes, unit, input]`.
    """
    weight = (damaged.matrix / damaged.scale)[None]
    hidden = weight.new_zeros(variant.channels - 1, *weight.shape[1:])
    state = torch.cat([weight, hidden, planes(damaged, variant.planes)])
    if variant.layout == MATRIX:
        return state[None]
    pictures = torch.stack([damaged.part.cut(plane) for plane in state], dim=1)
    return pictures.unflatten(2, damaged.side)


@torch.no_grad()
def restored(variant: Variant, automaton: Automaton, damaged: Damaged, *, steps: int | None = None) -> Tensor:
    """The layer as an automaton restores it, `[unit, input]`; the known weights are as they were.

    Args:
        variant: what the automaton is.
        automaton: trained.
        damaged: the network.
        steps: to take; the most of its training if left out.
    """
    state = automaton.rollout(states_of(variant, damaged), variant.steps[1] if steps is None else steps)
    found = state[:, 0].reshape(damaged.known.shape) * damaged.scale
    return torch.where(damaged.known, damaged.matrix, found)

"""The task of an automaton that repairs: from what is known to what was lost."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.nca import Automaton
from petri.repair import damage
from petri.repair.calibration import Sight, statistics
from petri.repair.damaged import Damaged, picture, planes
from petri.repair.habits import Habits
from petri.repair.networks import Weights
from petri.repair.variants import MATRIX, Variant
from petri.tasks import Rows, Task

TOGETHER = 16  # units of one network in a batch
LEAST = 1e-6  # of what an error is divided by


class Restoring(Task):
    """Restoring the first layers of networks.

    Args:
        variant: what the automaton is like.
        networks: to learn from; of a matrix all of one width.
        sight: of the images that they see.
        habits: of the networks, for a variant that knows templates.

    Raises:
        BadRequest: no networks, or matrices of several shapes.
    """

    def __init__(
        self, variant: Variant, networks: Sequence[Weights], sight: Sight, habits: Habits | None = None
    ) -> None:
        widths = {len(network.first) for network in networks}
        if not networks or (variant.layout == MATRIX and len(widths) > 1):
            raise BadRequest(f"networks to learn from must be there and fit, got widths {sorted(widths)}")
        units, pixels = networks[0].first.shape
        super().__init__(variant.spec, (units, pixels) if variant.layout == MATRIX else picture(pixels))
        self.variant, self.networks, self.sight, self.habits = variant, networks, sight, habits
        self.stored = [statistics(one.first, one.first_bias, sight) for one in networks]
        self.weights = {"weights": 1 - variant.functional, "outputs": variant.functional}

    def begin(self, count: int, chance: torch.Generator, device: torch.device) -> Rows:
        """See `Task`: damaged networks' units, or whole matrices, each with what is to come of it."""
        states, wanted, left = [], [], count
        while left:
            number = int(torch.randint(len(self.networks), (), generator=chance))
            whole = self.networks[number]
            least, most = self.variant.rates
            rate = least + (most - least) * float(torch.rand((), generator=chance))
            known = damage.anywhere(whole.first.shape, rate, chance)
            damaged = Damaged.of(whole, known, self.stored[number], self.sight, self.habits)
            state, scaled = states_of(self.variant, damaged), whole.first / damaged.scale
            if self.variant.layout == MATRIX:
                scaled = scaled[None]
            some = torch.randperm(len(state), generator=chance)[: min(left, TOGETHER)]
            states.append(state[some])
            wanted.append(scaled[some])
            left -= len(some)
        return {"state": torch.cat(states).to(device), "wanted": torch.cat(wanted).to(device)}

    def losses(self, looks: Sequence[Tensor], rows: Rows) -> dict[str, Tensor]:
        """See `Task`: the squared error of what is missing, and what the error does to pre-activations."""
        (state,) = looks
        channels = self.spec.channels
        lost = (1 - state[:, channels]).flatten(1)
        error = (state[:, 0].flatten(1) - rows["wanted"].flatten(1)) * lost
        return {
            "weights": error.square().sum(1) / lost.sum(1).clamp(min=1),
            "outputs": self._unlike(error.view_as(rows["wanted"]), rows["wanted"]),
        }

    def _unlike(self, error: Tensor, wanted: Tensor) -> Tensor:
        """Variance of the error of a unit's pre-activation, of its own variance; of a matrix the mean."""
        if not self.variant.functional:
            return error.new_zeros(len(error))
        covariance = self.sight.covariance

        def variance(values: Tensor) -> Tensor:
            return ((values @ covariance) * values).sum(-1)

        return (variance(error) / variance(wanted).clamp(min=LEAST)).view(len(error), -1).mean(1)


def states_of(variant: Variant, damaged: Damaged) -> Tensor:
    """What a rollout begins with: the known weights, 0 in all other channels, and the fixed planes.

    Returns:
        `[unit, planes, 28, 28]`; of a matrix `[1, planes, unit, pixel]`.
    """
    fixed = planes(damaged, variant.planes)
    weight = (damaged.network.first / damaged.scale)[:, None]
    hidden = weight.new_zeros(len(weight), variant.channels - 1, weight.shape[-1])
    state = torch.cat([weight, hidden, fixed], dim=1)
    return (
        state.transpose(0, 1)[None]
        if variant.layout == MATRIX
        else state.unflatten(2, picture(weight.shape[-1]))
    )


@torch.no_grad()
def restored(variant: Variant, automaton: Automaton, damaged: Damaged, *, steps: int | None = None) -> Tensor:
    """The first layer as an automaton restores it, `[unit, pixel]`; the known weights are as they were.

    Args:
        variant: what the automaton is.
        automaton: trained.
        damaged: the network.
        steps: to take; the most of its training if left out.
    """
    state = automaton.rollout(states_of(variant, damaged), variant.steps[1] if steps is None else steps)
    found = state[:, 0].reshape(damaged.known.shape) * damaged.scale
    return torch.where(damaged.known, damaged.network.first, found)

"""petri, with the engine it takes by itself; the second argument is the precision of the products."""

import sys

import torch
import torch.nn.functional as F
from serve import CHANNELS, LEARNING_RATE, SETTINGS, serve

from petri.engine import native_status
from petri.nca import Automaton, Spec

side, batch, steps, perception, hidden, fixed, living = SETTINGS[sys.argv[1]]
precision = sys.argv[2]

torch.manual_seed(0)
automaton = Automaton(
    Spec.of(
        perception=perception,
        channels=CHANNELS,
        fixed=fixed,
        hidden=hidden,
        layers=2,
        living=living,
        clamp=None if living else 1.0,
    )
)
with torch.no_grad():
    automaton.rule.weights[-1].uniform_(-0.01, 0.01)
optimiser = torch.optim.Adam(automaton.parameters(), LEARNING_RATE)
start, target = torch.rand(batch, CHANNELS + fixed, side, side), torch.rand(batch, 4, side, side)
left, right = (torch.rand(2048, 2048).bfloat16() for _ in range(2))


@torch.no_grad()
def grow():
    """A rollout alone."""
    automaton.rollout(start, steps, precision=precision)


def train():
    """An epoch: rollout, loss, backward, one step of the optimiser."""
    optimiser.zero_grad()
    F.mse_loss(automaton.rollout(start, steps, precision=precision)[:, :4], target).backward()
    optimiser.step()


def product():
    """What the machine can do: one large product in bfloat16."""
    left @ right


print(f"petri's native step: {native_status()[1]}", file=sys.stderr)
serve({"rollout": grow, "training": train, "product": product})

"""petri's senses in PyTorch; the second argument is the precision of the products."""

import sys

import torch
import torch.nn.functional as F
from serve import LEARNING_RATE, SENSED, serve

from petri.nca import Automaton, Spec

side, batch, steps, channels, width = SENSED
precision = sys.argv[2]

torch.manual_seed(0)
automaton = Automaton(Spec.of(perception=sys.argv[1], channels=channels, hidden=width, layers=2))
with torch.no_grad():
    automaton.rule.weights[-1].uniform_(-0.01, 0.01)
    for name, values in automaton.named_parameters():
        if name.endswith("guide"):  # else no tap is moved
            values.uniform_(-0.1, 0.1)
optimiser = torch.optim.Adam(automaton.parameters(), LEARNING_RATE)
start, target = torch.rand(batch, channels, side, side), torch.rand(batch, 4, side, side)


def rollout():
    """Many steps, of which every one is kept, as the plain port does."""
    return automaton.rollout(start, steps, precision=precision, engine="torch", checkpoint=steps)


@torch.no_grad()
def grow():
    """A rollout alone."""
    rollout()


def train():
    """An epoch: rollout, loss, backward, one step of the optimiser."""
    optimiser.zero_grad()
    F.mse_loss(rollout()[:, :4], target).backward()
    optimiser.step()


serve({"rollout": grow, "training": train})

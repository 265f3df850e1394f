"""How an engine is held against the reference: weights, a state, and the gradients of a rollout."""

import torch

from petri.nca import Automaton

HEIGHT, WIDTH = 17, 23  # asymmetric, and no multiple of anything


def an_automaton(spec, *, dtype=torch.float32):
    """Weights of the size they have when trained, the bank no longer Sobel."""
    random = torch.Generator().manual_seed(5)
    automaton = Automaton(spec, generator=random)
    with torch.no_grad():
        bound = 0.6 / spec.rule.hidden**0.5
        automaton.rule.weights[-1].uniform_(-bound, bound, generator=random)
        automaton.rule.biases[-1].uniform_(-0.1, 0.1, generator=random)
        for sense in automaton.perception:
            if getattr(sense.kind, "trained", False):
                sense.bank += 0.1 * torch.randn(sense.bank.shape, generator=random)
    return automaton.to(dtype)


def a_state(spec, *, batch=2, height=HEIGHT, width=WIDTH):
    """Values about the size of trained ones, some beyond the clamp and some exactly on it; lively
    corners and a dead middle."""
    random = torch.Generator().manual_seed(7)
    state = 0.6 * torch.randn(batch, spec.planes, height, width, generator=random)
    state[:, :, 5:11, 6:15] = 0.0
    state[:, 3, 4:12, 5:16] = 0.05
    state[:, 3:, 0, 0] = 1.0
    state[:, 3:, -1, -1] = -1.0
    return state


def both(automaton, state, steps, *, flow=None, seed=9, engine="native", **options):
    """The last state, and the gradients of a flow, random unless given, in the state and each parameter."""
    state = state.clone().requires_grad_()
    if flow is None:
        flow = torch.randn(state.shape, generator=torch.Generator().manual_seed(3))
    after = automaton.rollout(state, steps, seed=seed, engine=engine, **options)
    return [after.detach(), *torch.autograd.grad(after, [state, *automaton.parameters()], flow)]


def furthest(a, b):
    """Largest difference, relative to the values but at least to 1."""
    return float(((a - b).abs() / (1 + b.abs())).max())


def furthest_gradient(a, b):
    return float((a - b).abs().max() / (1 + b.abs().max()))

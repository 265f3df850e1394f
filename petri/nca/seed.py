"""The state that a rollout begins with."""

from __future__ import annotations

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.nca.fire import sample_seeds
from petri.nca.spec import Spec
from petri.nca.start import Cell, Given


def seed_cell(spec: Spec, height: int, width: int) -> tuple[int, int]:
    """Row and column where growth begins on a grid of this size; the centre if not from a single cell."""
    start = spec.start if isinstance(spec.start, Cell) else Cell()
    return start.place(height, width)


def seed_state(
    spec: Spec,
    height: int,
    width: int,
    *,
    batch: int = 1,
    device: torch.device | str = "cpu",
    seed: int = 0,
    first_sample: int = 0,
    fixed: Tensor | None = None,
    condition: int | None = None,
) -> Tensor:
    """The state that the Spec's start describes.

    Args:
        batch: samples.
        seed: of a start that is drawn by chance, 0..2³²-1.
        first_sample: number of the first sample.
        fixed: the fixed planes, `[fixed, height, width]` or of every sample, if the Spec has any.
        condition: or which one of them is 1 everywhere, from 0; the others are 0.

    Returns:
        float32 `[batch, planes, height, width]`.

    Raises:
        BadRequest: fixed planes that are not given, or not those of the Spec and the grid, or a start that
            must be given.
    """
    if condition is not None:
        fixed = torch.zeros(spec.fixed, height, width)
    shape = (spec.fixed, height, width)
    if fixed is not None and tuple(fixed.shape) not in (shape, (batch, *shape)):
        raise BadRequest(
            f"the fixed planes must be [{spec.fixed}, {height}, {width}], or [{batch}, …] for each sample, "
            f"got {list(fixed.shape)}"
        )
    if spec.fixed and fixed is None:
        many = f"{spec.fixed} fixed plane" + "s" * (spec.fixed > 1)
        raise BadRequest(f"the Spec has {many}: give them, as [{spec.fixed}, {height}, {width}]")
    seeds = sample_seeds(seed, batch, first=first_sample, device=device)
    state = spec.start.state(spec.channels, height, width, seeds)
    if fixed is not None and spec.fixed:
        state = torch.cat([state, fixed.to(state).expand(batch, *shape)], dim=1)
    return state if condition is None else under(state, spec, condition)


def opening_state(
    spec: Spec,
    height: int,
    width: int,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    condition: int | None = None,
    fixed: Tensor | None = None,
) -> Tensor:
    """What a page, a film or a thumbnail opens with: empty where a start, or planes, are not given."""
    if isinstance(spec.start, Given):
        state = torch.zeros(1, spec.planes, height, width, device=device)
    else:
        planes = torch.zeros(spec.fixed, height, width) if fixed is None else fixed
        state = seed_state(spec, height, width, device=device, seed=seed, fixed=planes)
    return state if condition is None else under(state, spec, condition)


def under(state: Tensor, spec: Spec, condition: int | Tensor) -> Tensor:
    """A state under another condition: one fixed plane is 1 everywhere, the others are 0.

    Args:
        state: `[batch, planes, height, width]`; its evolving channels stay as they are.
        spec: of the automaton.
        condition: which plane, from 0; one for all samples, or one a sample, int64 `[batch]`.

    Returns:
        A new state of the same shape.

    Raises:
        BadRequest: the Spec has no such plane.
    """
    which = torch.as_tensor(condition, device=state.device).expand(len(state))
    if len(which) and not 0 <= int(which.min()) <= int(which.max()) < spec.fixed:
        raise BadRequest(
            f"a condition must be one of the Spec's {spec.fixed} fixed planes, from 0, got {condition}"
        )
    changed = state.clone()
    changed[:, spec.channels :] = 0.0
    changed[torch.arange(len(state), device=state.device), spec.channels + which] = 1.0
    return changed


def repainted(state: Tensor, spec: Spec, fixed: Tensor) -> Tensor:
    """A state with other fixed planes, such as another picture under the cells that saw one.

    Args:
        state: `[batch, planes, height, width]`; its evolving channels stay as they are.
        spec: of the automaton.
        fixed: `[fixed, height, width]`, or of every sample.

    Returns:
        A new state of the same shape.
    """
    evolving = state[:, : spec.channels]
    return torch.cat([evolving, fixed.to(state).expand(len(state), spec.fixed, *state.shape[-2:])], dim=1)

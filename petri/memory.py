"""How much memory there is, and how much a training run will want."""

from __future__ import annotations

import os

from petri.errors import BadRequest
from petri.growth.recipe import Recipe


def installed() -> int | None:
    """Bytes of memory in this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def wanted(recipe: Recipe) -> int:
    """Bytes that training on the CPU will hold at its peak, roughly.

    The pool, its copy while a checkpoint is written, and what the backward pass keeps: the states at the
    ends of segments and, within one segment, every state; PyTorch alone also keeps there what the rule
    computed.
    """
    from petri.engine import KEPT_BYTES, SEGMENT, native_status

    entry = recipe.spec.channels * recipe.res**2 * 4
    states = recipe.batch * entry
    steps = (recipe.truncate or recipe.steps[1]) + recipe.hold
    kept = min(steps * states, max(KEPT_BYTES, SEGMENT * states) + steps // SEGMENT * states)
    if not native_status()[0]:
        spec = recipe.spec
        numbers = spec.features + 2 * spec.hidden * (spec.layers - 1) + 4 * spec.channels
        kept += SEGMENT * recipe.batch * recipe.res**2 * numbers * 4
    return 2 * recipe.pool * entry + 2 * kept + 500_000_000


def check(recipe: Recipe) -> None:
    """Refuse a recipe that this machine cannot hold.

    Raises:
        BadRequest: it wants more memory than there is.
    """
    there, needed = installed(), wanted(recipe)
    if there is not None and needed > there:
        raise BadRequest(
            f"training {recipe.batch} × {recipe.res}×{recipe.res} cells wants about {needed / 1e9:.0f} GB "
            f"of memory, this machine has {there / 1e9:.0f}: lower --res or --batch, or --truncate 16"
        )

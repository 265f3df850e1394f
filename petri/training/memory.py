"""How much memory a training will want, before it is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petri.errors import BadRequest
from petri.memory import BASE, installed
from petri.tasks.grow import seen_channels
from petri.training.recipe import Phase, Recipe

if TYPE_CHECKING:
    import torch

    from petri.training.ranks import Ranks


def wanted(recipe: Recipe, device: torch.device, *, engine: str = "auto", ranks: Ranks | None = None) -> int:
    """Bytes that training will hold at its peak, roughly: those of its hungriest phase, and all targets.

    Args:
        recipe, device, engine, ranks: as for `Trainer`; of several processes on a CPU all are counted, on
            GPUs, of which each has its own, one.
    """
    size = ranks.size if ranks else 1
    # Every phase's from the start, and their copies while a checkpoint is written or read.
    count = max(1, len(recipe.targets))
    pixels = getattr(recipe.loss, "pixels", 0)  # of what a decoder paints
    areas = [pixels**2] if pixels else [phase.cells for phase in recipe.phases]
    targets = 2 * count * sum(seen_channels(recipe.spec) * area * 4 for area in areas)
    hungriest = max(_wanted(recipe, phase, device, engine, size) for phase in recipe.phases)
    return (size if device.type == "cpu" else 1) * (BASE + targets + hungriest)


def _wanted(recipe: Recipe, phase: Phase, device: torch.device, engine: str, size: int) -> int:
    """Of a phase: the pool, its copy while a checkpoint is written, and what the backward pass keeps.

    That is the states at the ends of segments and, within one segment, every state; PyTorch alone also
    keeps there what the rule computed, and the fused step has room for that of one step.
    """
    from petri.engine import keeps, multiplies_bfloat16, segment_length

    spec, (height, width) = recipe.spec, phase.grid
    entry = spec.planes * phase.cells * 4
    batch = max(1, phase.batch // size)
    rolls = [min(steps, phase.truncate or steps) for steps in (phase.steps[1], recipe.hold)]
    found = keeps(spec, batch, height, width, device, engine=engine)
    state, room = found or (batch * entry, 0)
    segment = recipe.checkpoint or segment_length(found and found.state)
    whole = sum(roll for roll in rolls if roll <= segment)  # kept as they are
    again = [roll for roll in rolls if roll > segment]  # of these only ends, and one segment at a time
    within = whole + (segment if again else 0)
    kept = within * state + room + sum(roll // segment for roll in again) * batch * entry
    if not found:
        multiplied = spec.features + 2 * spec.rule.hidden * (spec.rule.layers - 1)
        bytes_each = 2 if multiplies_bfloat16(device.type) else 4
        kept += within * batch * phase.cells * (multiplied * bytes_each + 4 * spec.channels * 4)
    if getattr(recipe.loss, "perceptual", 0) or getattr(recipe.loss, "blocks", 0):
        kept += batch * phase.cells * 3_000  # features of VGG16 and their gradients
    if spec.decoder and (lines := getattr(recipe.loss, "lines", 0)):
        # Of each point what goes into the layers and comes out of them, and the gradients of that.
        kept += 2 * batch * lines**2 * 2 * sum(spec.decoder.sizes(spec.channels, spec.space.axes)) * 4
    if spec.decoder and (windows := getattr(recipe.loss, "windows", getattr(recipe.loss, "views", 0))):
        # The same of the samples of the smaller sizes, four a pixel.
        places = recipe.loss.sizes * windows * recipe.loss.window**2
        kept += 4 * batch * places * 2 * sum(spec.decoder.sizes(spec.channels, spec.space.axes)) * 4
        kept += batch * places * 3_000
    return 2 * recipe.pool_size(phase) * entry + kept


def check(recipe: Recipe, device: torch.device, *, engine: str = "auto", ranks: Ranks | None = None) -> None:
    """Refuse a recipe that this machine, or its GPU, cannot hold; of MPS's memory nothing is known.

    Raises:
        BadRequest: it wants more memory than there is.
    """
    there, needed = installed(device), wanted(recipe, device, engine=engine, ranks=ranks)
    if there is not None and needed > there:
        last, count = recipe.phases[-1], len(recipe.phases)
        phases = f" in {count} phases" if count > 1 else ""
        where = "machine" if device.type == "cpu" else "GPU"
        raise BadRequest(
            f"training {last.batch} × {last.grid[0]}×{last.grid[1]} cells{phases} wants about "
            f"{needed / 1e9:.0f} GB of memory, this {where} has {there / 1e9:.0f}: "
            "lower --res, or --set phases.batch=… or checkpoint=16"
        )

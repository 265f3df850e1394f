"""Where recipes come from: a preset for the target, a file over it, and single values over both."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from petri import checks, targets
from petri.errors import BadRequest
from petri.nca.spec import Spec, full
from petri.targets.figure import ALIVE
from petri.targets.pieces import farthest
from petri.targets.several import Several
from petri.tasks import catalogue
from petri.training.recipe import PoolUse, Recipe, parse, plain

if TYPE_CHECKING:
    from petri.targets import Target

PRESETS = {
    "quick": "minutes on two cores at 64²; one state at a time; a plane on a small grid first",
    "report": "the report's architecture, three phases and six stabilizers, with its truncation to 16 steps",
    "distill": "the experiment of Growing Neural Cellular Automata (2020), for figures of 54 cells, not 40",
}
SMALLEST_PHASE = 32  # a curriculum starts no smaller
LEAST_TRUNCATE = 16  # steps that the gradient goes back through
LARGER = 9 / 8  # at most, from phase to phase
DOUBLING = 6  # phases, about: LARGER ** DOUBLING is 2.03
LEARNING = 2000  # epochs of the first size
STRETCHING = 150  # of each larger one
REFINING = 1000  # more after each doubling, and of the last, on larger grids in inverse proportion
REFINED = 128  # cells along a side up to which they are as many
PATIENCE = 0.5  # share of the last phase: some patterns come suddenly after a long time of nothing
FIGURE = 16_000  # epochs of a figure
PAINTED = 12_000  # of one that a decoder paints
LEAST_SIDE, LEAST_AGAIN = 32, 64  # cells that a figure's steps are reckoned from, at the least
WAY = 1.8  # least steps a cell of the way through a figure: growth goes about 0.8 cells a step
FIGURE_SPEC = {
    "perception": "learned+dilated", "hidden": 128, "layers": 2, "residual": False, "clamp": "none"
}  # fmt: skip
MUTATION = 0.25  # share of the pool's states that are to become another target, where there are several
POOL = 32  # states: few enough that batches of one come back to each of them
DISTILL_SPEC = {
    "perception": "sobel", "hidden": 128, "layers": 2, "residual": False, "gated": False, "clamp": "none"
}  # fmt: skip


def steps_for(res: int) -> tuple[int, int]:
    """Steps that a pattern of this size is given to grow: 48–96, and more on larger grids.

    A pattern comes in from the edges by about 0.9 cells a step (docs/notes/2026-11-23-models.md): half a
    side's steps are the least that bring it to the centre.
    """
    return max(48, res // 2), max(96, res * 3 // 4)


def sizes_for(res: int) -> list[int]:
    """Cells along a side of each phase of the quick preset, from a quarter of the full size on.

    What is learned at one size is nearly right at one an eighth larger, so that the pattern is stretched and
    not learned again, as it would be at twice the size (docs/notes/2026-11-22-training.md).
    """
    first = min(res, max(SMALLEST_PHASE, res // 4))
    count = math.ceil(math.log(res / first, LARGER))
    return [round(first * (res / first) ** (number / max(1, count))) for number in range(count + 1)]


def phase(res: int, epochs: int) -> dict[str, Any]:
    """The fields of a phase of the quick preset.

    A batch is one state, from the seed and from the pool in turn: a gradient that is divided by its norm
    gains little from more of them, and several times as many epochs fit into the time. It goes back from each
    comparison through a quarter of the side, but not past the comparison before: fewer steps do not see how
    the pattern comes in from the edges (docs/notes/2026-11-22-training.md).
    """
    steps, truncate = list(steps_for(res)), max(LEAST_TRUNCATE, res // 4)
    return {"res": res, "epochs": epochs, "batch": 1, "steps": steps, "truncate": truncate}


def quick(res: int) -> dict[str, Any]:
    """A small grid first, then larger and larger ones, and many batches of one."""
    sizes = sizes_for(res)
    epochs = [LEARNING] + [STRETCHING] * (len(sizes) - 1)
    for number in {*range(DOUBLING, len(sizes) - DOUBLING // 2, DOUBLING), len(sizes) - 1}:
        # What stretching has left undone.
        epochs[number] += round(REFINING * min(1, REFINED / sizes[number]))
    return {
        "phases": [phase(*entry) for entry in zip(sizes, epochs, strict=True)],
        "pool": {"size": POOL},
        "optimiser": {"learning_rate": 6e-3, "average": 0.99},
        "patience": PATIENCE,
    }


def figure_phase(target: Target | Several, epochs: int) -> dict[str, Any]:
    """The fields of a figure's phase of the quick preset, or of several figures'.

    A batch is one state, of which the gradient goes back through all steps. From the seed it takes as many
    steps as the grid has cells along a side, or half as many again, and more where the way through the figure
    is long, as it is around a ring; from the pool, where all that is asked is to last and to become finer,
    far fewer, so that more epochs fit into the time (docs/notes/2026-11-26-figures.md).
    """
    alphas = [one.pixels[3] for one in drawn_of(target)]
    res = len(alphas[0])
    row, column = int(target.seed[1] * res), int(target.seed[0] * res)
    way = max(farthest(alpha > ALIVE, row, column) for alpha in alphas)
    least, again = max(LEAST_SIDE, res, math.ceil(WAY * way)), max(LEAST_AGAIN, res)
    return {
        "res": res,
        "epochs": epochs,
        "batch": 1,
        "turns": 2,
        "steps": [least, least * 3 // 2],
        "again": [again * 3 // 8, again * 3 // 4],
    }


def quick_figure(target: Target | Several) -> dict[str, Any]:
    """One size, as a figure does not fill the grid: stretched, it would have to be learned anew."""
    return {
        "phases": [figure_phase(target, FIGURE)],
        "spec": FIGURE_SPEC,
        "loss": {"stability": 0.0, "bound": 1.0},
        "pool": {
            "size": 32,
            "rivals": 16,
            "newcomer": 4,
            "damage_of": 4,
            "damage_every": 2,
            "damage_radii": [0.1, 0.65],
            "damage_widens": 0.4,
        },
        "optimiser": {"average": 0.99, "warm_up": 0.05},
        "hold": 0,
        "patience": PATIENCE,
    }


def quick_painted(target: Target, pixels: int) -> dict[str, Any]:
    """A figure that a decoder paints: as a figure, but by what is painted (docs/notes/2026-11-26-decoder.md).

    Raises:
        BadRequest: the target is none.
    """
    if not target.transparent:
        raise BadRequest(
            f"--pixels is for figures, pictures with transparency around them: {target.name} fills its plane"
        )
    fields = quick_figure(target)
    return {
        **fields,
        "phases": [figure_phase(target, PAINTED)],
        "spec": {**fields["spec"], "decoder": {"kind": "lppn"}},
        "loss": {"pixels": pixels},
    }


def quick_for(target: Target | Several) -> dict[str, Any]:
    """The quick preset's fields for a figure or a plane, or for several of one kind."""
    if target.transparent:
        return quick_figure(target)
    return quick(drawn_of(target)[0].pixels.shape[-1])


def drawn_of(target: Target | Several) -> tuple[Target, ...]:
    """Each of several targets, or the one."""
    return target.drawn if isinstance(target, Several) else (target,)


def for_several(fields: dict[str, Any], count: int) -> dict[str, Any]:
    """A preset's fields for several targets: as many epochs and as much of a pool for each as for one."""
    pool = {"size": PoolUse.size, "mutation": MUTATION, **fields["pool"]}
    for name in ("size", "rivals"):
        if name in pool:
            pool[name] *= count
    phases = [{**phase, "epochs": phase["epochs"] * count} for phase in fields["phases"]]
    return {**fields, "phases": phases, "pool": pool}


def report(res: int) -> dict[str, Any]:
    """The report's; for another size than 256² its phases shrink or grow with it."""
    sizes = [max(16, res // 4), max(16, res // 2), res]
    plan = zip(sizes, (500, 500, 1000), (8, 4, 2), strict=True)
    return {
        "phases": [
            {"res": size, "epochs": epochs, "batch": batch, "steps": [48, 96], "truncate": 16}
            for size, epochs, batch in plan
        ],
        "loss": {"scales": [1, 2, 4, 8], "perceptual": 0.1},
        "pool": {"priority": 1.0},
        "checkpoint": 16,
    }


def distill(res: int) -> dict[str, Any]:
    """The canonical experiment; it was on 72×72 cells."""
    return {
        "phases": [{"res": res, "epochs": 8000, "batch": 8, "steps": [64, 95]}],
        "spec": DISTILL_SPEC,
        "loss": {"stability": 0.0, "overflow": 0.0},
        "pool": {"size": 1024, "damage": 3, "half_planes": False},
        "optimiser": {"schedule": "drop", "warm_up": 0.0},
        "hold": 0,
    }


MAKERS = {"quick": quick, "report": report, "distill": distill}
MANY = "many"  # the task of several targets
PAINT = "paint"  # and that of a decoder
PIXELS = 512  # that a decoder paints, if a recipe names none
RES = {"quick": 64, "report": 256, "distill": 72}  # if the user names none


def make_recipe(
    target: Target | Several,
    asked: str,
    *,
    preset: str = "quick",
    res: int,
    file: dict[str, Any] | None = None,
    settings: list[str] | tuple[str, ...] = (),
    architecture: dict[str, Any] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    pixels: int | None = None,
) -> Recipe:
    """The recipe for a target, or for several.

    Args:
        target: decides whether there is a living mask and where the seed lies; of several, how many fixed
            planes there are.
        asked: the target as the user gave it; of several, what they are called together.
        preset: what it starts from.
        res: cells along a side in the end.
        file: fields of a recipe file, over the preset's; its phases replace all.
        settings: single values over those, such as `loss.perceptual=0.1`, `phases.batch=4` (of every phase)
            or `phases.2.batch=4` (of the second).
        architecture: Spec fields over those.
        epochs: in all, shared out over the phases as they were.
        seed: of everything random.
        pixels: along a side of what a decoder paints; None for no decoder, unless the file has one.

    Raises:
        BadRequest: a field unknown, a value out of range or two that contradict each other.
    """
    checks.choice("preset", preset, tuple(PRESETS))
    asked = targets.written(asked)
    count = len(drawn_of(target))
    fields, painted = _named(target, asked), painted_by(pixels, file, PAINT)
    if painted:
        fields["task"] = PAINT
    spec = {"living": target.transparent, "seed": list(target.seed)}
    known = catalogue.reports_architecture if preset == "report" else catalogue.architecture
    fields["spec"] = plain(Spec().to_fields() | {"fire_rate": None})
    merge(fields, {"spec": {**known(asked), **spec}})
    if painted:
        if count > 1 or preset != "quick":
            raise BadRequest("--pixels is for one target and the preset quick")
        made = quick_painted(drawn_of(target)[0], painted)
    else:
        made = quick_for(target) if preset == "quick" else MAKERS[preset](res)
    merge(fields, for_several(made, count) if count > 1 else made)
    merge(fields, {**_without_target(copy.deepcopy(file or {}), fields), **_named(target, asked)})
    if count > 1:
        merge(fields, {"spec": {"fixed": count}})
    if pixels is not None:
        merge(fields, {"task": PAINT, "loss": {"pixels": pixels}})
    return over(fields, settings=settings, architecture=architecture or {}, epochs=epochs, seed=seed)


def over(
    fields: dict[str, Any],
    *,
    settings: list[str] | tuple[str, ...],
    architecture: dict[str, Any],
    epochs: int | None,
    seed: int | None,
) -> Recipe:
    """A recipe of fields, with what the command line says over them; see `make_recipe`."""
    for setting in settings:
        _set(fields, setting)
    if not isinstance(fields["spec"], dict):
        raise BadRequest(f"the recipe's spec must be a table, got {fields['spec']!r}")
    chosen = architecture
    if chosen.get("residual") and "layers" not in chosen:
        chosen = {**chosen, "layers": 3}  # the least that has it
    if chosen.get("layers") == 2 and "residual" not in chosen:
        chosen = {
            **chosen,
            "residual": False,
        }  # the catalogue's needs three layers
    if chosen.get("gated"):
        chosen = {**chosen, "fire_rate": "none"}
    merge(fields, {"spec": chosen})
    if seed is not None:
        fields["seed"] = seed
    recipe = Recipe.from_fields(fields)
    if epochs is None:
        return recipe
    return Recipe.from_fields({**fields, "phases": share_out(fields["phases"], epochs)})


def painted_by(pixels: int | None, file: dict[str, Any] | None, task: str) -> int:
    """Pixels along a side of what a decoder paints, as asked for or in a recipe file; 0: there is none.

    Args:
        task: that the file has if it paints.
    """
    if pixels is not None or file is None or file.get("task") != task:
        return pixels or 0
    loss = file.get("loss")
    there = loss.get("pixels") if isinstance(loss, dict) else None
    return there if isinstance(there, int) and there > 0 else PIXELS


def _named(target: Target | Several, asked: str) -> dict[str, Any]:
    """The fields that say what is to be grown."""
    named: dict[str, Any] = {"target": asked, "name": target.name}
    if isinstance(target, Several):
        named |= {"targets": list(target.asked), "task": MANY}
    return named


def _without_target(file: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A recipe file's fields without what belongs to a target of its own, if the command names another."""
    theirs, ours = (table.get("targets") or table.get("target") for table in (file, fields))
    if theirs not in (None, ours) and isinstance(file.get("spec"), dict):
        file["spec"] = full(file["spec"])
        for name in ("living", "start"):
            file["spec"].pop(name, None)
    return for_as_many(file, len(fields.get("targets") or [theirs]))


def for_as_many(file: dict[str, Any], count: int) -> dict[str, Any]:
    """A recipe file's fields for another number of targets: as many epochs and as much of a pool for each.

    Nothing changes where the file names no target.
    """
    there = file.get("targets")
    before = len(there) if isinstance(there, list) and there else 1
    if count == before or not (there or file.get("target")):
        return file
    phases = file.get("phases")
    counts = [(phase, "epochs") for phase in (phases if isinstance(phases, list) else ())]
    for table, name in (*counts, (file.get("pool"), "size"), (file.get("pool"), "rivals")):
        if isinstance(table, dict) and type(table.get(name)) is int:
            table[name] = round(table[name] * count / before)
    if 1 in (count, before):
        for place, name in ((file, "task"), (file, "targets"), (file.get("spec"), "fixed"),
                            (file.get("pool"), "mutation")):  # fmt: skip
            if isinstance(place, dict):
                place.pop(name, None)
    return file


def merge(fields: dict[str, Any], over: dict[str, Any]) -> None:
    """Put values over values, table by table; a table of another kind takes the place of the whole table."""
    for name, value in over.items():
        if name == "spec" and isinstance(value, dict):
            value = full(value)
        there = fields.get(name)
        if (
            isinstance(value, dict)
            and isinstance(there, dict)
            and value.get("kind", there.get("kind")) == (there.get("kind"))
        ):
            merge(there, value)
        else:
            fields[name] = copy.deepcopy(value)


def _set(fields: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path.strip():
        raise BadRequest(f"--set must be FIELD=VALUE, such as loss.perceptual=0.1, got {setting!r}")
    try:
        value = parse(f"value = {text}")["value"]
    except BadRequest:
        value = text.strip()  # a word without quotes
    *tables, last = path.strip().split(".")
    if path.strip() in ("target", "targets", "name"):
        raise BadRequest(f"--set {path}: the target is the command's own argument")
    places: list[Any] = [fields]
    for name in tables:
        places = [inner for place in places for inner in _inside(place, name, path)]
    for place in places:
        for table in place if isinstance(place, list) else [place]:
            if not isinstance(table, dict):
                raise BadRequest(f"--set {path}: {last!r} is not in a table")
            if last == "kind" and table.get(last) != value:
                table.clear()  # its fields are another kind's
            table[last] = value
    if tables and tables[0] == "spec":
        fields["spec"] = full(fields["spec"])


def _inside(place: Any, name: str, path: str) -> list[Any]:
    if isinstance(place, list) and name.isdecimal():
        if not 1 <= int(name) <= len(place):
            raise BadRequest(f"--set {path}: there are {len(place)} phases, counted from 1")
        return [place[int(name) - 1]]
    if not isinstance(place, dict):
        raise BadRequest(f"--set {path}: there is no table {name!r}")
    return [place.setdefault(name, {})]


def share_out(phases: list[dict[str, Any]], epochs: int) -> list[dict[str, Any]]:
    """The phases with so many epochs in all, shared out as theirs are; each keeps one at least.

    If there are fewer epochs than phases, the phases of the largest grids remain.
    """
    checks.whole("epochs", epochs, 1, 10_000_000)
    phases = phases[-epochs:]
    whole, ends, done = sum(entry["epochs"] for entry in phases), [0], 0
    for left, entry in zip(range(len(phases) - 1, -1, -1), phases, strict=True):
        done += entry["epochs"]
        ends.append(min(max(round(epochs * done / whole), ends[-1] + 1), epochs - left))
    return [
        {**entry, "epochs": end - begin} for entry, (begin, end) in zip(phases, pairwise(ends), strict=True)
    ]

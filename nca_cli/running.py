"""A training run on the screen: begun, gone on with, watched, and what it has come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from petri.errors import BadRequest
from petri.wording import percent, quoted

if TYPE_CHECKING:
    import torch

    from petri.evaluation.standing import Standing
    from petri.modelfile import Model
    from petri.tasks.woven import Likeness
    from petri.training.loop import Result
    from petri.training.ranks import Ranks
    from petri.training.recipe import Recipe
    from petri.training.runs import Run
    from petri.training.trainer import Trainer


def start_run(
    recipe: Recipe,
    notes: tuple[str, ...],
    device: str,
    engine: str,
    out: Path,
    name: str | None,
    tensorboard: bool = False,
    *,
    model: Model | None = None,
    ground: str = "auto",
) -> None:
    """Train by a recipe in a new run folder, and show it.

    Raises:
        typer.Exit: with 1 if a figure does not stand in the end, with 130 after Ctrl-C.
    """
    from petri.training import loop

    chosen, ranks, more = _prepare(device, engine, tensorboard)
    how = {"engine": engine, "ranks": ranks}
    run = None
    try:
        with _together(ranks, chosen), _compiling(chosen, engine):
            if ranks.leads:
                run, trainer = loop.start(recipe, out, name, chosen, model=model, ground=ground, **how)
            else:
                trainer = loop.make_trainer(recipe, chosen, model=model, **how)
    except BadRequest:
        if run:
            run.discard()
        raise
    if run:
        _watch(run, trainer, 0.0, notes + more, tensorboard)
    else:
        _follow(trainer)


def _compiling(device: torch.device, engine: str) -> AbstractContextManager[object]:
    """Say what a GPU may keep one waiting for, before the first rollout of a Spec."""
    from petri.console import out

    if device.type != "cuda" or engine not in ("auto", "triton"):
        return nullcontext()
    return out.status("compiling the fused step for this GPU, once")


@contextmanager
def _together(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Begin only if all processes can: one that cannot says why, if it leads, and the others end too."""
    ready = False
    try:
        yield
        ready = True
    finally:
        others_fail = ranks.any(not ready, device) and ready
    if others_fail:
        raise BadRequest("another process could not begin")


def resume_run(
    folder: Path,
    device: str,
    engine: str = "auto",
    tensorboard: bool = False,
    *,
    more: int | None = None,
    start: str | None = None,
) -> None:
    """Go on with a run, for some epochs more than its recipe has if so many are given, and show it.

    A run that was killed before its first checkpoint starts from the model `start`, if its recipe says so.
    """
    from petri import checks, modelfile, models
    from petri.training import loop

    if more is not None:
        checks.whole("epochs", more, 1, 10_000_000)
    chosen, ranks, notes = _prepare(device, engine, tensorboard)
    if more is not None and ranks.size > 1:
        raise BadRequest("--epochs makes a run longer: do that in one process, without torchrun")
    model = None if start is None else modelfile.read(models.find(start))
    how: dict[str, Any] = {"lock": ranks.leads, "model": model, "engine": engine, "ranks": ranks}
    with _together(ranks, chosen), _compiling(chosen, engine):
        run, trainer, seconds = loop.resume(folder, chosen, more=more or 0, **how)
    if ranks.leads:
        _watch(run, trainer, seconds, (f"resumed at epoch {trainer.epoch}", *notes), tensorboard)
    else:
        _follow(trainer)


def _follow(trainer: Trainer) -> None:
    """Work for the process that leads, and say nothing."""
    from petri.console import Stopping, interruptible
    from petri.training import loop

    stopping = Stopping()
    with interruptible(stopping):
        loop.follow(trainer, lambda: stopping.stopping)


def _prepare(device: str, engine: str, tensorboard: bool) -> tuple[torch.device, Ranks, tuple[str, ...]]:
    """Choose the device, meet the other processes if there are, and have the native step compiled.

    The notes say why it cannot be, if it cannot.
    """
    from petri import checks, devices
    from petri.console import out
    from petri.engine import ENGINES, native_status
    from petri.training.ranks import join

    checks.choice("engine", engine, ENGINES)
    if tensorboard:
        from petri.training.tensorboard import check

        check()
    chosen, ranks = devices.choose(device), None
    notes: tuple[str, ...] = ()
    if chosen.type == "cpu" and engine in ("auto", "native"):
        with out.status("compiling the native step for this machine, once"):
            native, status = native_status()
        if not native and engine == "native":
            raise BadRequest(f"the native engine cannot be had: {status}")
        notes = () if native else (f"by PyTorch alone, several times slower: {status}",)
    ranks, chosen = join(chosen)
    if ranks.size > 1:
        notes = (f"{ranks.size} processes share every batch", *notes)
    return chosen, ranks, notes


def say_plan(recipe: Recipe, notes: tuple[str, ...], device: str, engine: str) -> None:
    """Measure a few epochs and print what a run would take; nothing is written."""
    from petri.console import duration, out, table
    from petri.memory import installed
    from petri.training.memory import check
    from petri.training.plan import plan

    chosen, _, more = _prepare(device, engine, tensorboard=False)
    with _compiling(chosen, engine):
        check(recipe, chosen, engine=engine)
    with out.status("measuring a few short epochs"):
        planned = plan(recipe, chosen, engine=engine)
    _introduce(recipe, chosen.type, notes + more)
    shown = table("phase", "cells", "epochs", "batch", "steps", "back", "pool", "time")
    for number, part in enumerate(planned.phases, 1):
        phase = part.phase
        shown.add_row(
            str(number), f"{phase.res}×{phase.res}", f"{phase.epochs:,}", str(phase.batch),
            f"{phase.steps[0]}–{phase.steps[1]} + {recipe.hold}", str(phase.truncate or "all"),
            str(recipe.pool_size(phase)), duration(part.seconds),
        )  # fmt: skip
    out.print(shown)
    card = installed(chosen) if chosen.type == "cuda" else None
    of = f", of the {card / 1e9:.0f} that the GPU has" if card else ""
    out.print(
        f"about {duration(planned.seconds)} and {planned.memory / 1e9:.1f} GB of memory at the most{of}; "
        "nothing was written",
        soft_wrap=True,
    )


def _introduce(recipe: Recipe, device: str, notes: tuple[str, ...]) -> None:
    from petri.console import out

    out.say(
        (recipe.name, "bold"),
        f" · {_sized(recipe)} · {_painted(recipe)}{recipe.spec.describe()} · "
        f"{recipe.spec.parameters:,} parameters · {device}",
    )
    for note in notes:
        out.say((note, "dim"))


def _sized(recipe: Recipe) -> str:
    if recipe.spec.space.on_graph:
        return f"{recipe.res:,} vertices"
    return f"{recipe.res}×{recipe.res} cells"


def _painted(recipe: Recipe) -> str:
    pixels = getattr(recipe.loss, "pixels", None)
    return f"{pixels}×{pixels} pixels · " if pixels else ""


def _watch(run: Run, trainer: Trainer, seconds: float, notes: tuple[str, ...], tensorboard: bool) -> None:
    from petri.console import GrowDisplay, interruptible, out
    from petri.training import loop

    recipe = run.recipe
    _introduce(recipe, trainer.device.type, (*notes, *_why_slow(trainer)))
    display = GrowDisplay(f"{DOING[recipe.task]} {recipe.name}", trainer.task.goal())
    try:
        with ExitStack() as stack:
            record: Callable[[tuple[float, ...]], None] = loop.unrecorded
            if tensorboard:
                from petri.training.tensorboard import recorder

                record = stack.enter_context(recorder(run.path("tensorboard"), run.columns, trainer.epoch))
            stack.enter_context(interruptible(display))
            stack.enter_context(display)
            result = loop.train(
                run, trainer, display, seconds=seconds, stop=lambda: display.stopping, record=record
            )
    except KeyboardInterrupt:
        out.say(f"stopped at once; go on from the last checkpoint:  {_resume(recipe, run.folder)}")
        raise
    _conclude(recipe, result)
    if not result.finished:
        raise typer.Exit(130)
    if not result.outcome.stands:
        raise typer.Exit(1)


def _why_slow(trainer: Trainer) -> tuple[str, ...]:
    """A note if the fast step for this device is here but does not take the recipe's Spec."""
    from petri.engine import left_to_pytorch, native_status

    device = trainer.device
    if trainer.engine != "auto" or (device.type == "cpu" and not native_status()[0]):  # it was said before
        return ()
    reason = left_to_pytorch(trainer.recipe.spec, device)
    than = "several times slower than the native step" if device.type == "cpu" else "not by the fused step"
    return (f"by PyTorch alone, {than}: {reason}",) * bool(reason)


def _resume(recipe: Recipe, folder: Path) -> str:
    """The command that goes on with a run."""
    return f"petri {VERBS[DOING[recipe.task]]} --resume {quoted(folder)}"


def _conclude(recipe: Recipe, result: Result) -> None:
    from petri.console import duration, grid, out

    outcome = result.outcome
    done = DONE[DOING[recipe.task]][outcome.stands]
    if not result.finished:
        done = f"stopped at epoch {result.epochs:,} of {recipe.epochs:,}"
        if result.res < recipe.res:
            done += f", on {result.res}×{result.res} cells"
    out.say("\n", (f"{recipe.name} {done}", "bold"), f" in {duration(result.seconds)}")
    trouble = SAY[recipe.task](recipe, result)
    if result.finished and trouble:
        more = max(1000, recipe.epochs // 2)
        out.say(
            (trouble, "yellow" if outcome.stands else "red"),
            f" train it further by  {_resume(recipe, result.folder)} --epochs {more}, "
            "or anew with another --seed",
        )
    out.say("\n", (f"{result.folder}/", "bold"))
    said_of = {
        "model.safetensors": "the model",
        "grown.png": "what it grows",
        "growth.webp": "the same, from the seed on",
        "changes.webp": "how each becomes the next",
        "target.png": "what it was to grow",
        "coloured.ply": "the mesh as it colours it",
        "coloured.glb": "the same, for web pages and viewers",
        "turntable.webp": "the same, from all sides",
        "worn.ply": "the mesh in what it weaves",
        "worn.glb": "the same, for web pages and viewers",
        "worn.png": "four sides of it",
        "baked.png": "the same as the picture that the mesh's uv map asks for",
        "tile.png": "what it weaves, without a seam",
        "sizes.png": "the same on larger grids",
        "weaving.webp": "the same, from noise on",
        "exemplar.png": "what it was to be like",
        "confusion.png": "which class is taken for which",
        "votes.webp": "test pictures, coloured by their cells' votes",
        "loss.png": "the loss over the epochs",
        "metrics.csv": "all losses",
        "recipe.toml": "how it was trained",
    }
    said_of |= {file: "a map of it" for file in result.files if file.startswith("maps/")}
    said_of["maps/lit.png"] = "the surface under a light"
    said_of |= {file: "what it weaves of each" for file in result.files if file.startswith("tile-")}
    out.print(grid(*[(f"  {file}", said_of[file]) for file in result.files]))
    if result.finished and recipe.spec.space.on_graph:
        out.say(f"\nTurn it and wound it, alive:  petri view {quoted(result.folder)}")
    elif result.finished:
        data = getattr(recipe.loss, "data", "")  # the model's file does not say where that lies
        where = f" --data-dir {quoted(data)}" if data else ""
        out.say(f"\n{NEXT.get(recipe.task, 'Watch it grow:  petri play')} {quoted(result.folder)}{where}")
    else:
        out.say(f"\nGo on:  {_resume(recipe, result.folder)}")


def _say_grown(recipe: Recipe, result: Result) -> str:
    """Print what a picture has come to; what is wrong with it, if anything is."""
    from petri.console import grid, out
    from petri.tasks.catalogue import reports_loss
    from petri.tasks.grown import Grown

    grown = result.outcome
    assert isinstance(grown, Grown), "what this command trains for is a picture"
    loss = grown.loss
    said = f"{loss.loss:.4f}"
    if (theirs := reports_loss(recipe.target, result.res)) is not None:
        said += f" (the report, at 256²: {theirs:.3f})"
    rows = [
        ("loss from the seed", f"{said}, the less the better"),
        (f"after {loss.steps} steps", f"{loss.pattern:.4f} mean squared error"),
    ]
    for step, look in grown.looks.items():
        words = [look.describe()]
        if step == loss.steps + loss.hold:
            words.insert(0, f"{loss.stability:.4f}")
        if recipe.spec.living:
            words.append(f"{look.standing} of {look.seeds} stand")
        rows.append((f"after {step:,} steps", " · ".join(words)))
    if grown.enlarged is not None:
        rows.append(("without a decoder", f"{grown.enlarged:.1f} dB by perfect cells, enlarged bilinearly"))
    out.print(grid(*rows))
    return _trouble(grown.stands, [list(grown.looks.values())])


def _say_changed(recipe: Recipe, result: Result) -> str:
    """Print what each of several pictures has come to; what is wrong with them, if anything is."""
    from petri.console import out, table
    from petri.tasks.changed import Changed

    outcome = result.outcome
    assert isinstance(outcome, Changed), "what this command trains for are several pictures"
    moments = list(next(iter(outcome.each.values()))[1])
    shown = table("", "loss", *(f"after {step:,}, worst" for step in moments))
    for label, (loss, looks) in outcome.each.items():
        cells = []
        for look in looks.values():
            stands = f", {look.standing} of {look.seeds} stand" * recipe.spec.living
            cells.append(f"{look.median:.1f}, {look.worst:.1f} dB{stands}")
        shown.add_row(label, f"{loss.loss:.4f}", *cells)
    out.print(shown)
    return _trouble(outcome.stands, [list(looks.values()) for _, looks in outcome.each.values()])


def _trouble(stands: bool, each: list[list[Standing]]) -> str:
    """What is wrong with what each target has come to, at several moments; empty if nothing is."""
    if not stands:
        fallen = sum(max(look.seeds - look.standing for look in looks) for looks in each)
        seeds = sum(looks[0].seeds for looks in each)
        return f"{fallen} of {seeds} rollouts did not grow or did not last:"
    least = min((look for looks in each for look in looks), key=lambda look: look.median)
    return "" if least.is_fair else f"what has grown is {least.likeness}:"


def say_likeness(each: Mapping[str, Likeness | None]) -> None:
    """Print how far textures lie from their exemplars; None where no view of a mesh is flat enough to say."""
    from petri.console import out, table

    shown = table("", "style distance", "floor", "ceiling", "of the way")
    for name, found in each.items():
        if found is None:
            shown.add_row(name, "no view of it is flat enough")
            continue
        figures = (f"{figure:.4f}" for figure in (found.distance, found.floor, found.ceiling))
        shown.add_row(name, *figures, percent(found.way) or "there is none")
    out.print(shown)
    steps = next(found.steps for found in each.values() if found is not None)
    out.print(
        f"after {steps} steps, in layers that it was not trained by; floor: more of the same picture, "
        "ceiling: its pixels in random order",
        style="dim",
    )


def _say_woven(recipe: Recipe, result: Result) -> str:
    """Print what a texture has come to; what is wrong if it is none."""
    from petri.tasks.woven import Woven

    woven = result.outcome
    assert isinstance(woven, Woven), "what this command trains for is a texture"
    say_likeness(woven.each)
    return "" if woven.stands else "it has not become the texture:"


def _say_classified(recipe: Recipe, result: Result) -> str:
    """Print how well test pictures are classified; what is wrong if they are not."""
    from nca_cli.evaluate_classes import readings
    from petri.console import out
    from petri.tasks.classified import Classified

    classified = result.outcome
    assert isinstance(classified, Classified), "what this command trains for are classes"
    found = classified.found
    out.print(readings(found.readings))
    said = f"{found.pictures:,} test pictures"
    if found.swap is not None:
        said += (
            f"; changed for another after {found.swap.steps} steps, {100 * found.swap.after:.2f} % are "
            "recognised after as many again"
        )
    out.print(said, style="dim", soft_wrap=True)
    return "" if classified.stands else "it does not recognise half of the test pictures:"


def _say_worn(recipe: Recipe, result: Result) -> str:
    """Print what a texture has come to on the sphere and on a mesh; what is wrong if it is none."""
    from petri.tasks.wear import Worn

    outcome = result.outcome
    assert isinstance(outcome, Worn), "what this command trains for is a texture of meshes"
    say_likeness(outcome.each)
    return "" if outcome.stands else "it has not become the texture:"


def _say_coated(recipe: Recipe, result: Result) -> str:
    """Print what a coloured mesh has come to; what is wrong if it is not."""
    from petri.console import grid, out
    from petri.tasks.surface import LATE, Coated

    coated = result.outcome
    assert isinstance(coated, Coated), "what this command trains for is a mesh"
    steps = coated.steps
    out.print(
        grid(
            (f"after {steps} steps", f"{coated.grown:.4f} mean squared error of the colours"),
            (f"after {LATE * steps:,} steps", f"{coated.late:.4f}"),
            ("a quarter of it emptied", f"{coated.hurt:.4f}"),
            (f"and {steps} steps later", f"{coated.healed:.4f}, {percent(coated.regained)} regained"),
            ("one colour everywhere", f"{coated.plain:.4f}"),
        )
    )
    return "" if coated.stands else "it has not come to its colours, or has not kept them:"


# What a run says of itself, by its task.
DOING = {
    "grow": "growing", "many": "growing", "paint": "growing", "texture": "weaving", "textures": "weaving",
    "material": "weaving", "classify": "classifying", "surface": "colouring", "wear": "dressing",
    "glaze": "dressing",
}  # fmt: skip
VERBS = {
    "growing": "grow", "weaving": "texture", "classifying": "classify", "colouring": "mesh grow",
    "dressing": "mesh texture",
}  # fmt: skip
DONE = {
    "growing": ("has not grown", "grown"),
    "weaving": ("has not become a texture", "woven"),
    "classifying": ("has not become a classifier", "learned"),
    "colouring": ("has not come to its colours", "coloured"),
    "dressing": ("has not become a texture", "woven"),
}
NEXT = {"classify": "Test it on all test pictures:  petri evaluate"}
SAY: dict[str, Callable[[Recipe, Result], str]] = {
    "grow": _say_grown,
    "many": _say_changed,
    "paint": _say_grown,
    "surface": _say_coated,
    "texture": _say_woven,
    "textures": _say_woven,
    "material": _say_woven,
    "wear": _say_worn,
    "glaze": _say_worn,
    "classify": _say_classified,
}

"""petri grow: train an automaton that grows a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli.completion import complete_model, complete_target
from petri.errors import BadRequest
from petri.wording import quoted

if TYPE_CHECKING:
    import torch

    from petri.growth.grow import Result
    from petri.growth.ranks import Ranks
    from petri.growth.recipe import Recipe
    from petri.growth.trainer import Trainer
    from petri.modelfile import Model
    from petri.runs import Run
    from petri.search.study import Study


def grow(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            help="A pattern (see `petri targets`), an image file, emoji:🦎, text:Hi or a .glsl shader.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(help="The second at which a shader that moves is grown; else 0.", show_default=False),
    ] = None,
    res: Annotated[
        int | None,
        typer.Option(
            help="Cells along a side: as the recipe file says, or 64 (preset report: 256, distill: 72).",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Optimiser steps, of all phases together; with --resume, so many more.", show_default=False
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.", show_default=False)] = None,
    perception: Annotated[
        str | None,
        typer.Option(
            help="What a cell senses, such as learned+dilated or conv3+conv5d2.", show_default=False
        ),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(help="Width of the hidden layers, a multiple of 16.", show_default=False)
    ] = None,
    layers: Annotated[int | None, typer.Option(help="2 or 3.", show_default=False)] = None,
    residual: Annotated[
        bool | None, typer.Option(help="Add hidden layer 1 to hidden layer 2.", show_default=False)
    ] = None,
    gated: Annotated[
        bool | None, typer.Option(help="Each cell decides whether it fires.", show_default=False)
    ] = None,
    preset: Annotated[
        str, typer.Option(help="The recipe to start from: quick, report or distill.")
    ] = "quick",
    recipe: Annotated[
        Path | None,
        typer.Option(help="A TOML file over the preset, such as a run's recipe.toml.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="FIELD=VALUE over both, such as loss.perceptual=0.1; repeat it.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the run would be.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="auto, native, torch, or compiled (by torch.compile).")
    ] = "auto",
    out: Annotated[Path, typer.Option(help="Folder that holds runs.")] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Of the run's folder; TARGET-RES if left out.", show_default=False)
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            help="Take the architecture that this study of `petri search` found best.", show_default=False
        ),
    ] = None,
    from_model: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Start from the weights of this model: a file, a run's folder or a shipped one.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of that study's database, as for `petri search`.", show_default=False),
    ] = None,
    ground: Annotated[
        str,
        typer.Option(help="What pictures show a figure on: auto, white, black, #rrggbb or transparent."),
    ] = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard into the run's folder.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run, from its last checkpoint.", show_default=False)
    ] = None,
) -> None:
    """Train an automaton that grows TARGET.

    It grows from a single cell and then holds. Leaves a run folder: the model, pictures of it, its recipe,
    its metrics and a checkpoint.
    """
    if resume is not None:
        allow_only(
            context,
            ("resume", "epochs", "from_model", "device", "engine", "tensorboard"),
            "--resume goes on with the run's own recipe",
        )
        resume_run(resume, device, engine, tensorboard, more=epochs, start=from_model)
        return

    from petri import ground as grounds
    from petri import targets

    ground = grounds.check(ground)
    fields = _read(recipe) if recipe is not None else {}
    if storage is not None and from_study is None:
        raise BadRequest("--storage is where the study of --from-study is: give both")
    study = _open(from_study, storage, context) if from_study is not None else None
    target = target or fields.get("target") or (study and study.recipe.target)
    if not isinstance(target, str):
        raise BadRequest("say what to grow: petri grow TARGET (petri targets lists the patterns)")
    if time is not None:
        target = targets.at_time(target, time)
    if res is not None and "phases" in fields:
        raise BadRequest(f"--res contradicts the phases in {recipe}: leave one of them out")
    size = res if res is not None else _last_res(fields, preset)
    drawn = targets.load(target, size)

    # Only now, as torch takes seconds to import: a typing error is found before.
    from petri import modelfile, models
    from petri.growth.presets import make_recipe

    asked = {
        "perception": perception, "hidden": hidden, "layers": layers, "residual": residual, "gated": gated,
    }  # fmt: skip
    model = None
    if from_model is not None:
        if study is not None:
            raise BadRequest("--from and --from-study both decide the architecture: leave one of them out")
        model = modelfile.read(models.find(from_model))
        theirs = model.automaton.spec.to_fields()
        asked = {name: theirs[name] for name in ("channels", "senses", "rule")} | asked
    made = make_recipe(
        drawn,
        target,
        preset=preset,
        res=size,
        file=fields,
        settings=settings or (),
        architecture={field: value for field, value in asked.items() if value is not None},
        epochs=epochs,
        seed=seed,
    )
    notes = drawn.notes
    if study is not None:
        from petri.search.promotion import best_for
        from petri.search.storage import in_use

        with in_use():
            found = best_for(study, drawn.name)
        made = found.configuration.recipe(made, seed=made.seed)
        notes = (
            *notes,
            f"as the study {study.name} found {'best' if found.again else 'best by one training'}",
        )
    if model is not None:
        from petri.growth.grow import starting_from

        made = starting_from(made, model)
        notes = (*notes, f"from the weights of {from_model}")
    grounds.check_figure(ground, made.name, made.spec)
    if dry_run:
        _say_plan(made, notes, device, engine)
    else:
        start_run(made, notes, device, engine, out, name, tensorboard, model=model, ground=ground)


def _read(path: Path) -> dict[str, Any]:
    """The fields of a recipe file."""
    from petri.files import check_plain
    from petri.growth.recipe import parse

    try:
        check_plain(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return parse(text)
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def _open(name: str, storage: str | None, context: typer.Context) -> Study:
    """The study that decides the architecture."""
    from petri.search.storage import LOCAL, connect
    from petri.search.study import Study

    for option in ("perception", "hidden", "layers", "residual", "gated"):
        if _is_given(context, option):
            raise BadRequest(f"--from-study decides the architecture: leave out --{option}")
    return Study(connect(storage or LOCAL, create=False), name)


def _last_res(fields: dict[str, Any], preset: str) -> int:
    """The size of a recipe file's last phase, or the preset's own."""
    from petri.growth.presets import RES

    phases = fields.get("phases")
    last = phases[-1] if isinstance(phases, list) and phases else {}
    return last["res"] if isinstance(last, dict) and "res" in last else RES.get(preset, 64)


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
    from petri.growth import grow as growing

    chosen, ranks, more = _prepare(device, engine, tensorboard)
    how = {"engine": engine, "ranks": ranks}
    run = None
    try:
        with _together(ranks, chosen):
            if ranks.leads:
                run, trainer = growing.start(recipe, out, name, chosen, model=model, ground=ground, **how)
            else:
                trainer = growing.make_trainer(recipe, chosen, model=model, **how)
    except BadRequest:
        if run:
            run.discard()
        raise
    if run:
        _watch(run, trainer, 0.0, notes + more, tensorboard)
    else:
        _follow(trainer)


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
    from petri.growth import grow as growing

    if more is not None:
        checks.whole("epochs", more, 1, 10_000_000)
    chosen, ranks, notes = _prepare(device, engine, tensorboard)
    if more is not None and ranks.size > 1:
        raise BadRequest("--epochs makes a run longer: do that in one process, without torchrun")
    model = None if start is None else modelfile.read(models.find(start))
    how = {"lock": ranks.leads, "model": model, "engine": engine, "ranks": ranks}
    with _together(ranks, chosen):
        run, trainer, seconds = growing.resume(folder, chosen, more=more or 0, **how)
    if ranks.leads:
        _watch(run, trainer, seconds, (f"resumed at epoch {trainer.epoch}", *notes), tensorboard)
    else:
        _follow(trainer)


def _follow(trainer: Trainer) -> None:
    """Work for the process that leads, and say nothing."""
    from petri.console import Stopping, interruptible
    from petri.growth import grow as growing

    stopping = Stopping()
    with interruptible(stopping):
        growing.follow(trainer, lambda: stopping.stopping)


def _prepare(device: str, engine: str, tensorboard: bool) -> tuple[torch.device, Ranks, tuple[str, ...]]:
    """Choose the device, meet the other processes if there are, and have the native step compiled.

    The notes say why it cannot be, if it cannot.
    """
    from petri import checks, devices
    from petri.console import out
    from petri.engine import ENGINES, native_status
    from petri.growth.ranks import join

    checks.choice("engine", engine, ENGINES)
    if tensorboard:
        from petri.growth.tensorboard import check

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


def _say_plan(recipe: Recipe, notes: tuple[str, ...], device: str, engine: str) -> None:
    from petri import memory
    from petri.console import duration, out, table
    from petri.growth.grow import draw_targets
    from petri.growth.plan import plan

    chosen, _, more = _prepare(device, engine, tensorboard=False)
    memory.check(recipe, chosen, engine=engine)
    with out.status("measuring a few short epochs"):
        planned = plan(recipe, draw_targets(recipe), chosen, engine=engine)
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
    out.print(
        f"about {duration(planned.seconds)} and {planned.memory / 1e9:.1f} GB of memory at the most; "
        "nothing was written",
        soft_wrap=True,
    )


def _introduce(recipe: Recipe, device: str, notes: tuple[str, ...]) -> None:
    from petri.console import out

    out.say(
        (recipe.name, "bold"),
        f" · {recipe.res}×{recipe.res} cells · {recipe.spec.describe()} · "
        f"{recipe.spec.parameters:,} parameters · {device}",
    )
    for note in notes:
        out.say((note, "dim"))


def allow_only(context: typer.Context, allowed: tuple[str, ...], reason: str) -> None:
    """Refuse options that would be passed over in silence."""
    given = [name for name in context.params if _is_given(context, name) and name not in allowed]
    if given:
        spoken = {"target": "TARGET", "settings": "--set", "from_model": "--from"}
        names = ", ".join(spoken.get(option, f"--{option.replace('_', '-')}") for option in given)
        raise BadRequest(f"{reason}: leave out {names}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _watch(run: Run, trainer: Trainer, seconds: float, notes: tuple[str, ...], tensorboard: bool) -> None:
    from petri import ground as grounds
    from petri import images
    from petri.console import GrowDisplay, interruptible, out
    from petri.growth import grow as growing

    recipe = run.recipe
    _introduce(recipe, trainer.device.type, notes)
    ground = grounds.opaque(run.ground, trainer.targets[-1])
    display = GrowDisplay(f"growing {recipe.name}", images.picture(trainer.targets[-1], recipe.spec, ground))
    try:
        with ExitStack() as stack:
            record = growing.unrecorded
            if tensorboard:
                from petri.growth.tensorboard import recorder

                record = stack.enter_context(recorder(run.path("tensorboard"), trainer.epoch))
            stack.enter_context(interruptible(display))
            stack.enter_context(display)
            result = growing.train(
                run, trainer, display, seconds=seconds, stop=lambda: display.stopping, record=record
            )
    except KeyboardInterrupt:
        out.say(f"stopped at once; go on from the last checkpoint:  petri grow --resume {quoted(run.folder)}")
        raise
    _conclude(recipe, result)
    if not result.finished:
        raise typer.Exit(130)
    if not result.stands:
        raise typer.Exit(1)


def _conclude(recipe: Recipe, result: Result) -> None:
    from petri.console import duration, grid, out
    from petri.growth.catalogue import reports_loss

    loss = result.loss
    said = f"{loss.loss:.4f}"
    if (theirs := reports_loss(recipe.target, result.res)) is not None:
        said += f" (the report, at 256²: {theirs:.3f})"
    done = "grown" if result.stands else "has not grown"
    if not result.finished:
        done = f"stopped at epoch {result.epochs:,} of {recipe.epochs:,}"
        if result.res < recipe.res:
            done += f", on {result.res}×{result.res} cells"
    out.say("\n", (f"{recipe.name} {done}", "bold"), f" in {duration(result.seconds)}")
    rows = [
        ("loss from the seed", f"{said}, the less the better"),
        (f"after {loss.steps} steps", f"{loss.pattern:.4f} mean squared error"),
    ]
    for step, look in result.looks.items():
        words = [look.describe()]
        if step == loss.steps + loss.hold:
            words.insert(0, f"{loss.stability:.4f}")
        if recipe.spec.living:
            words.append(f"{look.standing} of {look.seeds} stand")
        rows.append((f"after {step:,} steps", " · ".join(words)))
    out.print(grid(*rows))
    if result.finished and not result.stands:
        fallen = max(look.seeds - look.standing for look in result.looks.values())
        more = max(1000, recipe.epochs // 2)
        out.say(
            (f"{fallen} of {look.seeds} rollouts did not grow or did not last:", "red"),
            f" train it further by  petri grow --resume {quoted(result.folder)} --epochs {more}, "
            "or anew with another --seed",
        )
    out.say("\n", (f"{result.folder}/", "bold"))
    said_of = {
        "model.safetensors": "the model",
        "grown.png": "what it grows",
        "growth.webp": "the same, from the seed on",
        "target.png": "what it was to grow",
        "loss.png": "the loss over the epochs",
        "metrics.csv": "all losses",
        "recipe.toml": "how it was trained",
    }
    out.print(grid(*[(f"  {file}", said_of[file]) for file in result.files]))
    if result.finished:
        out.say(f"\nWatch it grow:  petri play {quoted(result.folder)}")
    else:
        out.say(f"\nGo on:  petri grow --resume {quoted(result.folder)}")

"""petri grow: train an automaton that grows a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli.completion import complete_target
from nca_cli.options import (
    Device,
    DryRun,
    Engine,
    Epochs,
    FromModel,
    Ground,
    Hidden,
    Layers,
    Moment,
    Perception,
    RecipeFile,
    Resume,
    Runs,
    Seed,
    Tensorboard,
)
from nca_cli.running import resume_run, say_plan, start_run
from petri.errors import BadRequest

if TYPE_CHECKING:
    from petri.search.study import Study
    from petri.targets import Target
    from petri.targets.several import Several


def grow(
    context: typer.Context,
    target: Annotated[
        list[str] | None,
        typer.Argument(
            help="A pattern's name (see `petri targets`), an image, emoji:🦎, text:Hi or a .glsl shader; "
            "or several, which one rule grows.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    time: Moment = None,
    res: Annotated[
        int | None,
        typer.Option(
            help="Cells along a side; the recipe file's or 64 if left out (preset report: 256, distill: 72).",
            show_default=False,
        ),
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option(
            help="Pixels along a side of the picture that a decoder paints, a multiple of --res.",
            show_default=False,
        ),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = None,
    perception: Perception = None,
    hidden: Hidden = None,
    layers: Layers = None,
    residual: Annotated[
        bool | None,
        typer.Option(
            help="Residual connection between the two hidden layers of a 3-layer rule.", show_default=False
        ),
    ] = None,
    gated: Annotated[
        bool | None,
        typer.Option(help="Gate: each cell decides for itself whether it updates.", show_default=False),
    ] = None,
    preset: Annotated[str, typer.Option(help="Base of the recipe: quick, report or distill.")] = "quick",
    recipe: RecipeFile = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Value that replaces one of the recipe's, such as loss.perceptual=0.1; repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    device: Device = "auto",
    engine: Engine = "auto",
    out: Runs = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder; TARGET-RES if left out.", show_default=False)
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            help="Name of a study of `petri search`, whose best architecture is used.", show_default=False
        ),
    ] = None,
    from_model: FromModel = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database URL of the study, as for `petri search`.", show_default=False),
    ] = None,
    ground: Ground = "auto",
    tensorboard: Tensorboard = False,
    resume: Resume = None,
) -> None:
    """Train an automaton that grows TARGET.

    The pattern grows from a single cell and then holds. The run's folder gets the model, pictures of it, the
    recipe, the metrics and a checkpoint. Of several targets one rule grows any, told which by a condition
    that every cell sees, and changes one into another when that changes. With --pixels a decoder, a small
    network that is trained with the rule, paints the picture from what lies between the cells, at any size.
    """
    if resume is not None:
        allow_only(
            context,
            ("resume", "epochs", "from_model", "device", "engine", "tensorboard"),
            "--resume goes on with the run's own recipe",
        )
        resume_run(resume, device, engine, tensorboard, more=epochs, start=from_model)
        return

    from petri import checks, targets
    from petri import ground as grounds
    from petri.targets import several

    ground = grounds.check(ground)
    fields = read_recipe(recipe) if recipe is not None else {}
    if storage is not None and from_study is None:
        raise BadRequest("--storage is where the study of --from-study is: give both")
    study = _open(from_study, storage, context) if from_study is not None else None
    asked = target or named(fields) or ([study.recipe.target] if study else [])
    if not asked:
        raise BadRequest("say what to grow: petri grow TARGET (petri targets lists the patterns)")
    if len(asked) > 1 and study is not None:
        raise BadRequest("--from-study is for one target: leave it out, or the others")
    if time is not None:
        if len(asked) > 1:
            raise BadRequest("--time is for one target: name each shader's moment, such as waves.glsl@2.5")
        asked = [targets.at_time(asked[0], time)]
    if res is not None and "phases" in fields:
        raise BadRequest(f"--res contradicts the phases in {recipe}: leave one of them out")
    size = res if res is not None else last_res(fields, _res_of(preset))
    drawn = several.load(asked, size) if len(asked) > 1 else targets.load(asked[0], size)
    notes = drawn.notes
    if pixels is not None:
        if len(asked) > 1 or study is not None or preset != "quick":
            raise BadRequest("--pixels is for one target and the preset quick, without --from-study")
        checks.whole("pixels", pixels, targets.SMALLEST, targets.LARGEST)
        targets.check_scale((size, size), (pixels, pixels))
        large = targets.load(asked[0], pixels)
        if (small := large.enlarged_from) is not None:
            notes = (*notes, f"{large.name} is {small} pixels large: enlarged for {pixels}, and no sharper")

    # Only now, as torch takes seconds to import: a typing error is found before.
    from petri import modelfile, models
    from petri.training.presets import make_recipe

    architecture = {
        "perception": perception, "hidden": hidden, "layers": layers, "residual": residual, "gated": gated,
    }  # fmt: skip
    model = None
    if from_model is not None:
        if study is not None:
            raise BadRequest("--from and --from-study both decide the architecture: leave one of them out")
        model = modelfile.read(models.find(from_model))
        if model.spec.decoder is not None and pixels is None:
            raise BadRequest(f"{from_model} has a decoder: say with --pixels how large it is to paint")
        theirs = model.automaton.spec.to_fields()
        architecture = {
            name: theirs[name] for name in ("channels", "senses", "rule", "decoder")
        } | architecture
    made = make_recipe(
        drawn,
        drawn.name if len(asked) > 1 else asked[0],
        preset=preset,
        res=size,
        file=fields,
        settings=settings or (),
        architecture={field: value for field, value in architecture.items() if value is not None},
        epochs=epochs,
        seed=seed,
        pixels=pixels,
    )
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
        from petri.training.loop import starting_from

        made = starting_from(made, model)
        notes = (*notes, f"from the weights of {from_model}", *_taken_over(model.conditions, drawn))
    grounds.check_figure(ground, made.name, made.spec)
    if dry_run:
        say_plan(made, notes, device, engine)
    else:
        start_run(made, notes, device, engine, out, name, tensorboard, model=model, ground=ground)


def _taken_over(conditions: tuple[str, ...], drawn: Target | Several) -> tuple[str, ...]:
    """A note where a target begins with what the model knew of another."""
    pairs = zip(getattr(drawn, "labels", ()), conditions, strict=False)
    others = [f"{now} from {before}" for now, before in pairs if now != before]
    return (f"targets are taken over by their order: {', '.join(others)}",) if others else ()


def read_recipe(path: Path) -> dict[str, Any]:
    """The fields of a recipe file."""
    from petri.files import check_plain
    from petri.training.recipe import parse

    try:
        check_plain(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return parse(text)
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None


def named(fields: dict[str, Any]) -> list[str]:
    """The targets that a recipe file names."""
    several, one = fields.get("targets"), fields.get("target")
    if isinstance(several, list) and several and all(isinstance(name, str) for name in several):
        return several
    return [one] if isinstance(one, str) and one else []


def _open(name: str, storage: str | None, context: typer.Context) -> Study:
    """The study that decides the architecture."""
    from petri.search.storage import LOCAL, connect
    from petri.search.study import Study

    for option in ("perception", "hidden", "layers", "residual", "gated"):
        if _is_given(context, option):
            raise BadRequest(f"--from-study decides the architecture: leave out --{option}")
    return Study(connect(storage or LOCAL, create=False), name)


def _res_of(preset: str) -> int:
    """The size of a preset, if the user names none."""
    from petri.training.presets import RES

    return RES.get(preset, 64)


def last_res(fields: dict[str, Any], preset: int) -> int:
    """The size of a recipe file's last phase, or the preset's own."""
    phases = fields.get("phases")
    last = phases[-1] if isinstance(phases, list) and phases else {}
    return last["res"] if isinstance(last, dict) and "res" in last else preset


def allow_only(context: typer.Context, allowed: tuple[str, ...], reason: str) -> None:
    """Refuse options that would be passed over in silence."""
    given = [name for name in context.params if _is_given(context, name) and name not in allowed]
    if given:
        spoken = {
            "target": "TARGET", "images": "IMAGE", "data": "DATA", "settings": "--set", "from_model": "--from"
        }  # fmt: skip
        names = ", ".join(spoken.get(option, f"--{option.replace('_', '-')}") for option in given)
        raise BadRequest(f"{reason}: leave out {names}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"

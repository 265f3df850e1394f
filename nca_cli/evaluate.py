"""petri evaluate: say how good models are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli.completion import complete_model, complete_target
from nca_cli.figures import columns, decibels, healed
from nca_cli.options import Device
from petri.errors import BadRequest, NotAModel, RunFailed
from petri.files import check_place

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from petri.evaluation import Evaluation, Found
    from petri.evaluation.report import Measure, ReportLoss

SCHEMA = 1  # of the JSON; raised when a reader of the old one would misread the new one


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model files, runs' folders or shipped models' names.", autocompletion=complete_model
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Picture to compare with, or data set of a classifier; the one of the training if left out; "
            "of several, one for each.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    res: Annotated[
        int | None,
        typer.Option(
            help="Cells along a side; as in training if left out.", min=16, max=4096, show_default=False
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Rollouts per measurement, each with its own random seed; 8 if left out, 2 of a texture.",
            min=2,
            max=4096,
            show_default=False,
        ),
    ] = None,
    damage_at: Annotated[
        int | None,
        typer.Option(
            help="Steps after which damage comes, or another target; when it has grown if left out.",
            min=1,
            max=100_000,
            show_default=False,
        ),
    ] = None,
    heal_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps that it is given to heal; 300, or as many as it had to grow in, if left out.",
            min=1,
            max=100_000,
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="PETRI_DATA",
            help="Folder of a classifier's data set; the platform's cache folder if left out.",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG file for a picture of all results.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
    device: Device = "auto",
) -> None:
    """Measure MODELS: loss, drift, healing, growth on other grids.

    Each model is grown several times from its seed, by random numbers that training has not seen and that are
    the same every time. Of several arguments, those that are no models are skipped. A model of several
    targets is measured for each of them, and changed from each to each. A classifier is asked about all test
    pictures of its data set. A model of a mesh is looked at early and late, and damaged; a texture of meshes
    from nearer, too.
    """
    if sheet is not None:
        if sheet.suffix.lower() != ".png":
            raise BadRequest(f"--sheet must end in .png, got {sheet.name!r}")
        check_place(sheet)

    from petri import devices
    from petri.console import complain, err, out, tell_skipped
    from petri.evaluation import sheet as sheets

    chosen = devices.choose(device)
    asked = {"res": res, "seeds": seeds, "damage_at": damage_at, "heal_steps": heal_steps}
    how = {name: value for name, value in asked.items() if value is not None}
    done: list[tuple[str, Found]] = []
    failed: list[dict[str, str]] = []
    skipped: list[str] = []
    for name in models:
        try:
            with err.status(f"measuring {name}") as status:
                found = _measure(name, target, chosen, status.update, data_dir, **how)
        except (BadRequest, RunFailed) as error:
            if len(models) == 1:
                raise
            if isinstance(error, NotAModel):
                skipped.append(name)
                continue
            failed.append({"model": name, "error": str(error)})
            complain(str(error))
            continue
        if not as_json:
            if done:
                out.print()
            _show(name, found)
        done.append((name, found))
    tell_skipped(skipped)
    if len(skipped) == len(models):
        raise BadRequest(f"none of the {len(models)} is a model")
    if as_json:
        measured = [{"model": name, **found.to_fields()} for name, found in done]
        print(json.dumps({"schema": SCHEMA, "models": measured, "failed": failed}, indent=2))
    if sheet is not None and done:
        try:
            sheets.save(sheet, done)
        except OSError as error:
            raise RunFailed(f"cannot write {sheet}: {error.strerror or error}") from None
        (err if as_json else out).print(f"\n{sheet}", style="bold", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _measure(
    name: str,
    target: list[str] | None,
    device: torch.device,
    say: Callable[[str], object],
    data_dir: Path | None,
    **how: Any,
) -> Found:
    from petri import modelfile, models, worn
    from petri.evaluation import evaluate
    from petri.evaluation.target import target_of

    path = models.find(name)
    model = modelfile.read(path)
    model = worn.on_its_mesh(model, path.parent)
    model.automaton.to(device)
    if model.classes:
        if how:
            option = "--" + next(iter(how)).replace("_", "-")
            raise BadRequest(
                f"{name} classifies pictures of one size, as often as there are: leave out {option}"
            )
        how, target = {"data_dir": data_dir}, target or [model.target]
    if model.spec.space.on_graph:
        target = target or [model.target]
    return evaluate(
        model,
        target or [target_of(model, path, number) for number in range(len(model.targets))],
        say=lambda text: say(f"measuring {name}: {text}"),
        **how,
    )


def _show(name: str, found: Found) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from nca_cli import evaluate_classes, evaluate_many, evaluate_mesh, evaluate_texture
    from petri.console import out
    from petri.evaluation import (
        Evaluation,
        ManyEvaluation,
        Recognition,
        SurfaceEvaluation,
        WornEvaluation,
    )

    out.print(Text.assemble((name, "bold"), f" · {found.summary}"), soft_wrap=True)
    if isinstance(found, ManyEvaluation):
        shown = evaluate_many.tables(found)
    elif isinstance(found, SurfaceEvaluation):
        shown = evaluate_mesh.tables(found)
    elif isinstance(found, WornEvaluation):
        shown = evaluate_mesh.worn_tables(found)
    elif isinstance(found, Recognition):
        shown = evaluate_classes.tables(found)
    elif isinstance(found, Evaluation):
        shown = {
            "loss": _loss(found),
            "drift": _drift(found),
            "damage": _damage(found),
            "other grids": _sizes(found),
        }
        if found.painted:
            shown["painted"] = _painted(found)
    else:
        shown = evaluate_texture.tables(found)
    for title, table in shown.items():
        out.print(f"\n{title}", style="bold")
        out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _loss(found: Evaluation) -> Table:
    from petri.tasks.catalogue import reports_loss

    losses = {"RGB": found.rgb, "RGBA": found.rgba}
    if found.shows == "rgba":
        losses = {"as seen": found.loss, **losses}
    table = columns("", *losses)
    rows: list[tuple[str, str]] = [
        (f"pattern, after {found.rgb.steps} steps", "pattern"),
        (f"stability, after {found.rgb.steps + found.rgb.hold}", "stability"),
        ("overflow", "overflow"),
        ("pattern + ½ stability + ⅒ overflow", "loss"),
    ]
    for label, part in rows:
        table.add_row(label, *(_part(loss, part) for loss in losses.values()))
    if (theirs := reports_loss(found.target, found.res)) is not None:
        table.add_row("the report's, at 256²", f"{theirs:.3f}", style="dim")
    return table


def _drift(found: Evaluation) -> Table:
    table = columns(
        "steps", "pattern", "PSNR, median", "worst", *(["standing"] if found.shows == "rgba" else [])
    )
    for look in found.drift:
        stands = look.standing
        figures = (_measured(look.pattern), f"{stands.median:.1f} dB", f"{stands.worst:.1f} dB")
        count = [f"{stands.standing} of {stands.seeds}"] if found.shows == "rgba" else []
        table.add_row(f"{look.steps:,}", *figures, *count)
    return table


def _damage(found: Evaluation) -> Table:
    first = found.regeneration[0]
    later = f"{first.healed_at - first.damaged_at} steps later"
    table = columns("", "pattern", later, "PSNR", "VGG16", "healed")
    none = first.loss
    table.add_row(
        "none",
        _measured(none.before),
        _measured(none.undamaged),
        decibels(none.psnr["undamaged"]),
        f"{first.vgg16.undamaged.mean:.3f}",
        "",
    )
    for one in found.regeneration:
        table.add_row(
            one.kind,
            _measured(one.loss.damaged),
            _measured(one.loss.healed),
            decibels(one.loss.psnr["healed"]),
            f"{one.vgg16.healed.mean:.3f}",
            healed(one.loss),
        )
    return table


def _sizes(found: Evaluation) -> Table:
    table = columns("cells", "steps", "pattern")
    for look in found.sizes:
        table.add_row(f"{look.res}×{look.res}", f"{look.steps:,}", _measured(look.pattern))
    return table


def _painted(found: Evaluation) -> Table:
    table = columns("pixels", "PSNR, median", "worst", "cells enlarged")
    for one in found.painted:
        name = f"{one.pixels}×{one.pixels}" + ", as trained" * (one.pixels == found.pixels)
        table.add_row(name, f"{one.median:.1f} dB", f"{one.worst:.1f} dB", f"{one.enlarged:.1f} dB")
    return table


def _part(loss: ReportLoss, part: str) -> str:
    return f"{getattr(loss, part):.4f} ± {getattr(loss, part + '_spread'):.4f}"


def _measured(measure: Measure) -> str:
    return f"{measure.mean:.4f} ± {measure.spread:.4f}"

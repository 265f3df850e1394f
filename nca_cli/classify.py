"""petri classify: train cells that agree what a picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nca_cli.grow import allow_only, read_recipe
from nca_cli.options import (
    DataDir,
    Device,
    Engine,
    Epochs,
    FromModel,
    Hidden,
    Layers,
    RecipeFile,
    Resume,
    Runs,
    Seed,
    Tensorboard,
)
from nca_cli.running import resume_run, say_plan, start_run
from petri.errors import BadRequest


def classify(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Data set: mnist, fashion, cifar10, or mini, a part of MNIST that comes with petri.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    seed: Seed = None,
    perception: Annotated[
        str | None,
        typer.Option(help="What a cell senses, such as conv3 or conv3+conv5d2.", show_default=False),
    ] = None,
    hidden: Hidden = None,
    layers: Layers = None,
    preset: Annotated[str, typer.Option(help="Base of the recipe: quick or distill.")] = "quick",
    recipe: RecipeFile = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Value that replaces one of the recipe's, such as loss.error=squares; repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only the plan (memory, time), no training.")
    ] = False,
    device: Device = "auto",
    engine: Engine = "auto",
    out: Runs = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder; DATA-RES if left out.", show_default=False)
    ] = None,
    from_model: FromModel = None,
    tensorboard: Tensorboard = False,
    resume: Resume = None,
) -> None:
    """Train cells that agree what a picture of DATA shows.

    Every cell sees the picture and its neighbours, and votes; when the picture changes, they change their
    mind. The run's folder gets the model, a confusion matrix and a film of test pictures coloured by their
    cells' votes, the recipe, the metrics and a checkpoint. Test pictures are never trained on, and choices
    are made by others that are held back.
    """
    if resume is not None:
        allow_only(
            context,
            ("resume", "epochs", "from_model", "device", "engine", "tensorboard"),
            "--resume goes on with the run's own recipe",
        )
        resume_run(resume, device, engine, tensorboard, more=epochs, start=from_model)
        return

    from petri import checks, modelfile, models
    from petri.datasets import PICTURES, pictures
    from petri.training.classes import make_classifier_recipe
    from petri.training.presets import merge
    from petri.training.recipe import plain

    fields = read_recipe(recipe) if recipe is not None else {}
    asked = data or fields.get("target")
    if not isinstance(asked, str):
        raise BadRequest(f"say what to classify: petri classify {'|'.join(PICTURES)}")
    checks.choice("the data set", asked, PICTURES)

    architecture: dict[str, Any] = {"perception": perception, "hidden": hidden, "layers": layers}
    model = None
    if from_model is not None:
        model = modelfile.read(models.find(from_model))
        theirs = plain(model.automaton.spec.to_fields())
        architecture = {field: theirs[field] for field in ("channels", "senses", "rule")} | architecture
        its_own: dict[str, Any] = {"spec": {field: theirs[field] for field in ("fire_rate", "clamp")}}
        merge(its_own, fields)  # these two may be chosen anew
        fields = its_own
    made = make_classifier_recipe(
        asked,
        preset=preset,
        folder=str(data_dir.absolute()) if data_dir else "",
        file=fields,
        settings=settings or (),
        architecture={field: value for field, value in architecture.items() if value is not None},
        epochs=epochs,
        seed=seed,
    )
    # Fetched, or refused, before anything is made; a recipe may name the folder.
    pictures.load(asked, Path(made.loss.data) if made.loss.data else None, _note)
    notes: tuple[str, ...] = ()
    if model is not None:
        from petri.training.loop import starting_from

        made = starting_from(made, model)
        notes = (f"from the weights of {from_model}",)
    if dry_run:
        say_plan(made, notes, device, engine)
    else:
        start_run(made, notes, device, engine, out, name, tensorboard, model=model)


def _note(text: str) -> None:
    """Say what a data set is fetched from."""
    from petri.console import out

    out.print(text, style="dim", soft_wrap=True)

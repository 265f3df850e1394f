"""petri texture: train an automaton that weaves a texture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nca_cli.completion import complete_target
from nca_cli.grow import allow_only, last_res, named, read_recipe
from nca_cli.options import (
    Crop,
    Device,
    DryRun,
    Engine,
    Epochs,
    FromModel,
    Hidden,
    Layers,
    Moment,
    Perception,
    RecipeFile,
    Resume,
    Runs,
    Seed,
    Settings,
    Tensorboard,
    place_of,
)
from nca_cli.running import resume_run, say_plan, start_run
from petri.errors import BadRequest

RES, PAINTED = 128, 64  # cells along a side, if nobody says; of what a decoder paints
SCALE = 8  # pixels along a cell of a material, if nobody says


def texture(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGE]...",
            help="An image, a .glsl shader, a pattern's name, emoji:🦎 or text:Hi; "
            "or several, which one rule weaves; or a folder with a material's maps, or material:bricks.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    res: Annotated[
        int | None,
        typer.Option(
            help="Cells along a side; the recipe file's if left out, or 128, or with a decoder 64.",
            show_default=False,
        ),
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option(
            help="Pixels along a side of the texture that a decoder paints, a multiple of --res.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Pixels of the image that a cell covers, along a side; the largest square if left out.",
            show_default=False,
        ),
    ] = None,
    crop: Crop = None,
    time: Moment = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="MESH",
            help="Mesh that is to wear it: the same as `petri mesh texture MESH IMAGE`.",
            show_default=False,
        ),
    ] = None,
    epochs: Epochs = None,
    seed: Seed = None,
    perception: Perception = None,
    hidden: Hidden = None,
    layers: Layers = None,
    preset: Annotated[str, typer.Option(help="Base of the recipe: quick or distill.")] = "quick",
    recipe: RecipeFile = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    device: Device = "auto",
    engine: Engine = "auto",
    out: Runs = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder; IMAGE-RES if left out.", show_default=False)
    ] = None,
    from_model: FromModel = None,
    tensorboard: Tensorboard = False,
    resume: Resume = None,
) -> None:
    """Train an automaton that weaves a texture like IMAGE.

    It comes out of noise, at any size, without a seam, and heals. The run's folder gets the model, a tile,
    larger pieces, a film, the recipe, the metrics and a checkpoint. Of several images one rule weaves any,
    told which, and where, by a condition that every cell sees. With --pixels a decoder paints it, of a
    material all maps.
    """
    if resume is not None:
        allow_only(
            context,
            ("resume", "epochs", "from_model", "device", "engine", "tensorboard"),
            "--resume goes on with the run's own recipe",
        )
        resume_run(resume, device, engine, tensorboard, more=epochs, start=from_model)
        return

    if on is not None:
        _weave_on(
            context,
            on,
            images or [],
            pixels=pixels,
            scale=scale,
            crop=crop,
            perception=perception or "slope",
            settings=settings,
            epochs=epochs,
            seed=seed,
            device=device,
            engine=engine,
            out=out,
            name=name,
        )
        return

    from petri import targets
    from petri.targets import exemplar, several

    fields = read_recipe(recipe) if recipe is not None else {}
    asked = images or named(fields)
    if not asked:
        raise BadRequest("say what it is to be like: petri texture IMAGE")
    if time is not None:
        if len(asked) > 1:
            raise BadRequest("--time is for one image: name each shader's moment, such as waves.glsl@2.5")
        asked = [targets.at_time(asked[0], time)]
    if res is not None and "phases" in fields:
        raise BadRequest(f"--res contradicts the phases in {recipe}: leave one of them out")
    material = any(targets.is_material(one) for one in asked)
    if material and len(asked) > 1:
        raise BadRequest(f"a material is woven alone, got {len(asked)} textures")
    size = res if res is not None else last_res(fields, RES if pixels is None and not material else PAINTED)
    if material and pixels is None and fields.get("task") != "material":
        pixels = SCALE * size
    place = place_of(crop)
    cut: dict[str, Any] = {"pixels": pixels, "scale": scale or 0.0, "crop": place or exemplar.MIDDLE}
    drawn = [exemplar.load(one, size, **cut) for one in asked]
    name_of_all = " ".join(several.labels(asked)) if len(asked) > 1 else drawn[0].name

    # Only now, as torch takes seconds to import: a typing error is found before.
    from petri import modelfile, models
    from petri.tasks.texture import exemplar_of
    from petri.training.textures import make_texture_recipe

    architecture: dict[str, Any] = {"perception": perception, "hidden": hidden, "layers": layers}
    model = None
    if from_model is not None:
        model = modelfile.read(models.find(from_model))
        theirs = model.automaton.spec.to_fields()
        architecture = {name: theirs[name] for name in ("channels", "senses", "rule")} | architecture
        if pixels is not None and theirs["decoder"]:
            architecture["decoder"] = theirs["decoder"]
    made = make_texture_recipe(
        name_of_all,
        asked,
        preset=preset,
        res=size,
        file=fields,
        settings=settings or (),
        cut={name: value for name, value in (("scale", scale), ("crop", place)) if value is not None},
        architecture={field: value for field, value in architecture.items() if value is not None},
        pixels=pixels,
        maps=drawn[0].maps,
        epochs=epochs,
        seed=seed,
    )
    # The recipe may say where it is cut.
    notes = tuple(note for one in made.targets or (made.target,) for note in exemplar_of(made, one).notes)
    if model is not None:
        from petri.training.loop import starting_from

        made = starting_from(made, model)
        notes = (*notes, f"from the weights of {from_model}")
    if dry_run:
        say_plan(made, notes, device, engine)
    else:
        start_run(made, notes, device, engine, out, name, tensorboard, model=model)


def _weave_on(context: typer.Context, mesh: str, images: list[str], **asked: Any) -> None:
    """Train a texture that a mesh wears."""
    from nca_cli.mesh import start_texture

    allow_only(context, ("images", "on", *asked), "--on takes what petri mesh texture takes")
    if len(images) != 1:
        raise BadRequest(f"--on is for one image, got {len(images)}: petri texture IMAGE --on MESH")
    start_texture(mesh, images[0], **asked)

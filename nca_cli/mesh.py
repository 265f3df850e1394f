"""petri mesh: automata off the grid, on rings and meshes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli import alone
from nca_cli.completion import complete_target
from nca_cli.examples import examples
from nca_cli.grow import allow_only
from nca_cli.options import Crop, Device, Epochs, Resume, Runs, Seed, Settings, place_of
from nca_cli.running import resume_run, start_run
from petri import checks
from petri.errors import BadRequest
from petri.files import check_place

if TYPE_CHECKING:
    from petri.training.rings import Figures, Spread

Perception = Annotated[
    str,
    typer.Option(
        help="What a vertex senses: laplacian (no directions), slope, harmonics2, or invariants (of the "
        "slope, which do not turn with the mesh); slope-by-length and the like heed how long edges are."
    ),
]
Engine = Annotated[str, typer.Option(help="Engine: auto, native or torch.")]

app = typer.Typer(
    help="Train automata off the grid: on rings and meshes.",
    epilog=examples("mesh"),
    invoke_without_command=True,
)


@app.callback()
def mesh(context: typer.Context) -> None:
    """Train automata off the grid: on rings and meshes."""
    alone.show_help(context)


@app.command(epilog=examples("mesh ring"))
def ring(
    nodes: Annotated[int, typer.Option(help="Nodes of the ring.", min=16, max=1024)] = 64,
    epochs: Annotated[int, typer.Option(help="Optimiser steps of each rule.", min=1, max=1_000_000)] = 4000,
    seeds: Annotated[
        int, typer.Option(help="Rules of each variant, each with its own random seed.", min=1, max=100)
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; runs/ring-NODES if left out.", show_default=False),
    ] = None,
) -> None:
    """Train a small rule that colours a ring.

    It has 2,364 parameters, begins with one node, and each node sees its two neighbours. Beside it two
    controls are trained: without the odd part of what a node sees, and with too few steps to come around; and
    a rule that learns the statistics of a sequence, which goes on along a ring of any length. What was
    stopped goes on by the same command with the rules that are missing.
    """
    from petri import images, modelfile
    from petri.console import out as console
    from petri.training.rings import STEPS, experiment, history, keep, kept, learn_sequence, spread

    folder = out or Path("runs") / f"ring-{nodes}"
    folder.mkdir(parents=True, exist_ok=True)
    first, record = folder / "model.safetensors", folder / "ring.json"
    figures = kept(record, nodes=nodes, epochs=epochs) if first.is_file() else []
    figures = [found for found in figures if found.seed < seeds]
    if figures:
        console.say(f"{len(figures)} rules of {record} are there already")
    with console.status("training"):
        for model, found in experiment(nodes=nodes, epochs=epochs, seeds=seeds, known=figures):
            if not figures:
                modelfile.write(first, model)
            figures.append(found)
            keep(record, figures, (), nodes=nodes, epochs=epochs)
            console.say(
                f"{found.variant}, seed {found.seed}: correlation {found.grown:.3f}, {found.seconds:.0f} s"
            )
        model = modelfile.read(first)
        sequence = learn_sequence(0, nodes=nodes, epochs=epochs)
        spreads = spread(sequence.automaton, model.automaton, nodes=nodes)
    modelfile.write(folder / "sequence.safetensors", sequence)
    for name, one, long in (("model", model, nodes), ("sequence", sequence, 4 * nodes)):
        seen = history(one.automaton, long, 4 * STEPS[1])
        images.save_picture(folder / f"{name}.png", images.enlarge(images.drawn(seen, "#ffffff"), 3))
    keep(record, figures, spreads, nodes=nodes, epochs=epochs)
    console.say("\n", (f"{model.spec.parameters:,} parameters", "bold"), f", {seeds} of each variant")
    _show_figures(figures)
    _show_spreads(spreads)
    console.say("\n", (f"{folder}/", "bold"))
    console.say(
        "  model.safetensors, model.png        the first rule, and its ring from step to step, downwards"
    )
    console.say(
        "  sequence.safetensors, sequence.png  the rule of the sequence, on a ring four times as long"
    )
    console.say("  ring.json                           all figures")


@app.command(epilog=examples("mesh grow"))
def grow(
    context: typer.Context,
    surface: Annotated[
        str | None,
        typer.Argument(
            metavar="MESH",
            help="A mesh file (.obj or .ply; with the extra `mesh` also .stl, .glb, .off), sphere:4, an "
            "icosphere of that level, torus or knot.",
            show_default=False,
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="Colours to grow: bands, harlequin, spots or wheel; the mesh's own if left out.",
            show_default=False,
        ),
    ] = None,
    perception: Perception = "slope",
    epochs: Epochs = None,
    seed: Seed = None,
    settings: Settings = None,
    device: Device = "auto",
    engine: Engine = "auto",
    out: Runs = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run's folder; MESH-PATTERN and the vertices if left out.", show_default=False
        ),
    ] = None,
    resume: Resume = None,
) -> None:
    """Train an automaton that colours MESH.

    It begins with the topmost vertex, holds the colours and heals. The run's folder gets the model, the
    coloured mesh as PLY and GLB, a turntable and a film of the growth, the recipe, the metrics and a
    checkpoint.
    """
    if resume is not None:
        _go_on(context, resume, device, engine, epochs)
        return
    if surface is None:
        raise BadRequest("say what is to be coloured: petri mesh grow MESH PATTERN")
    from petri.graph import named
    from petri.tasks.surface import coloured
    from petri.training.meshes import checked, make_mesh_recipe

    found = named.load(surface)
    chosen = checked(surface, pattern, found.surface)
    coloured(surface, chosen)  # refused before anything is begun
    recipe = make_mesh_recipe(
        surface,
        chosen,
        found.surface,
        perception=perception,
        settings=settings or (),
        epochs=epochs,
        seed=seed,
    )
    start_run(recipe, found.notes, device, engine, out, name)


@app.command(epilog=examples("mesh texture"))
def texture(
    context: typer.Context,
    surface: Annotated[
        str | None,
        typer.Argument(
            metavar="MESH",
            help="What is to wear it: a mesh file, sphere:6, torus or knot.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            help="An image, a .glsl shader, a pattern's name, emoji:🦎 or text:Hi.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        int,
        typer.Option(
            help="Level of the icosphere that it is trained on: 5 has 10,242 vertices, 6 40,962.",
            min=4,
            max=8,
        ),
    ] = 6,
    pixels: Annotated[
        int | None,
        typer.Option(
            help="Pixels along a side of a view that a decoder paints, a multiple of the 32 edges that "
            "it is across; without it the vertices are coloured.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Pixels of the image that an edge covers; as many as make the largest square if left out.",
            show_default=False,
        ),
    ] = None,
    crop: Crop = None,
    perception: Perception = "slope",
    epochs: Epochs = None,
    seed: Seed = None,
    settings: Settings = None,
    device: Device = "auto",
    engine: Engine = "auto",
    out: Runs = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run's folder; IMAGE and the sphere's vertices if left out.", show_default=False
        ),
    ] = None,
    resume: Resume = None,
) -> None:
    """Train an automaton that weaves a texture like IMAGE on a mesh.

    It is trained on a sphere and worn by MESH, whose triangles are cut until they are as small as the
    sphere's; `petri mesh wear` puts it on any other. With --pixels a decoder paints it, between the vertices
    too. The run's folder gets the model, the mesh as PLY and GLB, a turntable, the recipe, the metrics and a
    checkpoint.
    """
    if resume is not None:
        _go_on(context, resume, device, engine, epochs)
        return
    if surface is None or image is None:
        raise BadRequest("say what is to wear what: petri mesh texture MESH IMAGE, such as sphere:6 brick")
    start_texture(
        surface,
        image,
        level=level,
        pixels=pixels,
        perception=perception,
        settings=settings,
        scale=scale,
        crop=crop,
        epochs=epochs,
        seed=seed,
        device=device,
        engine=engine,
        out=out,
        name=name,
    )


def start_texture(
    surface: str,
    image: str,
    *,
    scale: float | None,
    crop: str | None,
    settings: list[str] | None,
    device: str,
    engine: str,
    out: Path,
    name: str | None,
    **asked: Any,
) -> None:
    """Train a texture that a mesh wears; `petri texture --on` is the same.

    Args:
        surface, image, scale, crop, settings, device, engine, out, name: as of `petri mesh texture`.
        asked: what else `petri.training.meshes.make_wear_recipe` takes.
    """
    from petri.graph import named
    from petri.tasks.wear import picture_of
    from petri.training.meshes import make_wear_recipe

    notes = named.load(surface).notes
    place = place_of(crop)
    cut = {name: value for name, value in (("scale", scale), ("crop", place)) if value is not None}
    recipe = make_wear_recipe(surface, image, settings=settings or (), cut=cut, **asked)
    drawn = picture_of(image, recipe.loss)
    start_run(recipe, (*notes, *drawn.notes), device, engine, out, name)


@app.command(epilog=examples("mesh wear"))
def wear(
    model: Annotated[
        str, typer.Argument(help="A model of a texture for meshes, or a run's folder.", show_default=False)
    ],
    surface: Annotated[
        str,
        typer.Argument(metavar="MESH", help="A mesh file, sphere:6, torus or knot.", show_default=False),
    ],
    steps: Annotated[int, typer.Option(help="Steps that it is given to weave.", min=1, max=100_000)] = 128,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .glb or .ply, the mesh; .webp, a turntable; .png, four sides of it; "
            "worn.glb if left out.",
            show_default=False,
        ),
    ] = None,
    baked: Annotated[
        Path | None,
        typer.Option(
            help="PNG to write as well: the texture as the picture that the mesh's own uv map asks for.",
            show_default=False,
        ),
    ] = None,
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="Leave the mesh's triangles as large as they are.")
    ] = False,
) -> None:
    """Put a texture on any mesh.

    MODEL was trained by `petri mesh texture`. The triangles of a coarse mesh are cut until they are as small
    as those of the sphere that it was trained on, for a texture is as coarse as the mesh.
    """
    from petri import images, modelfile, models
    from petri.console import out as console
    from petri.graph import named
    from petri.graph.bake import bake
    from petri.graph.write import WRITTEN
    from petri.tasks.wear import dress, save

    path = out or Path("worn.glb")
    checks.choice("the ending of --out", path.suffix.lower(), (*WRITTEN, ".webp", ".png"))
    check_place(path)
    if baked is not None:
        checks.choice("the ending of --baked", baked.suffix.lower(), (".png",))
        check_place(baked)
    loaded, found = modelfile.read(models.find(model)), named.load(surface)
    for note in found.notes:
        console.say((note, "dim"))
    if baked is not None and found.surface.uv is None:
        raise BadRequest(f"--baked is for a mesh with a uv map, which {surface} has not")
    with console.status("weaving"):
        dressed = dress(loaded, found.surface, steps=steps, cut=not as_it_is)
        save(path, dressed)
        if baked is not None:
            images.save_picture(baked, bake(dressed))
    console.say((str(path), "bold"), f": {len(dressed.vertices):,} vertices after {steps:,} steps")


def _go_on(context: typer.Context, resume: Path, device: str, engine: str, epochs: int | None) -> None:
    allow_only(
        context, ("resume", "epochs", "device", "engine"), "--resume goes on with the run's own recipe"
    )
    resume_run(resume, device, engine, more=epochs)


def _show_figures(figures: list[Figures]) -> None:
    from petri.console import out, table
    from petri.training.rings import LATE, ROLLOUTS

    columns = ("grown", "worst", "late", "hurt", "healed", "moved", "followed", "twice")
    shown = table("", *columns)
    for variant in dict.fromkeys(found.variant for found in figures):
        mine = [found for found in figures if found.variant == variant]
        means = {name: [getattr(found, name) for found in mine] for name in columns}
        cells = [f"{sum(values) / len(values):.3f}" for values in means.values()]
        shown.add_row(variant, *cells)
        least = [f"{min(values):.3f}" for values in means.values()]
        if len(mine) > 1:
            shown.add_row("  least of the seeds", *least)
    out.print(shown)
    out.print(
        f"correlation with the target, means of {ROLLOUTS} fresh rollouts; late: after {LATE} times the "
        "steps; hurt: a quarter emptied; moved: the seed, followed: the target too; twice: on a longer ring",
        style="dim",
    )


def _show_spreads(spreads: list[Spread]) -> None:
    from petri.console import out, table

    shown = table("nodes", "sequence", "more of it", "its nodes mixed", "whole ring", "its nodes mixed")
    for found in spreads:
        values = (found.sequence, found.floor, found.ceiling, found.whole, found.whole_ceiling)
        shown.add_row(f"{found.nodes:,}", *(f"{value:.4f}" for value in values))
    out.print()
    out.print(shown)
    out.print("how unlike in its windows of 9 nodes: what the sequence's rule weaves, and the whole ring's",
              style="dim")  # fmt: skip

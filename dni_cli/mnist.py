"""petri dni mnist: a network with graders beside one without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dni_cli.options import Data, Unit, load, parse_widths
from nca_cli.options import DataDir, Device
from petri.errors import BadRequest
from petri.wording import quoted

if TYPE_CHECKING:
    import torch

    from petri.dni.experiment import Summary
    from petri.dni.recipe import DniRecipe
    from petri.dni.runs import DniRun


def mnist(
    context: typer.Context,
    beta_max: Annotated[
        float | None,
        typer.Option(
            help="Share of synthetic gradients after the warm-up; 0.8 if left out, 1 with --decoupled.",
            show_default=False,
        ),
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(
            help="Epochs for a rise of that share from 0 to 1; 5 if left out, 0 with --decoupled.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes through the training images.")] = 10,
    widths: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "256,128",
    seeds: Annotated[int, typer.Option(help="Pairs of networks, each with its own random seed.")] = 1,
    seed: Annotated[int, typer.Option(help="Random seed of the first pair.")] = 0,
    data: Data = "mnist",
    way: Annotated[
        str,
        typer.Option(help="Gradients that graders learn from: plain ones (clean) or blended ones (chained)."),
    ] = "clean",
    decoupled: Annotated[
        bool, typer.Option("--decoupled", help="Synthetic gradients alone, no backward pass.")
    ] = False,
    conditioned: Annotated[
        bool, typer.Option("--conditioned", help="Graders that see the label too (cDNI).")
    ] = False,
    grader: Annotated[
        str,
        typer.Option(help="Kind of the graders: mlp, linear, or silent (predicts nothing, for comparison)."),
    ] = "mlp",
    grader_every: Annotated[int, typer.Option(help="Interval at which graders learn, in batches.")] = 1,
    unit: Unit = "sample",
    batch: Annotated[int, typer.Option(help="Images per step.")] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Learning rate of Adam at first; it falls to 0.")
    ] = 1e-3,
    data_dir: DataDir = None,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(help="Parent folder of the run's folder.")] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder; dni-DATA if left out.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Folder of a run to complete: missing seeds, plots, summary.", show_default=False),
    ] = None,
) -> None:
    """Train layers that predict their own gradients, on MNIST.

    A network of such layers is trained beside one that backpropagates.
    Both start alike and see the same batches. The run's folder gets metrics, plots, the recipe and both
    models.
    """
    if resume is not None:
        allowed = ("resume", "device", "data_dir")
        given = [option for option in context.params if _is_given(context, option) and option not in allowed]
        if given:
            names = ", ".join(f"--{option.replace('_', '-')}" for option in given)
            raise BadRequest(f"--resume goes on with the run's own recipe: leave out {names}")

    from petri import devices
    from petri.dni.recipe import DniRecipe
    from petri.dni.runs import DniRun

    chosen = devices.choose(device)
    if resume is not None:
        run = DniRun.open(resume)
        if not run.unfinished:
            try:
                _conclude(run)
            finally:
                run.close()
            return
    else:
        if way == "decoupled":
            raise BadRequest("--way must be clean or chained; layers without a backward pass are --decoupled")
        if decoupled and way != "clean":
            raise BadRequest("--decoupled is a way of its own: leave out --way")
        recipe = DniRecipe(
            data=data,
            widths=parse_widths(widths),
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            way="decoupled" if decoupled else way,
            beta_max=beta_max if beta_max is not None else (1.0 if decoupled else 0.8),
            warm_up=warm_up if warm_up is not None else (0.0 if decoupled else 5.0),
            grader=grader,
            conditioned=conditioned,
            grader_every=grader_every,
            unit=unit,
            seed=seed,
            seeds=seeds,
        )
        run = None
    _train(run, recipe if run is None else run.recipe, chosen, data_dir, out, name)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _train(
    run: DniRun | None,
    recipe: DniRecipe,
    device: torch.device,
    data_dir: Path | None,
    parent: Path,
    name: str | None,
) -> None:
    from dni_cli.watch import Watch
    from petri.console import out
    from petri.dni import experiment
    from petri.dni.runs import DniRun

    data = load(recipe.data, data_dir, device)
    experiment.check(recipe, data)
    run = run or DniRun.create(parent, name, recipe)
    sizes = "→".join(map(str, (data.train.images.shape[1], *recipe.widths, 10)))
    out.say((data.title, "bold"), f" · {sizes} · {recipe.describe()} · {device.type}")
    try:
        with Watch(recipe.epochs) as watch:
            experiment.train(run, data, watch)
    except KeyboardInterrupt:
        _conclude(run)
        raise
    else:
        _conclude(run)
    finally:
        run.close()


def _conclude(run: DniRun) -> None:
    from petri import datasets
    from petri.console import grid, out
    from petri.dni import experiment, plots

    if run.epochs:
        summary = experiment.conclude(run)
        _print(summary, datasets.title(run.recipe.data), run.recipe.describe())
        out.say("\n", (f"{run.folder}/", "bold"))
        said_of = {
            "baseline.safetensors": "the network without graders, of the first seed",
            "dni.safetensors": "the network with graders, and the graders",
            "metrics.csv": "every epoch of every seed",
            "graders.csv": "how well the graders predicted",
            **plots.FILES,
            "recipe.toml": "how it was trained",
        }
        out.print(grid(*[(f"  {file}", said) for file, said in said_of.items()]))
    if run.unfinished:
        done = len(run.epochs)
        kept = f"{done} of {run.recipe.seeds} seeds are finished and kept" if done else "no seed is finished"
        out.say(f"\nstopped: {kept}. Go on:  petri dni mnist --resume {quoted(run.folder)}")


def _print(summary: Summary, title: str, described: str) -> None:
    from rich.text import Text

    from petri.console import grid, out

    spread = f", mean ± standard deviation of {summary.seeds} seeds" if summary.seeds > 1 else ""
    out.say("\n", (title, "bold"), f", test accuracy after the last epoch{spread}")
    rows: list[tuple[str, str | Text]] = [
        ("baseline", f"{summary.baseline} %"),
        ("DNI", Text.assemble(f"{summary.dni} %   ", (described, "dim"))),
        ("gap", f"{summary.gap} points"),
        ("synthetic ratio", f"{summary.synthetic_ratio:.0%} of what the hidden layers are given, by length"),
        (
            "time a step",
            f"{summary.baseline_ms:.1f} ms baseline, {summary.dni_ms:.1f} ms DNI: "
            f"{summary.dni_ms / summary.baseline_ms:.1f}×",
        ),
    ]
    if summary.fates:
        rows.append(("DNI", summary.fates))
    out.print(grid(*rows))

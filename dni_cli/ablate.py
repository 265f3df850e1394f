"""petri dni ablate: the stability triad, each part removed."""

from __future__ import annotations

from typing import Annotated

import typer

from dni_cli.options import Data, Out, Unit, load, parse_widths, record_path, say_kept
from nca_cli.options import DataDir, Device


def ablate(
    seeds: Annotated[int, typer.Option(help="Networks of each kind, each with its own random seed.")] = 3,
    epochs: Annotated[int, typer.Option(help="Passes through the training images.")] = 8,
    beta_max: Annotated[float, typer.Option(help="Share of synthetic gradients after the warm-up.")] = 0.8,
    warm_up: Annotated[float, typer.Option(help="Epochs for a rise of that share from 0 to 1.")] = 5.0,
    way: Annotated[
        str,
        typer.Option(help="Gradients that graders learn from: plain ones (clean) or blended ones (chained)."),
    ] = "chained",
    widths: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "256,128",
    batch: Annotated[int, typer.Option(help="Images per step.")] = 128,
    learning_rate: Annotated[
        float, typer.Option(help="Learning rate of Adam at first; it falls to 0.")
    ] = 1e-3,
    unit: Unit = "mean",
    seed: Annotated[int, typer.Option(help="Random seed of the first network of each kind.")] = 0,
    data: Data = "mnist",
    data_dir: DataDir = None,
    device: Device = "auto",
    out: Out = None,
) -> None:
    """Train without each part of the stability triad, and compare.

    The parts: a warm-up, graders that start at zero, and bounds (predictions within ±1, graders' gradients of
    norm 1 at most). Graders that predict nothing and plain backpropagation stand beside them. After Ctrl-C
    the same command goes on; the network under way is lost. With more --seeds it adds to what is there.
    """
    from dni_cli.watch import Watch
    from petri import checks, devices
    from petri.console import out as console
    from petri.console import table
    from petri.dni import ablation, experiment
    from petri.dni.recipe import DniRecipe

    checks.choice("way", way, ablation.WAYS)
    recipe = DniRecipe(
        data=data,
        widths=parse_widths(widths),
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        way=way,
        unit=unit,
        beta_max=beta_max,
        warm_up=warm_up,
        seed=seed,
        seeds=seeds,
    )
    ablation.variants(recipe)  # refuses what has nothing to remove
    loaded = load(data, data_dir, devices.choose(device))
    experiment.check(recipe, loaded)
    record = ablation.open_record(record_path(out, "ablate", data), recipe)
    with Watch(epochs) as watch:
        findings = ablation.ablate(recipe, loaded, watch, record)
    console.say(
        (loaded.title, "bold"),
        f" · {recipe.describe()} · {epochs} epochs · {seeds} seeds, "
        "mean ± standard deviation of test accuracy",
    )
    shown = table("", "first epoch, %", "last epoch, %", "change, points", "training", text=("training",))
    for one in findings:
        change = "" if one is findings[0] else str(one.change)
        shown.add_row(one.name, str(one.first), str(one.last), change, one.verdict)
    console.print(shown)
    say_kept(record.path, "networks")

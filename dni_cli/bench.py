"""petri dni bench: what graders cost a step."""

from __future__ import annotations

from typing import Annotated

import typer

from dni_cli.options import Data, load, parse_widths
from nca_cli.options import DataDir, Device


def bench(
    widths: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "512,256,128",
    batch: Annotated[int, typer.Option(help="Images per step.")] = 128,
    steps: Annotated[int, typer.Option(help="Steps of each variant in a repetition.")] = 50,
    repetitions: Annotated[int, typer.Option(help="Repetitions, each of all variants in a new order.")] = 9,
    data: Data = "mini",
    data_dir: DataDir = None,
    device: Device = "auto",
) -> None:
    """Time a training step with graders and without.

    Graders of several kinds and plain backpropagation take turns in one run.

    What counts is the ratio within a repetition. On a busy machine compare the processor's times rather than
    the clock's; on a GPU the clock's alone.
    """
    import statistics

    import torch

    from dni_cli.watch import Watch
    from petri import checks, devices
    from petri.console import out, table
    from petri.dni import bench as benching
    from petri.dni import experiment
    from petri.dni.recipe import DniRecipe

    checks.whole("steps", steps, 1, 100_000)
    checks.whole("repetitions", repetitions, 1, 1000)
    recipe = DniRecipe(data=data, widths=parse_widths(widths), batch=batch, warm_up=0.0)
    chosen = devices.choose(device)
    loaded = load(data, data_dir, chosen)
    experiment.check(recipe, loaded)
    with Watch(0) as watch:
        timings = benching.bench(recipe, loaded, steps=steps, repetitions=repetitions, note=watch.show)
    sizes = "→".join(map(str, (loaded.train.images.shape[1], *recipe.widths, 10)))
    out.say(
        (sizes, "bold"),
        f", batch {batch} · {loaded.title} · {chosen.type}, {torch.get_num_threads()} threads"
        f" · median of {repetitions} repetitions, least and greatest in brackets",
    )
    shown = table("", "ms a step", "× baseline", "ms of CPU", "× baseline")
    by_name = {one.name: one for one in timings}
    for one in timings:
        baseline = by_name[one.baseline]
        cells = []
        for own, other in ((one.wall, baseline.wall), (one.cpu, baseline.cpu)):
            times = benching.ratios(own, other)
            ratio = f"{statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f})"
            cells += [f"{statistics.median(own):.2f}", "1" if one is baseline else ratio]
        shown.add_row(one.name, *cells)
    out.print(shown)
    out.print(
        "The baseline is backpropagation with a fused Adam, or with a plain one for graders as the report "
        "builds them.",
        style="dim",
        soft_wrap=True,
    )

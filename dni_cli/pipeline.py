"""petri dni pipeline: stages in processes of their own, with and without waiting for each other."""

from __future__ import annotations

from typing import Annotated

import typer

from dni_cli.options import Data, DataDir, load


def pipeline(
    stages: Annotated[int, typer.Option(help="Processes, with one thread each.")] = 2,
    width: Annotated[
        str, typer.Option(help="Of the hidden layers, two a stage; several to compare.")
    ] = "256,1024",
    epochs: Annotated[int, typer.Option(help="Times through the training images.")] = 2,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 256,
    micro_batches: Annotated[int, typer.Option(help="That a batch is cut into, where it is.")] = 8,
    repetitions: Annotated[int, typer.Option(help="The schedules take turns; each from another seed.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the first repetition.")] = 0,
    data: Data = "mnist",
    data_dir: DataDir = None,
) -> None:
    """Cut a network into stages, each a process, and see what decoupling them is worth.

    The same stages are trained in lock-step, in micro-batches (GPipe), and decoupled by linear
    label-conditioned graders; and the whole network in one process.
    """
    import statistics

    import torch
    from rich.table import Table

    from dni_cli.options import parse_widths
    from dni_cli.watch import Watch
    from petri import checks
    from petri.console import out
    from petri.dni import pipeline as piping
    from petri.dni.experiment import spread
    from petri.dni.stage import Measured

    checks.whole("repetitions", repetitions, 1, 1000)
    widths = parse_widths(width, "--width")
    loaded = load(data, data_dir, torch.device("cpu"))

    def plans(width: int, seed: int) -> dict[str, piping.Plan]:
        return piping.plans(
            width=width, stages=stages, epochs=epochs, batch=batch, micro_batches=micro_batches, seed=seed,
            data=loaded,
        )  # fmt: skip

    for one in widths:
        plans(one, seed)  # refuses what cannot be before anything runs
    for one in widths:
        measured: dict[str, list[list[Measured]]] = {}
        with Watch(epochs) as watch:
            for repetition in range(repetitions):
                for name, plan in plans(one, seed + repetition).items():
                    watch.show(f"width {one}  repetition {repetition + 1} of {repetitions}  {name}")
                    measured.setdefault(name, []).append(piping.run(plan, data, data_dir))
        plan = plans(one, seed)["lock-step"]
        sizes = "→".join(map(str, plan.sizes))
        cuts = ", ".join(str(cut + 1) for cut in plan.cuts[1:-1])
        out.print(
            f"\n[bold]{sizes}[/], cut before layer {cuts} · {loaded.title} · batch {batch} · {epochs} epochs "
            f"· {repetitions} repetitions",
            soft_wrap=True,
        )
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("")
        for heading in ("samples/s", "× lock-step", "test accuracy, %", "loss"):
            table.add_column(heading, justify="right")
        speeds = {
            name: [statistics.median(epoch.samples_per_second for epoch in run) for run in runs]
            for name, runs in measured.items()
        }
        for name, runs in measured.items():
            ratios = [a / b for a, b in zip(speeds[name], speeds["lock-step"], strict=True)]
            low, high = min(ratios), max(ratios)
            table.add_row(
                name,
                f"{statistics.median(speeds[name]):,.0f}",
                f"{statistics.median(ratios):.2f}" + (f" ({low:.2f}–{high:.2f})" if repetitions > 1 else ""),
                str(spread(run[-1].accuracy for run in runs)),
                f"{statistics.fmean(run[-1].loss for run in runs):.4f}",
            )
        out.print(table)

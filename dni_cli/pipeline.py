"""petri dni pipeline: stages in processes of their own, with and without waiting for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dni_cli.options import Data, Out, load, parse_widths, record_path, say_kept
from nca_cli.options import DataDir

if TYPE_CHECKING:
    from petri.dni.pipeline import PipelinePlan, PipelineTrial
    from petri.dni.stage import Measured


def pipeline(
    stages: Annotated[int, typer.Option(help="Stages, each a process with one thread.")] = 2,
    width: Annotated[
        str,
        typer.Option(
            help="Width of the hidden layers, two per stage; several, such as 256,1024, are compared."
        ),
    ] = "256,1024",
    epochs: Annotated[int, typer.Option(help="Passes through the training images.")] = 2,
    batch: Annotated[int, typer.Option(help="Images per step.")] = 256,
    micro_batches: Annotated[int, typer.Option(help="Parts of a batch in the micro-batch schedule.")] = 8,
    repetitions: Annotated[
        int, typer.Option(help="Repetitions of all schedules, each with its own random seed.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Random seed of the first repetition.")] = 0,
    data: Data = "mnist",
    data_dir: DataDir = None,
    out: Out = None,
) -> None:
    """Train a network in stages, each a process.

    Schedules that are compared: lock-step, micro-batches (GPipe), decoupled by linear graders that see the
    label, and the whole network in one process. Each cuts the network where its busiest stage has least to
    do. After Ctrl-C the same command goes on; the training under way is lost.
    """
    import torch

    from dni_cli.watch import Watch
    from petri import checks
    from petri.dni import pipeline as piping
    from petri.errors import RunFailed

    checks.whole("repetitions", repetitions, 1, 1000)
    widths = parse_widths(width, "--width")
    loaded = load(data, data_dir, torch.device("cpu"))

    def plans(width: int, seed: int) -> dict[str, PipelinePlan]:
        return piping.plans(
            width=width, stages=stages, epochs=epochs, batch=batch, micro_batches=micro_batches, seed=seed,
            data=loaded,
        )  # fmt: skip

    for one in widths:
        plans(one, seed)  # refuses what cannot be before anything runs
    path = record_path(out, "pipeline", data)
    record = piping.open_record(path, data=data, stages=stages, epochs=epochs, batch=batch)
    for one in widths:
        with Watch(epochs) as watch:
            for repetition in range(repetitions):
                made = plans(one, seed + repetition)
                for name in piping.take_turns(list(made), repetition):
                    if _find(record.trials, one, name, seed + repetition):
                        continue
                    what = f"width {one}  repetition {repetition + 1} of {repetitions}  {name}"
                    watch.show(what)

                    def seen(epoch: Measured, what: str = what) -> None:
                        watch.show(
                            f"{what}  loss {epoch.loss:.4f}  test accuracy {epoch.accuracy:.2f} %  "
                            f"{epoch.samples_per_second:,.0f} samples/s"
                        )

                    trial = piping.PipelineTrial(
                        one, name, seed + repetition, piping.run(made[name], data, data_dir, seen)
                    )
                    try:
                        record.add(trial)
                    except OSError as error:
                        raise RunFailed(f"cannot write {path}: {error.strerror or error}") from None
        trials = {
            name: [
                found
                for number in range(repetitions)
                if (found := _find(record.trials, one, name, seed + number))
            ]
            for name in plans(one, seed)
        }
        _show(plans(one, seed), trials, f"{loaded.title} · batch {batch} · {epochs} epochs")
    say_kept(path, "trainings")


def _find(trials: list[PipelineTrial], width: int, name: str, seed: int) -> PipelineTrial | None:
    asked = (width, name, seed)
    return next((one for one in trials if (one.width, one.schedule, one.seed) == asked), None)


def _show(plans: dict[str, PipelinePlan], trials: dict[str, list[PipelineTrial]], title: str) -> None:
    import statistics

    from petri.console import out, table
    from petri.dni.experiment import spread
    from petri.dni.pipeline import LOCK_STEP

    repetitions = len(trials[LOCK_STEP])
    sizes = "→".join(map(str, plans[LOCK_STEP].sizes))
    out.say("\n", (sizes, "bold"), f" · {title} · {repetitions} repetitions")
    shown = table("", "cut before layer", "samples/s", "× lock-step", "test accuracy, %", "loss")
    speeds = {
        name: [statistics.median(epoch.samples_per_second for epoch in one.epochs) for one in those]
        for name, those in trials.items()
    }
    for name, those in trials.items():
        ratios = [a / b for a, b in zip(speeds[name], speeds[LOCK_STEP], strict=True)]
        low, high = min(ratios), max(ratios)
        shown.add_row(
            name,
            ", ".join(str(cut + 1) for cut in plans[name].cuts[1:-1]),
            f"{statistics.median(speeds[name]):,.0f}",
            f"{statistics.median(ratios):.2f}" + (f" ({low:.2f}–{high:.2f})" if repetitions > 1 else ""),
            str(spread(one.epochs[-1].accuracy for one in those)),
            f"{statistics.fmean(one.epochs[-1].loss for one in those):.4f}",
        )
    out.print(shown)

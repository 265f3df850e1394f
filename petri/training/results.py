"""What a run has come to: measured, written, and drawn."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from petri import modelfile
from petri.targets import name_of
from petri.tasks.task import Outcome
from petri.training import patience, plots
from petri.training.runs import Run
from petri.training.trainer import Trainer

ALWAYS = ("loss.png", "metrics.csv", "recipe.toml")
GROWN = ("grown.png", "growth.webp", "target.png", *ALWAYS)  # what a run that grew a picture has


@dataclass(frozen=True)
class Result:
    """What a run has come to."""

    folder: Path
    epochs: int
    seconds: float
    res: int  # cells along a side that it has come to
    outcome: Outcome  # what the task says of it
    files: tuple[str, ...]  # in the folder
    finished: bool  # all epochs of the recipe, or an early stop


def finish(run: Run, trainer: Trainer, seconds: float) -> Result:
    """Measure the model and write it, its pictures and the plot of its loss.

    All at the size that the run has come to: a model that was stopped has never seen a larger one.
    """
    whole, automaton = run.recipe, trainer.result()
    finished = trainer.epoch >= whole.epochs or patience.exhausted(whole, run.looks)
    recipe = whole.so_far(trainer.epoch)
    run.write_metrics()  # a run that was killed behind its last checkpoint may have left a shorter file
    outcome = trainer.task.finish(automaton, run.folder)
    files = (*outcome.files, *ALWAYS)
    training = {
        "recipe": recipe.to_fields(),
        "epochs": trainer.epoch,
        "planned": whole.epochs,
        "finished": finished,
        "seconds": round(seconds),
        "files": list(files),
        **outcome.fields,
        "machine": f"{platform.system()} {platform.machine()}, {trainer.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
    }
    # A path says where a file lay on one machine; the model keeps only its name.
    training["recipe"] |= {"target": recipe.name, "targets": [name_of(asked) for asked in recipe.targets]}
    if "data" in training["recipe"].get("loss", {}):
        training["recipe"]["loss"]["data"] = ""
    curve, label, reference = trainer.task.curve({name: run.column(name) for name in run.columns})
    plots.save_loss(
        run.path("loss.png"),
        curve,
        from_seed=run.looks,
        phases=recipe.phases,
        label=label,
        reference=reference,
    )
    model = modelfile.Model(
        automaton=automaton,
        target=recipe.name,
        training=training,
        conditions=trainer.task.conditions,
        classes=trainer.task.classes,
    )
    modelfile.write(run.path("model.safetensors"), model)
    return Result(
        folder=run.folder,
        epochs=trainer.epoch,
        seconds=seconds,
        res=max(trainer.phase.grid),
        outcome=outcome,
        files=("model.safetensors", *files),
        finished=finished,
    )

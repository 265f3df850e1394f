"""What a run has come to: measured from the seed, written, and drawn."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from petri import ground as grounds
from petri import images, modelfile, plots
from petri.evaluation.report import (
    EVALUATION_SEED,
    SEEDS,
    ReportLoss,
    error_of,
    grow_and_hold,
    report_loss_of,
)
from petri.evaluation.standing import Standing, standing
from petri.film import EVERY, film
from petri.growth import patience
from petri.growth.catalogue import reports_loss
from petri.growth.trainer import Trainer
from petri.nca import Automaton
from petri.runs import Run

FRESH = 16  # rollouts that a figure must stand in at the end
LASTING = 1000  # steps after which it must still stand
GROWTH_PIXELS = 256  # about the side of growth.webp
GROWTH_FPS = 20
GROWTH_BYTES = 10**9  # that its pictures may take on the way, about 7 a pixel
TARGET = "target.png"
RESULTS = (
    "model.safetensors",
    "grown.png",
    "growth.webp",
    TARGET,
    "loss.png",
    "metrics.csv",
    "recipe.toml",
)


@dataclass(frozen=True)
class Result:
    """What a run has come to."""

    folder: Path
    epochs: int
    seconds: float
    res: int  # cells along a side that it has come to
    loss: ReportLoss  # from the seed
    looks: dict[int, Standing]  # of fresh rollouts, by their steps; a figure's last one is long after
    stands: bool  # a figure: all of them, each time; a plane cannot die
    files: tuple[str, ...]  # in the folder
    finished: bool  # all epochs of the recipe, or an early stop


@torch.no_grad()
def _looks(automaton: Automaton, held: Tensor, target: Tensor, step: int) -> dict[int, Standing]:
    """How rollouts that have taken `step` steps look; of a figure, after as many again and long after."""
    spec = automaton.spec
    if not spec.living:
        return {step: standing(held, target, spec)}
    looks = {}
    for later in (2 * step, max(LASTING, 4 * step)):
        held = automaton.rollout(held, later - step, seed=EVALUATION_SEED, start=step)
        looks[later], step = standing(held, target, spec), later
    return looks


def finish(run: Run, trainer: Trainer, seconds: float) -> Result:
    """Measure the model from the seed and write it, its pictures and the plot of its loss.

    All at the size that the run has come to: a model that was stopped has never seen a larger one.
    """
    whole, automaton, res, target = run.recipe, trainer.result(), trainer.phase.res, trainer.target
    finished = trainer.epoch >= whole.epochs or patience.exhausted(whole, run.looks)
    recipe, spec = whole.so_far(trainer.epoch), whole.spec
    asked = {"steps": recipe.steps[1], "hold": recipe.hold}
    grown, held = grow_and_hold(automaton, target, **asked, seeds=FRESH if spec.living else SEEDS)
    # The loss is that of `petri evaluate`, of as many rollouts.
    loss = report_loss_of(grown[:SEEDS], held[:SEEDS], target, **asked, error=error_of(spec))
    looks = _looks(automaton, held, target, recipe.steps[1] + recipe.hold)
    training = {
        "recipe": recipe.to_fields(),
        "epochs": trainer.epoch,
        "planned": whole.epochs,
        "finished": finished,
        "seconds": round(seconds),
        "loss": loss.to_fields(),
        "looks": [{"steps": step, **look.to_fields()} for step, look in looks.items()],
        "machine": f"{platform.system()} {platform.machine()}, {trainer.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
    }
    if recipe.spec.living:
        training["ground"] = grounds.opaque(run.ground, trainer.targets[-1])
    # A path says where a file lay on one machine; the model keeps only its name.
    training["recipe"]["target"] = recipe.name
    zoom = max(1, GROWTH_PIXELS // res)
    steps, room = min(looks), GROWTH_BYTES // (7 * (res * zoom) ** 2)
    every = max(EVERY, math.ceil(steps / max(1, room)))
    shown = film(automaton, res, steps, ground=run.ground, every=every)
    frames = [images.enlarge(rgb, zoom) for _, rgb in shown]
    run.write_metrics()  # a run that was killed behind its last checkpoint may have left a shorter file
    images.save_picture(run.path("grown.png"), frames[-1])
    images.save_animation(run.path("growth.webp"), frames, fps=GROWTH_FPS)
    plots.save_loss(
        run.path("loss.png"),
        [pattern + stability / 2 + overflow / 10 for _, _, pattern, stability, overflow, *_ in run.rows],
        from_seed=run.looks,
        phases=recipe.phases,
        reference=reports_loss(recipe.target, res),
    )
    model = modelfile.Model(automaton=automaton, target=recipe.name, training=training)
    modelfile.write(run.path("model.safetensors"), model)
    return Result(
        folder=run.folder,
        epochs=trainer.epoch,
        seconds=seconds,
        res=res,
        loss=loss,
        looks=looks,
        stands=not spec.living or all(look.all for look in looks.values()),
        files=RESULTS,
        finished=finished,
    )

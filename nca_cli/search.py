"""petri search: find out which architecture grows a target best."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca_cli.completion import complete_target
from nca_cli.grow import allow_only
from nca_cli.options import Device
from petri.errors import BadRequest, RunFailed
from petri.wording import quoted

if TYPE_CHECKING:
    from petri.search.agenda import Agenda
    from petri.search.study import Study
    from petri.training.recipe import Recipe

LOOK = 1.0  # seconds between looks at the study


def search(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            help="What to grow, as for `petri grow`.", autocompletion=complete_target, show_default=False
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Architectures to try, by all workers together.", min=1)] = 30,
    space: Annotated[
        str,
        typer.Option(help="Search space: report (32 architectures) or wide (also channels, rates, steps …)."),
    ] = "report",
    seeds: Annotated[int, typer.Option(help="Further random seeds for the best few.", min=0, max=1000)] = 3,
    res: Annotated[int, typer.Option(help="Cells along a side in a trial.")] = 64,
    epochs: Annotated[int, typer.Option(help="Optimiser steps in a trial.")] = 300,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Value that replaces one of the trials' recipe; repeatable.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes on this machine.", min=1, max=1000)] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL, such as postgresql://…; runs/studies.db if left out.", show_default=False
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Name of the study; TARGET-RES or TARGET-RES-wide if left out.", show_default=False
        ),
    ] = None,
    promote: Annotated[
        int, typer.Option(help="Best architectures to train at full size afterwards.", min=0)
    ] = 0,
    full_res: Annotated[int, typer.Option(help="Cells along a side at full size.")] = 256,
    full_epochs: Annotated[
        int | None,
        typer.Option(
            help="Optimiser steps at full size; those of `petri grow` if left out.", min=1, show_default=False
        ),
    ] = None,
    show: Annotated[
        str | None, typer.Option(help="Name of a study to show, without a search.", show_default=False)
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables as Markdown.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for plots and for runs at full size.")] = Path("runs"),
    device: Device = "auto",
) -> None:
    """Find the architecture that grows TARGET best.

    Many short trainings, each chosen by what those before have shown.

    Ctrl-C stops, the same command goes on. The same command on other machines, with the same --storage, joins
    in. The best few are trained again with other seeds before one is called the best.
    """
    from petri.search.storage import LOCAL, connect, in_use

    url = storage or LOCAL
    if show is not None:
        allow_only(
            context, ("show", "storage", "markdown", "out"), "--show only shows what a study has found"
        )
        from petri.search.study import Study

        with in_use():
            _conclude(Study(connect(url, create=False), show), out, markdown)
        return
    if target is None:
        raise BadRequest("say what to search for: petri search TARGET, or --show STUDY")

    from petri import devices
    from petri.search import space as spaces
    from petri.search.agenda import Agenda
    from petri.search.study import Study

    chosen = spaces.find(space)
    devices.choose(device)
    recipe = _recipe(target, res, epochs, settings or [])
    if chosen.configuration_of(recipe) is None:
        raise BadRequest(
            f"the space {chosen.name!r} chooses {', '.join(chosen.choices)}: leave them out of --set"
        )
    if promote:
        from petri.search.promotion import full_size

        full_size(recipe, res=full_res, epochs=full_epochs)  # refused now, not after the search
    with in_use():
        joined = Study.join(connect(url, create=True), study or _name(recipe, space), chosen, recipe)
        joined.recipe = dataclasses.replace(joined.recipe, target=recipe.target)
        agenda = Agenda(chosen, joined.recipe.seed, joined.first, trials, seeds)
        _search(joined, agenda, url, workers, device)
        _conclude(joined, out, markdown)
        if promote:
            _promote(joined, promote, full_res, full_epochs, out, device)


def _recipe(target: str, res: int, epochs: int, settings: list[str]) -> Recipe:
    """How a trial trains: in one phase, as the report's proxies did; its architecture is tried first."""
    from petri import targets
    from petri.tasks.catalogue import reports_architecture
    from petri.training.presets import figure_phase, make_recipe, phase

    drawn = targets.load(target, res)
    trial = figure_phase(drawn, epochs) if drawn.transparent else phase(res, epochs)
    file = {"phases": [trial], "spec": reports_architecture(target)}
    return make_recipe(drawn, target, res=res, file=file, settings=settings)


def _name(recipe: Recipe, space: str) -> str:
    from petri.training.runs import slug

    return slug(recipe) + (f"-{space}" if space != "report" else "")


def _search(study: Study, agenda: Agenda, url: str, workers: int, device: str) -> None:
    """Have workers train what is left to be trained."""
    from nca_cli.search_tables import SearchDisplay
    from petri.console import interruptible, out
    from petri.engine import native_status
    from petri.search.crew import Crew, Order

    _introduce(study, agenda)
    if agenda.is_done(study.trials()):
        return
    with out.status("compiling the native step for this machine, once"):
        native_status()
    order = Order(url, study.name, study.recipe.target, agenda, device, workers)
    with SearchDisplay(study, agenda, workers) as display, interruptible(display):
        with Crew(order) as crew:
            replaced = 0
            while crew.is_busy() and not display.stopping:
                display.show()
                if crew.replaced > replaced:
                    replaced = crew.replaced
                    display.note("a worker was killed; another one has taken its place")
                time.sleep(LOOK)
            display.show()
        display.show()
    if display.stopping:
        out.print("\nstopped; the same command goes on")
        raise typer.Exit(130)


def _introduce(study: Study, agenda: Agenda) -> None:
    from petri.console import out

    size = f"{study.space.size} configurations" if study.space.size else "a wide space"
    recipe = study.recipe
    out.say(
        (recipe.name, "bold"),
        f" · {agenda.wanted} of {size} · {recipe.res}×{recipe.res} cells · {recipe.epochs:,} epochs · "
        f"study {study.name}",
    )
    count = agenda.left(study.trials())
    if count and agenda.seeds:
        out.say(
            f"{count} trainings to do: each configuration once, then the best few again "
            f"with {agenda.seeds} other seeds (--seeds)"
        )


def _conclude(study: Study, folder: Path, markdown: bool) -> None:
    """Print what was found, and draw it."""
    from nca_cli.search_tables import conclude, reference_name
    from petri.console import out
    from petri.search.plots import save_front, save_history
    from petri.search.results import findings

    tried = study.trials()
    if not tried:
        raise BadRequest(f"the study {study.name!r} has no trials yet")
    if not markdown:
        out.print()
    conclude(study, tried, markdown=markdown)
    title = f"{study.name} · {study.recipe.res}² cells, {study.recipe.epochs} epochs"
    history, front = (folder / f"{study.name}-{plot}.png" for plot in ("history", "front"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_history(history, title, tried, seed=study.recipe.seed)
        save_front(front, title, findings(study, tried), reference=reference_name(study))
    except OSError as error:
        raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
    if not markdown:
        out.say("\n", (str(history), "bold"), "  the trials in order")
        out.say((str(front), "bold"), "  loss against parameters")


def _promote(study: Study, count: int, res: int, epochs: int | None, folder: Path, device: str) -> None:
    """Train the best at full size, or go on with that, and keep the best of them."""
    from nca_cli import running
    from petri.console import duration, out, table
    from petri.search.promotion import keep_best, outcome, promotions
    from petri.search.results import candidates, findings

    outcomes = []
    for promotion in promotions(study, candidates(findings(study)), count, res=res, epochs=epochs):
        done = outcome(promotion, folder)
        if done is None:
            out.print()
            place = folder / promotion.name
            if place.exists():
                running.resume_run(place, device)
            else:
                running.start_run(promotion.recipe, (), device, "auto", folder, promotion.name)
            done = outcome(promotion, folder)
            if done is None:
                raise RunFailed(f"{place} has not come to its end")
        outcomes.append(done)
    shown = table("at full size", "loss", "time", "run", text=("run",))
    for done in sorted(outcomes, key=lambda done: done["loss"]):
        shown.add_row(done["configuration"], f"{done['loss']:.4f}", duration(done["seconds"]), done["run"])
    out.print()
    out.print(shown)
    kept = keep_best(study, outcomes, folder)
    out.say("\n", (str(kept), "bold"), "  the best of them, one run each")
    out.say(f"Watch it grow:  petri play {quoted(kept)}")

"""What `petri search` shows: the trials as they come, and in the end what was found."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from petri.console import Display, duration, grid, out, table
from petri.search.results import Finding, best, findings, importance
from petri.search.trials import DONE, FAILED, LOST, PRUNED, RUNNING, Tried
from petri.verdict import APART

if TYPE_CHECKING:
    from rich.console import RenderableType

    from petri.search.agenda import Agenda
    from petri.search.study import Study

LEADERS = 5  # configurations shown while the search goes on


class SearchDisplay(Display):
    """Draws a search: what is under way, what was best, what is left; or a line for each trial that ends."""

    def __init__(self, study: Study, agenda: Agenda, workers: int) -> None:
        super().__init__()
        self.study, self.agenda = study, agenda
        self.workers = workers  # of this machine
        self._told: set[int] = {trial.number for trial in study.trials() if trial.state != RUNNING}

    def show(self) -> None:
        """Draw the search as the storage has it."""
        tried = self.study.trials()
        if self._live:
            self._live.update(self._render(tried), refresh=True)
            return
        for trial in tried:
            if trial.state != RUNNING and trial.number not in self._told:
                self._told.add(trial.number)
                left = self._seconds_left(tried)
                said = f", {duration(left)} left" if left else ""
                out.print(f"{_name(trial, self.agenda)}: {_end(trial)}{said}", soft_wrap=True)

    def _seconds_left(self, tried: list[Tried]) -> float:
        """At the pace of all workers there are; 0 if it is not known."""
        timed = [trial.seconds for trial in tried if trial.seconds]
        workers = len({trial.worker for trial in tried if trial.state == RUNNING})
        each = statistics.fmean(timed) if timed else 0.0
        return self.agenda.left(tried) * each / max(workers, self.workers)

    def _render(self, tried: list[Tried]) -> RenderableType:
        begun, wanted = len(self.agenda.begun(tried)), self.agenda.wanted
        counts = {
            state: sum(trial.state == state for trial in tried) for state in (DONE, PRUNED, FAILED, LOST)
        }
        left = self._seconds_left(tried)
        under_way = table("under way", "epoch", "loss")
        for trial in tried:
            if trial.state == RUNNING:
                epochs = self.study.recipe.epochs
                under_way.add_row(
                    _name(trial, self.agenda), f"{trial.epoch or '–'} of {epochs}", _loss(trial.loss)
                )
        leading = table("best so far", "loss", "parameters")
        for one in findings(self.study, tried)[:LEADERS]:
            if one.first.state == DONE:
                leading.add_row(one.configuration.describe(), _measured(one), f"{one.parameters:,}")
        whole = Table.grid(padding=(0, 0))
        whole.add_row(Text(self.study.name, "bold"))
        whole.add_row(ProgressBar(total=wanted, completed=min(begun, wanted), width=40))
        whole.add_row(
            grid(
                ("configurations", f"{begun} of {wanted}"),
                ("trials", ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "–"),
                ("left", duration(left) if left else "–"),
            )
        )
        for part in (under_way, leading):
            if part.row_count:
                whole.add_row("")
                whole.add_row(part)
        whole.add_row("")
        whole.add_row(
            Text("Stopping." if self.stopping else "Ctrl-C stops; the same command goes on.", "dim")
        )
        return whole


def conclude(study: Study, tried: list[Tried], *, markdown: bool = False) -> None:
    """Print what a study has found so far."""
    found = findings(study, tried)
    rows = [_row(one, found) for one in found]
    columns = ("configuration", "loss", "other seeds", "verdict", "parameters", "time")
    if markdown:
        print(_markdown(columns, rows))
    else:
        shown = table(*columns, text=("verdict",))
        for row in rows:
            shown.add_row(*row)
        out.print(shown)
    shares = importance(study)
    say = print if markdown else out.say
    say("")
    say(f"Loss: pattern + ½ stability + ⅒ overflow, from the seed, at {study.recipe.res}² after "
        f"{study.recipe.epochs:,} epochs; other seeds: mean ± standard deviation.")  # fmt: skip
    if any(one.is_reference for one in found):
        say(f"* {reference_name(study)}.")
    if shares:
        say("Importance: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + ".")
    if study.space.size == len(found):
        say(f"All {study.space.size} configurations of the space {study.space.name!r} have been tried.")
    say(_verdict(found, study))
    for done in study.promoted:
        took = duration(done["seconds"])
        say(f"At full size: {done['configuration']}: loss {done['loss']:.4f}, {took}, run {done['run']}")


def reference_name(study: Study, the: str = "the") -> str:
    """What the configuration that was tried first is called."""
    from petri.tasks.catalogue import TABLE_4

    return f"{the} report's Table 4" if study.recipe.name in TABLE_4 else f"{the} default"


def _verdict(found: list[Finding], study: Study) -> str:
    """What may be said of the best, one or two sentences."""
    top = best(found)
    if top is None:
        return (
            "Nothing can be called the best yet: no configuration was trained with two or more other seeds."
        )
    level = [one for one in found if one is not top and one.against(top) == APART]
    said = f"Least loss over other seeds: {top.configuration.describe()}"
    if level:
        said += ", which cannot be told apart from " + "; ".join(
            one.configuration.describe() for one in level
        )
    reference = next((one for one in found if one.is_reference and one is not top), None)
    if reference and reference.again:
        said += f". {reference_name(study, 'The')}: {reference.against(top)}"
    return said + "."


def _row(one: Finding, found: list[Finding]) -> list[str]:
    top = best(found)
    first = one.first
    if first.state == DONE:
        said = one.against(top) if top else ""
    else:
        said = f"pruned at {first.epoch}" if first.state == PRUNED else _end(first)
        if one.again and top:
            said += f", {one.against(top)}"
    return [
        one.configuration.describe() + " *" * one.is_reference,
        _loss(first.loss),
        f"{one.mean:.4f} ± {one.spread:.4f} ({len(one.again)})" if one.again else "",
        said,
        f"{one.parameters:,}",
        duration(one.seconds) if one.seconds else "–",
    ]


def _name(trial: Tried, agenda: Agenda) -> str:
    seed = f", seed {trial.job.seed}" if trial.job.seed != agenda.seed else ""
    return f"{trial.number}  {trial.job.configuration.describe()}{seed}"


def _end(trial: Tried) -> str:
    """How a trial has ended."""
    return {
        DONE: f"loss {_loss(trial.loss)}, {duration(trial.seconds)}",
        PRUNED: f"pruned at epoch {trial.epoch}, loss {_loss(trial.loss)}",
        FAILED: f"failed: {trial.reason}",
        LOST: "stopped, to be trained again" if trial.stopped else "its worker vanished; to be trained again",
        RUNNING: "under way",
    }[trial.state]


def _loss(loss: float) -> str:
    return "–" if math.isnan(loss) else f"{loss:.4f}"


def _measured(one: Finding) -> str:
    return f"{one.mean:.4f} ± {one.spread:.4f}" if one.again else _loss(one.first.loss)


def _markdown(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

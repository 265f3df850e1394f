"""The catalogue of the shipped models: what each is and how good, read from its file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from petri import ground, modelfile, models
from petri.files import write_whole
from petri.growth.catalogue import TABLE_5, reports_architecture
from petri.modelfile import Model
from petri.shaders.manifest import healed, heals, thumbnail

PICTURES = "pictures"
INTRODUCTION = """# Models that come with petri

`petri play spiral`, `petri view` and `petri evaluate spiral` take them by name; `make models` trains them
from nothing and writes this page from their files. Each holds its recipe and what was measured of it: the
loss is pattern + ½ stability + ⅒ overflow over RGB, from the seed, the mean of eight fire seeds, beside the
report's at 256²; drift is the pattern loss after 2,000 steps; healed is the share of a cut circle's damage
that is gone 300 steps later. A dash: not measured. A star: not the cell of the report's Table 4.
[Results](../docs/results.md) has more, and which of them an earlier recipe made.
"""


@dataclass(frozen=True)
class Entry:
    """A shipped model, and what was measured of it; None where it was not."""

    name: str
    model: Model
    bytes: int
    loss: float | None  # the report's, over RGB
    report: float | None  # what the report's own had, at 256²
    drift: float | None  # the pattern loss after the last of the steps looked at
    healed: float | None  # percent, of a circle that was cut out
    trained_to_heal: bool | None
    seconds: int | None  # of training

    @property
    def starred(self) -> str:
        """The name; with a star if the cell is not the report's."""
        theirs = reports_architecture(self.name)
        spec = self.model.automaton.spec
        return self.name + "*" * any(getattr(spec, name) != value for name, value in theirs.items())


def entries() -> list[Entry]:
    """Every shipped model, by name."""
    return [_entry(name, models.find(name)) for name in models.names()]


def _entry(name: str, path: Path) -> Entry:
    model = modelfile.read(path)
    training = model.training
    measured = training.get("evaluation", {})
    return Entry(
        name=name,
        model=model,
        bytes=path.stat().st_size,
        loss=measured["loss"]["rgb"]["loss"] if measured else training.get("loss", {}).get("loss"),
        report=TABLE_5.get(name),
        drift=measured["drift"][-1]["loss"] if measured else None,
        healed=healed(model),
        trained_to_heal=heals(model),
        seconds=training.get("seconds"),
    )


def write_catalogue(folder: Path) -> None:
    """Write README.md and the pictures in it."""
    (folder / PICTURES).mkdir(exist_ok=True)
    rows = []
    for entry in entries():
        picture = f"{PICTURES}/{entry.name}.webp"
        drawn = thumbnail(entry.model, ground.of(entry.model))
        write_whole(folder / picture, base64.b64decode(drawn.split(",")[1]))
        rows.append(_row(entry, picture))
    head = (
        "| | model | cell | parameters | kB | grid | loss | the report's | drift | trained to heal | healed "
        "| training, min |"
    )
    line = "|" + "---|" * head.count(" | ") + "---|"
    write_whole(folder / "README.md", "\n".join([INTRODUCTION, head, line, *rows]) + "\n")


def _row(entry: Entry, picture: str) -> str:
    spec, model = entry.model.automaton.spec, entry.model
    figures = [
        f"![{entry.name}]({picture})", entry.starred, spec.describe(), f"{spec.parameters:,}",
        f"{entry.bytes / 1e3:.0f}", f"{model.res}²", figure(entry.loss), figure(entry.report, ".3f"),
        figure(entry.drift), "yes" if entry.trained_to_heal else "no", figure(entry.healed, ".0f", " %"),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip
    return "| " + " | ".join(figures) + " |"


def figure(value: float | None, form: str = ".4f", unit: str = "") -> str:
    """A figure as it is shown; a dash for none."""
    return "–" if value is None else f"{value:{form}}{unit}"

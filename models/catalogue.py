"""The catalogue of the shipped models: what each is and how good, read from its file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petri import ground, modelfile, models, worn
from petri.files import write_whole
from petri.modelfile import Model
from petri.nca import Spec
from petri.shaders.manifest import healed, heals, thumbnail
from petri.tasks.catalogue import TABLE_5, reports_architecture

PICTURES = "pictures"
INTRODUCTION = """# Models that come with petri

`petri play spiral`, `petri view` and `petri evaluate spiral` take them by name; `make models` trains petri's
own from nothing and writes this page from their files. Each holds its recipe and what was measured of it.

## Figures

They grow from a dot, with the living mask. The likeness is the PSNR of what is seen, on black or on white,
whichever is worse: the median of eight fire seeds and the worst of them. Standing: how many of them are there
after 5,000 steps. Healed is the share of the damage of a cut circle, a quarter of the grid, that is gone 300
steps later. Emoji are drawn after Google's Noto (SIL OFL 1.1). An earlier default made the lizard; the
butterfly had 48,000 epochs, and 8,000 more with larger wounds
([figures](../docs/notes/2026-11-26-figures.md)).

Where the grid has an arrow, a [decoder](../docs/decoder.md) paints the figure at any size. Its likeness is
that of as many pixels as it was trained at, and so not to be compared with that of cells. `logo-painted` had
41,000 epochs without damage before those that stand here, of three quarters of an hour.
"""
SEVERAL = """
## Several in one

One rule grows each of them, told which, and changes one into another: `petri play MODEL --target 🦋`. The
likeness is that of the least like of its targets, and healed is the mean of all. Changed is the share of
the difference between two targets that is gone 300 steps after the other was asked for, of all pairs.
Emoji are Noto's here too. `five` was trained in three parts ([many targets](../docs/many.md)); a lost half of
its figures heals by 95 %, a circle of a quarter of the grid, which leaves them in pieces, far less.
"""
PLANES = """
## Patterns

They fill the plane. The loss is pattern + ½ stability + ⅒ overflow over RGB, from the seed, the mean of
eight fire seeds, beside that of [the report](../docs/report.md) at 256²; drift is the pattern loss after
2,000 steps; healed is the share of a cut circle's damage that is gone 300 steps later. A dash: not
measured. A star: not the cell of the report's Table 4. [The notes](../docs/notes/2026-11-23-models.md)
have more, and which of them an earlier recipe made.
"""
CLASSIFIERS = """
## Classifiers

Every cell of a picture votes on what it shows, and together they agree; [how](../docs/classify.md).
Recognised: of all test pictures, by the mean of the votes, after so many steps from nothing on; changed: of
those that a picture became after 150 steps, 150 steps later. The sample pictures in the file of `mnist` are
MNIST's (Yann LeCun, Corinna Cortes, Christopher J. C. Burges; CC BY-SA 3.0).
"""
TEXTURES = """
## Textures

They weave a plane of any size from noise, without a seam, like a picture of which a square was theirs to
learn (`petri targets`; brick and gravel are CC0, from scikit-image's data). Way is the share of the way from
other squares of that picture to its pixels in random order, by layers of VGG16 that training did not look at:
below 0 % a texture is more like its square than the others are. Healed is the share of what an emptied half
takes that is gone 300 steps later. A decoder paints the maps of a [material](../docs/materials.md), at any
size; it is judged by the albedo.
"""
COATS = """
## Colourings of meshes

They colour a mesh from its topmost vertex on, hold the colours and heal; [how](../docs/mesh.md). The sphere
is made anew whenever one is asked for, `petri play MODEL --mesh FILE` colours another mesh, and the page
one that is dropped on it. The likeness is the PSNR of the colours, the mean of eight rollouts. Healed is
the share of what an emptied patch takes, the quarter of the vertices that lies nearest a random one, that
is gone as many steps later as it had to grow.
"""
WORN = """
## Textures for meshes

They were woven on a sphere and are worn by any mesh: `petri mesh wear mesh-scales bunny.obj --out worn.glb`.
Way is as above, of views of the sphere, as the training measured it. On
[other meshes](../docs/mesh.md#what-a-sense-is-worth-to-a-texture). The picture is petri's own.
"""
PUBLISHED = """
## Textures that others published

They weave a plane of any size from an empty one, and petri did not train them: `petri import textures` read
them from the atlas of *Self-organising Textures* (Eyvind Niklasson, Alexander Mordvintsev, Ettore Randazzo,
Michael Levin, Distill 2021), github.com/distillpub/post--selforg-textures, `public/demo/models.json`. They
are under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), as each file says; the weights are the
authors', in petri's order.
"""


@dataclass(frozen=True)
class Entry:
    """A shipped model, and what was measured of it; None where it was not."""

    name: str
    model: Model
    bytes: int
    loss: float | None  # the report's, of what is seen
    report: float | None  # what the report's own had, at 256²
    looks: list[dict[str, Any]]  # what was measured after so many steps; the last is the longest
    healed: float | None  # percent, of a circle that was cut out
    trained_to_heal: bool | None
    seconds: int | None  # of training

    @property
    def published(self) -> bool:
        """Whether others trained it."""
        return self.model.training.get("imported") is True

    @property
    def starred(self) -> str:
        """The name; with a star if the cell is not the report's."""
        theirs = reports_architecture(self.name)
        spec, reports = self.model.automaton.spec, Spec.of(**theirs)
        return self.name + "*" * ((spec.senses, spec.rule) != (reports.senses, reports.rule))


def entries() -> list[Entry]:
    """Every shipped model, by name."""
    return [_entry(name, models.find(name)) for name in models.names()]


def _entry(name: str, path: Path) -> Entry:
    model = worn.on_its_mesh(modelfile.read(path), path.parent)
    training = model.training
    measured = training.get("evaluation", {})
    return Entry(
        name=name,
        model=model,
        bytes=path.stat().st_size,
        loss=_loss(measured, training),
        report=TABLE_5.get(name),
        looks=measured.get("drift", []),
        healed=healed(model),
        trained_to_heal=heals(model),
        seconds=training.get("seconds"),
    )


def _loss(measured: dict[str, Any], training: dict[str, Any]) -> float | None:
    """The loss that a file says, of the evaluation if it has one; the first files called it RGB's."""
    losses = measured.get("loss", {})
    return (losses.get("seen") or losses.get("rgb") or training.get("loss", {})).get("loss")


def write_catalogue(folder: Path) -> None:
    """Write README.md and the pictures in it."""
    (folder / PICTURES).mkdir(exist_ok=True)
    found = entries()
    for entry in found:
        drawn = thumbnail(entry.model, ground.of(entry.model))
        write_whole(folder / _picture(entry), base64.b64decode(drawn.split(",")[1]))
    published = [entry for entry in found if entry.published]
    own = [entry for entry in found if not entry.published]
    several = [entry for entry in own if entry.model.conditions]
    classifiers = [entry for entry in own if entry.model.classes]
    coats = [entry for entry in own if entry.model.task == "surface"]
    worn_ones = [entry for entry in own if entry.model.task == "wear"]
    others = several + classifiers + coats + worn_ones
    alone = [entry for entry in own if entry not in others]
    living = [entry for entry in alone if entry.model.automaton.spec.living]
    woven = [entry for entry in alone if entry.model.task in ("texture", "material")]
    planes = [entry for entry in alone if entry not in living and entry not in woven]
    figures = _table(
        "| | model | what | cell | kB | grid | dB after 160 steps | after 5,000 | standing | trained to heal "
        "| healed | training, min |",
        [_figure_row(entry) for entry in living],
    )
    patterns = _table(
        "| | model | cell | parameters | kB | grid | loss | the report's | drift | trained to heal | healed "
        "| training, min |",
        [_row(entry) for entry in planes],
    )
    together = _table(
        "| | model | targets | cell | kB | grid | dB after 160 steps | after 5,000 | healed | changed "
        "| training, min |",
        [_several_row(entry) for entry in several],
    )
    parts = [INTRODUCTION, *figures, *([SEVERAL, *together] if several else []), PLANES, *patterns]
    if classifiers:
        head = "| | model | cell | parameters | kB | grid | recognised | changed | training, min |"
        parts += [CLASSIFIERS, *_table(head, [_classifier_row(entry) for entry in classifiers])]
    if woven:
        head = (
            "| | model | cell | parameters | kB | grid | way after 64 steps | after 5,000 "
            "| on a grid four times as large | half healed | training, min |"
        )
        parts += [TEXTURES, *_table(head, [_texture_row(entry) for entry in woven])]
    if coats:
        head = (
            "| | model | mesh | cell | parameters | kB | vertices | dB when grown | after 20 times the steps "
            "| patch healed | half healed | training, min |"
        )
        parts += [COATS, *_table(head, [_coat_row(entry) for entry in coats])]
    if worn_ones:
        head = "| | model | mesh | cell | parameters | kB | vertices | way after 128 steps | training, min |"
        parts += [WORN, *_table(head, [_worn_row(entry) for entry in worn_ones])]
    if published:
        head = "| | model | in the atlas | cell | parameters | kB | licence |"
        parts += [PUBLISHED, *_table(head, [_published_row(entry) for entry in published])]
    write_whole(folder / "README.md", "\n".join(parts) + "\n")


def _table(head: str, rows: list[list[str]]) -> list[str]:
    line = "|" + "---|" * head.count(" | ") + "---|"
    return [head, line, *("| " + " | ".join(row) + " |" for row in rows)]


def _picture(entry: Entry) -> str:
    return f"{PICTURES}/{entry.name}.webp"


def _grid(model: Model) -> str:
    """Cells along a side, and pixels of what a decoder was trained to paint."""
    return f"{model.res}²" + (f" → {model.pixels}²" if model.spec.decoder else "")


def _row(entry: Entry) -> list[str]:
    spec, model = entry.model.automaton.spec, entry.model
    return [
        f"![{entry.name}]({_picture(entry)})", entry.starred, spec.describe(), f"{spec.parameters:,}",
        f"{entry.bytes / 1e3:.0f}", _grid(model), figure(entry.loss), figure(entry.report, ".3f"),
        figure(entry.looks[-1]["loss"] if entry.looks else None), "yes" if entry.trained_to_heal else "no",
        figure(entry.healed, ".0f", " %"), figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _figure_row(entry: Entry) -> list[str]:
    spec, model = entry.model.automaton.spec, entry.model
    looks = {look["steps"]: look for look in entry.looks}
    likeness = [
        f"{figure(look.get('median'), '.1f')} (worst {figure(look.get('worst'), '.1f')})"
        for look in (looks.get(160, {}), looks.get(5000, {}))
    ]
    last = looks.get(5000)
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, model.target, spec.describe(),
        f"{entry.bytes / 1e3:.0f}", _grid(model), *likeness,
        f"{last['standing']} of {last['seeds']}" if last else figure(None),
        "yes" if entry.trained_to_heal else "no", figure(entry.healed, ".0f", " %"),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _texture_row(entry: Entry) -> list[str]:
    spec, model = entry.model.spec, entry.model
    measured = model.training.get("evaluation", {})
    looks = (*measured.get("drift", ()), *measured.get("sizes", ()))
    ways = {(look["factor"], look["steps"]): look["way"] for look in looks}
    halves = (one["percent"] for one in _regeneration(entry) if one["kind"] == "half")
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, spec.describe(), f"{spec.parameters:,}",
        f"{entry.bytes / 1e3:.0f}", _grid(model),
        *(figure(ways.get(at), ".1f", " %") for at in ((1, 64), (1, 5000), (4, 500))),
        figure(next(halves, None), ".0f", " %"), figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _regeneration(entry: Entry) -> list[dict[str, Any]]:
    return entry.model.training.get("evaluation", {}).get("regeneration", [])


def _coat_row(entry: Entry) -> list[str]:
    looks = entry.looks
    regained = {one["kind"]: one["percent"] for one in _regeneration(entry)}
    return [
        *_mesh_cells(entry), figure(looks[0]["psnr"] if looks else None, ".1f"),
        figure(looks[-1]["psnr"] if looks else None, ".1f"),
        *(figure(regained.get(kind), ".1f", " %") for kind in ("patch", "half")),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _worn_row(entry: Entry) -> list[str]:
    mesh = entry.model.training["recipe"]["loss"]["mesh"]
    found = entry.model.training.get("worn", {}).get(mesh) or {}
    return [
        *_mesh_cells(entry), figure(found.get("way"), ".1f", " %"),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _mesh_cells(entry: Entry) -> list[str]:
    spec, model = entry.model.spec, entry.model
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, model.training["recipe"]["loss"]["mesh"],
        spec.describe(), f"{spec.parameters:,}", f"{entry.bytes / 1e3:.0f}", f"{model.nodes:,}",
    ]  # fmt: skip


def _published_row(entry: Entry) -> list[str]:
    spec, model = entry.model.spec, entry.model
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, model.target, spec.describe(),
        f"{spec.parameters:,}", f"{entry.bytes / 1e3:.0f}", model.training["licence"],
    ]  # fmt: skip


def _classifier_row(entry: Entry) -> list[str]:
    spec, model = entry.model.spec, entry.model
    measured = model.training.get("evaluation", {})
    recognised = [
        f"{100 * one['pictures']:.2f} % after {one['steps']}" for one in measured.get("readings", ())
    ]
    swap = measured.get("swap")
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, spec.describe(), f"{spec.parameters:,}",
        f"{entry.bytes / 1e3:.0f}", _grid(model), ", ".join(recognised) or figure(None),
        figure(swap and 100 * swap["after"], ".2f", " %"),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def _several_row(entry: Entry) -> list[str]:
    spec, model = entry.model.automaton.spec, entry.model
    measured = model.training.get("evaluation", {})

    def least(steps: int) -> float | None:
        """PSNR of the least like target's median."""
        looks = [look for one in measured.get("each", ()) for look in one["drift"] if look["steps"] == steps]
        return min((look["median"] for look in looks if look["median"] is not None), default=None)

    changed = [one["percent"] for one in measured.get("mutation", ())]
    mean = sum(changed) / len(changed) if changed and None not in changed else None
    return [
        f"![{entry.name}]({_picture(entry)})", entry.name, " ".join(model.conditions), spec.describe(),
        f"{entry.bytes / 1e3:.0f}", _grid(model), figure(least(160), ".1f"), figure(least(5000), ".1f"),
        figure(entry.healed, ".0f", " %"), figure(mean, ".1f", " %"),
        figure(entry.seconds and entry.seconds / 60, ".0f"),
    ]  # fmt: skip


def figure(value: float | None, form: str = ".4f", unit: str = "") -> str:
    """A figure as it is shown; a dash for none."""
    return "–" if value is None else f"{value:{form}}{unit}"

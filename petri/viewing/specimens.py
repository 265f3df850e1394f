"""Which models are shown: shipped ones by name, files, folders of files, and runs that are training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petri import modelfile, models
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.viewing.following import RECIPE, Follower
from petri.wording import readable

ENDING = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One model of a page."""

    name: str  # no other specimen has it, whatever the case of its letters
    model: Model
    run: Follower | None  # where its weights come from while it is training


def gather(places: list[str]) -> tuple[list[Specimen], list[str]]:
    """Read the models that are to be shown.

    Args:
        places: names of shipped models, model files, folders that hold some, and folders of runs; all the
            shipped ones if there is none.

    Returns:
        The models, in order, and a line about each file that cannot be read.

    Raises:
        BadRequest: there is not one model to show.
    """
    specimens: list[Specimen] = []
    problems: list[str] = []
    taken: set[str] = set()
    for place in places or models.names():
        try:
            sources = list(_sources(place))
        except BadRequest as error:
            problems.append(str(error))
            continue
        except (OSError, RuntimeError) as error:  # a folder that is closed, a name too long, ~nobody
            problems.append(f"{place} cannot be read: {getattr(error, 'strerror', None) or error}")
            continue
        for source in sources:
            try:
                if isinstance(source, Follower):
                    model, run, stem = source.model(), source, readable(source.folder.resolve().name)
                else:
                    model, run, stem = modelfile.read(source), None, _stem(source)
            except BadRequest as error:
                problems.append(str(error))
                continue
            specimens.append(Specimen(name=_free(stem, taken), model=model, run=run))
    if not specimens:
        raise BadRequest("; ".join(problems))
    return specimens, problems


def _sources(place: str) -> Iterator[Path | Follower]:
    folder = Path(place).expanduser() if place not in models.names() else None
    if folder is None or not folder.is_dir():
        yield models.find(place)
    elif (folder / RECIPE).is_file():
        run = Follower(folder)
        yield folder / models.MODEL if run.finished else run
    else:
        files = sorted(path for path in folder.glob(f"*{ENDING}") if not path.name.startswith("."))
        if not files:
            raise BadRequest(f"the folder {place} has no model: no {ENDING} file, and no run's {RECIPE}")
        yield from files


def _stem(path: Path) -> str:
    # A run's model is called as its folder, not "model".
    return readable(path.resolve().parent.name if path.name == models.MODEL else path.stem)


def _free(stem: str, taken: set[str]) -> str:
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name

"""Which models are shown: shipped ones by name, files, folders of files, and runs that are training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petri import modelfile, models
from petri.errors import BadRequest, NotAModel
from petri.modelfile import ENDING, Model
from petri.training import recipe
from petri.viewing.following import RECIPE, Follower
from petri.wording import readable
from petri.worn import on_its_mesh


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One model of a page."""

    name: str  # no other specimen has it, whatever the case of its letters
    model: Model
    run: Follower | None  # where its weights come from while it is training


def gather(places: list[str]) -> tuple[list[Specimen], list[str], list[str]]:
    """Read the models that are to be shown.

    Args:
        places: names of shipped models, model files, folders that hold some, and folders of runs; all the
            shipped ones if there is none.

    Returns:
        The models, in order; a line about each file that cannot be read; and of several places those that
        hold something else, such as the pictures among the runs.

    Raises:
        BadRequest: there is not one model to show.
    """
    specimens: list[Specimen] = []
    problems: list[str] = []
    skipped: list[str] = []
    taken: set[str] = set()

    def note(place: str, error: BadRequest) -> None:
        if isinstance(error, NotAModel) and len(places) > 1:
            skipped.append(place)
        else:
            problems.append(str(error))

    for place in places or models.names():
        try:
            sources = list(_sources(place))
        except BadRequest as error:
            note(place, error)
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
                folder = source.folder if isinstance(source, Follower) else source.parent
                model = on_its_mesh(model, folder)
            except BadRequest as error:
                note(place, error)
                continue
            specimens.append(Specimen(name=_free(stem, taken), model=model, run=run))
    if not specimens:
        raise BadRequest("; ".join(problems) or f"none of the {len(places)} is a model")
    return specimens, problems, skipped


def _sources(place: str) -> Iterator[Path | Follower]:
    folder = Path(place).expanduser() if place not in models.names() else None
    if folder is None or not folder.is_dir():
        yield models.find(place)
    elif (folder / RECIPE).is_file():
        if not _trains_an_automaton(folder / RECIPE):
            raise NotAModel(f"{place} is a run of another kind: its models are no automata")
        run = Follower(folder)
        yield folder / models.MODEL if run.finished else run
    else:
        files = sorted(path for path in folder.glob(f"*{ENDING}") if not path.name.startswith("."))
        if not files:
            raise NotAModel(f"the folder {place} has no model: no {ENDING} file, and no run's {RECIPE}")
        yield from files


def _trains_an_automaton(path: Path) -> bool:
    try:
        return "target" in recipe.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadRequest):
        return True  # the follower says what is wrong with it


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

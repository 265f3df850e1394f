"""A run's folder: made or opened by one process at a time, with the recipe in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from filelock import FileLock, Timeout

from petri import checks
from petri.errors import BadRequest
from petri.files import is_unfinished, remove_unfinished, write_whole

LOCK, RECIPE = ".lock", "recipe.toml"
Kind = TypeVar("Kind", bound="RunFolder")


class RunFolder:
    """What the folders of all kinds of runs have in common.

    Attributes:
        recipes: the class of the recipes, which have `to_toml` and `from_toml`.
        folder: where it is.
        recipe: how the run trains.
    """

    recipes: ClassVar[Any]

    def __init__(self, folder: Path, recipe: Any) -> None:
        self.folder = folder
        self.recipe = recipe
        self._lock = FileLock(folder / LOCK)

    @classmethod
    def make(
        cls: type[Kind], parent: Path, name: str | None, recipe: Any, *, default: str, room: int
    ) -> Kind:
        """Make a new folder for a run, with its recipe.

        Args:
            parent: folder that holds runs.
            name: of the folder; `default` if None, with a number if that is taken.
            recipe: written into it at once.
            default: a name.
            room: bytes that the run will need.

        Raises:
            BadRequest: the name is taken or unusable, another process makes this run now, the disk is too
                full or cannot be written.
        """
        if name is not None:
            checks.printable("name", name, 100)
            if not name.strip(". ") or set(name) & set('/\\:*?"<>|'):
                raise BadRequest(f"name must be that of a folder, without slashes and the like, got {name!r}")
        folder = parent / (name or default)
        number = 1
        try:
            parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(parent).free
            if free < room:
                raise BadRequest(
                    f"a run of this size needs {megabytes(room)} in {parent}, {megabytes(free)} are free"
                )
            while True:
                try:
                    folder.mkdir()
                    break
                except FileExistsError:
                    if name is not None:
                        if is_blank(folder):
                            break
                        raise BadRequest(
                            f"{folder} is there already: choose another --name, or --resume {folder}"
                        ) from None
                    number += 1
                    folder = parent / f"{default}-{number}"
            run = cls(folder, recipe)
            run._acquire()
            try:
                write_whole(run.path(RECIPE), recipe.to_toml())
            except BaseException:
                run.discard()
                raise
        except OSError as error:
            raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
        return run

    @classmethod
    def open(cls: type[Kind], folder: Path, *, lock: bool = True) -> Kind:
        """Open a run's folder to go on with it.

        Args:
            folder: of the run.
            lock: keep other processes out until it is closed.

        Raises:
            BadRequest: not a run, its recipe cannot be read, or another process works in it.
        """
        path = folder / RECIPE
        if not path.is_file():
            raise BadRequest(f"{folder} is not a run: it has no {RECIPE}")
        try:
            recipe = cls.recipes.from_toml(path.read_text(encoding="utf-8"))
        except (BadRequest, UnicodeDecodeError, OSError) as error:
            raise BadRequest(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        run = cls(folder, recipe)
        if lock:
            run._acquire()
        return run

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadRequest(f"{self.folder} is in use by another process") from None
        except OSError as error:
            raise BadRequest(f"cannot write to {self.folder}: {error.strerror or error}") from None
        remove_unfinished(self.folder)

    def close(self) -> None:
        """Let other processes have the folder."""
        self._lock.release()

    def discard(self) -> None:
        """Remove the folder: the run could not begin."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """A file of this run."""
        return self.folder / name


def is_blank(folder: Path) -> bool:
    """Whether it holds nothing but what a start leaves that was killed before it had written the recipe."""
    return folder.is_dir() and all(path.name == LOCK or is_unfinished(path) for path in folder.iterdir())


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.0f} MB"

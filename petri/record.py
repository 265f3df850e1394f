"""A file of results, each kept as soon as there is one, so that a command that was stopped goes on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from filelock import FileLock, Timeout

from petri import checks
from petri.errors import BadRequest
from petri.files import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Trial = TypeVar("Trial", bound="DataclassInstance")


class Record(Generic[Trial]):
    """A JSON file of what was asked and of the trials so far; it is made at once.

    No other process can open it until this one closes it or ends; a file `.NAME.lock` beside it sees to that.

    Args:
        path: of the file; its folder is made.
        asked: whatever must be the same for the trials to be of use; JSON values.
        same: whether what a file asked is the same; equal values if left out.
        restore: makes a trial from the fields that `asdict` gave, numbers that JSON has not as None; refuses
            with a BadRequest what no trial has.
        kind: what it is a record of, for messages.

    Raises:
        BadRequest: it cannot be written, is not such a record, is one of something else, or another process
            has it.

    Attributes:
        trials: in the order in which they were kept.
    """

    def __init__(
        self,
        path: Path,
        asked: dict[str, Any],
        restore: Callable[[dict[str, Any]], Trial],
        *,
        kind: str,
        same: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        self.path, self._asked = path, asked
        self._same = same or (lambda found: found == asked)
        self.trials: list[Trial] = []
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadRequest(f"{path} is in use by another process") from None
        except OSError as error:
            raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None
        try:
            self._begin(restore, kind)
        except BadRequest:
            self.close()
            raise

    def _begin(self, restore: Callable[[dict[str, Any]], Trial], kind: str) -> None:
        path = self.path
        if path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                self.trials = [restore(fields) for fields in found.pop("trials")]
                same = self._same(found)
            except BadRequest as error:  # of a value that a trial cannot have
                raise BadRequest(f"{path} is not a record of {kind}: {error}") from None
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise BadRequest(f"{path} is not a record of {kind}") from None
            if not same:
                raise BadRequest(f"{path} is of another recipe: choose another --out")
        try:
            self._write()  # it can be written, so nothing will be done in vain
        except OSError as error:
            raise BadRequest(f"cannot write {path}: {error.strerror or error}") from None

    def add(self, trial: Trial) -> None:
        """Keep a trial, a dataclass.

        Raises:
            OSError: the disk is full or cannot be written; what was there before is as it was.
        """
        self.trials.append(trial)
        self._write()

    def close(self) -> None:
        """Let other processes have it."""
        self._lock.release()

    def _write(self) -> None:
        whole = {**self._asked, "trials": [plain(asdict(trial)) for trial in self.trials]}
        write_whole(self.path, json.dumps(whole, indent=1))


def not_none(value: float | None) -> float:
    """A number as `Record` gives it back: not a number where it was not finite.

    Raises:
        BadRequest: it is no number, and not None either.
    """
    return (
        math.nan if value is None else checks.number("a loss", value, -sys.float_info.max, sys.float_info.max)
    )


def plain(value: Any) -> Any:
    """The same as JSON can hold it: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

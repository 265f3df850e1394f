"""Checks of single values; each refuses with the thing, the constraint and the value."""

from __future__ import annotations

import unicodedata
from typing import Any

from petri.errors import BadRequest


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number in `low..high`, as it is.

    Raises:
        BadRequest: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"{name} must be a whole number in {low}..{high}, got {value!r}")
    return value


def number(name: str, value: Any, low: float, high: float, *, low_open: bool = False) -> float:
    """A number from `low` (or, if `low_open`, above it) to `high`, as a float.

    Raises:
        BadRequest: it is none.
    """
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not fits or (low_open and value == low):
        raise BadRequest(f"{name} must be in {'(' if low_open else '['}{low:g}, {high:g}], got {value!r}")
    return float(value)


def truth(name: str, value: Any) -> bool:
    """True or false, as it is.

    Raises:
        BadRequest: it is neither.
    """
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false, got {value!r}")
    return value


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of `choices`, as it is.

    Raises:
        BadRequest: it is none.
    """
    if value not in choices:
        raise BadRequest(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def printable(name: str, value: Any, longest: int = 5000) -> str:
    """A text that a terminal can be given: not empty, not too long, without control characters.

    Raises:
        BadRequest: it is none.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise BadRequest(f"{name} must be a text of 1 to {longest} characters, got {value!r:.60}")
    if any(unicodedata.category(letter) == "Cs" for letter in value):
        raise BadRequest(f"{name} must be text in UTF-8, got {value!r}")
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise BadRequest(f"{name} must have no control characters, got {value!r}")
    return value

"""TOML as the plain values that recipes are made of."""

from __future__ import annotations

import sys
from typing import Any

from petri.errors import BadRequest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEEPEST = 32  # tables and lists within each other; a recipe has three
LONGEST = 2**63  # whole numbers beyond are none in TOML, and Python does not print those of 5,000 digits


def parse(text: str) -> dict[str, Any]:
    """A recipe's text as plain values.

    Raises:
        BadRequest: it is no TOML, or such as no recipe is.
    """
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number too long, of tables too deep
        raise BadRequest(f"the recipe is not TOML: {error}") from None
    level: list[Any] = [fields]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inner(value)]
        for value in level:
            if isinstance(value, int) and not -LONGEST <= value < LONGEST:
                raise BadRequest("the recipe is not TOML: it has a whole number of more than 64 bits")
    if level:
        raise BadRequest(f"the recipe has tables or lists more than {DEEPEST} deep")
    return fields


def _inner(value: Any) -> list[Any]:
    """What a table or a list holds."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []

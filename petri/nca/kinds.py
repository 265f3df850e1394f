"""Kinds: the small frozen dataclasses that a Spec is composed of, as tables of a file.

Each kind stands in a plain dict by its name. A table names its kind and its fields; a field that is missing
takes its default, and a kind or a field that is unknown is refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from petri.errors import BadRequest, nearest


def name_of(kind: Any, known: Mapping[str, type]) -> str:
    """The name of an object's kind in the dict that holds it.

    Raises:
        BadRequest: the dict has another class by now, such as that of a notebook's cell that was run again.
    """
    for name, cls in known.items():
        if cls is type(kind):
            return name
    raise BadRequest(f"{type(kind).__name__} is no longer one of the kinds {', '.join(known)}: {kind!r}")


def to_table(kind: Any, known: Mapping[str, type]) -> dict[str, Any]:
    """A kind as plain values: its name as `kind`, and all its fields."""
    fields = {field.name: getattr(kind, field.name) for field in dataclasses.fields(kind)}
    return {"kind": name_of(kind, known)} | {
        name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()
    }


def from_table(what: str, table: Any, known: Mapping[str, type], default: str) -> Any:
    """A kind from its table.

    Args:
        what: the field of the Spec, for messages.
        table: plain values by name; or a kind, which is given back.
        known: the kinds there are.
        default: the kind of a table that names none.

    Raises:
        BadRequest: no table, a kind or a field that is unknown, or a value out of range.
    """
    if type(table) in known.values():
        return table
    if not isinstance(table, Mapping):
        raise BadRequest(f"{what} must be a table, got {table!r}")
    fields = dict(table)
    kind = fields.pop("kind", default)
    if not isinstance(kind, str) or kind not in known:
        raise BadRequest(
            f"{what} is of an unknown kind {kind!r}{nearest(str(kind), known)}; there are {', '.join(known)}"
        )
    names = [field.name for field in dataclasses.fields(known[kind])]
    for name in fields:
        if name not in names:
            raise BadRequest(f"{what} ({kind}) has an unknown field {name!r}{nearest(name, names)}")
    for field in dataclasses.fields(known[kind]):
        if field.name not in fields and field.default is field.default_factory is dataclasses.MISSING:
            raise BadRequest(f"{what} ({kind}) lacks the field {field.name!r}")
    # What a kind holds can be hashed, so a list was a tuple.
    return known[kind](**{name: _tuple(value) for name, value in fields.items()})


def _tuple(value: Any) -> Any:
    return tuple(_tuple(inner) for inner in value) if isinstance(value, list) else value

"""Names of senses for people: `learned+dilated`, `conv3+conv5d2`.

Words joined by `+`, each a sense:

- `identity`, `sobel`, `laplacian`: fixed filters (`sobel` and `laplacian` see the cell itself, too); together
  they are one bank, in which each filter stands once;
- `learned`, `learned5`: a bank that starts as `sobel` and is trained, 3×3 or 5×5;
- `dilated`: Sobel from cells two away, beside a near bank, which is `sobel` if no other is named;
- `conv3`, `conv5d2`, `attention3`, `deformable3`, `residual3`: the size, after `d` the dilation,
  after `w` the width, which is the rule's hidden width if it is left out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from petri.errors import BadRequest, nearest
from petri.nca import kinds
from petri.nca.senses import SENSES
from petri.nca.senses.sense import Sense, on_graph
from petri.nca.senses.stencil import SLOPES, Stencil

FIXED = {"identity": ("identity",), "sobel": SLOPES, "laplacian": ("identity", "laplacian")}
PERCEPTIONS = ("sobel", "learned", "dilated", "learned+dilated")  # those of the report
PATTERN = re.compile(r"([a-z_]+)([0-9]{1,9})?(?:d([0-9]{1,9}))?(?:w([0-9]{1,9}))?")
MARKS = {"size": "", "dilation": "d", "width": "w"}  # what a number stands behind, in their order


def parse(text: str, *, width: int) -> tuple[Sense, ...]:
    """The senses that a name stands for.

    Args:
        text: words joined by `+`.
        width: features of a sense whose word does not say how many.

    Raises:
        BadRequest: an unknown word (the nearest is named), one that stands twice, or a value out of range.
    """
    words = [word.strip() for word in text.split("+")]
    senses: list[Sense] = []
    for number, word in enumerate(words):
        if word in words[:number]:
            raise BadRequest(f"perception names {word!r} twice, got {text!r}")
        if word in FIXED:
            _add_fixed(senses, FIXED[word])
        elif word == "dilated":
            if not any(name in FIXED or name.startswith("learned") for name in words):
                _add_fixed(senses, SLOPES)
            senses.append(Stencil(dilation=2))
        else:
            senses.append(_parse(word, width, text))
    return tuple(senses)


def name(senses: Sequence[Sense], *, width: int) -> str:
    """The name of senses; `parse` reads it back where `is_name` says so, and never as other senses."""
    text = "+".join(sense.word(width) for sense in senses)
    for short in (text.replace("sobel+dilated", "dilated"), text):
        if is_name(short, senses, width=width):
            return short
    if _is_any(text, width=width):
        return "+".join(f"{kinds.name_of(sense, SENSES)}({sense.word(width)})" for sense in senses)
    return text


def is_name(text: str, senses: Sequence[Sense], *, width: int) -> bool:
    """Whether `parse` makes exactly these senses of a name."""
    return _is_any(text, width=width) and parse(text, width=width) == tuple(senses)


def _is_any(text: str, *, width: int) -> bool:
    try:
        parse(text, width=width)
    except BadRequest:
        return False
    return True


def _add_fixed(senses: list[Sense], filters: tuple[str, ...]) -> None:
    for place, sense in enumerate(senses):
        if isinstance(sense, Stencil) and not sense.trained and sense.dilation == 1:
            more = tuple(each for each in filters if each not in sense.filters)
            senses[place] = Stencil(filters=sense.filters + more)
            return
    senses.append(Stencil(filters=filters))


def _parse(word: str, width: int, text: str) -> Sense:
    found = PATTERN.fullmatch(word)
    known = {name: [field.name for field in dataclasses.fields(kind)] for name, kind in SENSES.items()}
    known = {name: fields for name, fields in known.items() if not on_graph(SENSES[name])}
    del known["stencil"]  # its names are those of its filters
    if not found or found[1] not in ("learned", *known):
        there = [*FIXED, "learned", "dilated", *(f"{name}3" for name in known), "conv5d2"]
        raise BadRequest(
            f"perception has an unknown sense {word!r} in {text!r}{nearest(word, there)}; there are "
            f"{', '.join(there)}"
        )
    kind, *numbers = found.groups()
    fields: dict[str, Any] = {
        name: int(said) for name, said in zip(MARKS, numbers, strict=True) if said is not None
    }
    if kind == "learned":
        if fields.keys() - {"size"}:
            raise BadRequest(f"perception's {word!r} can have a size alone, such as learned5")
        return Stencil(trained=True, **fields)
    for name, value in fields.items():
        if name not in known[kind]:
            raise BadRequest(f"perception's {word!r} has no place for a {name} ({MARKS[name]}{value})")
    if "width" in known[kind]:
        fields.setdefault("width", width)
    return SENSES[kind](**fields)

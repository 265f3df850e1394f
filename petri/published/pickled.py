"""What a pickle says about tensors, read as a list of orders that nobody carries out.

A pickle is a program. Here its steps are followed on a stack of plain values: the functions that it names are
never looked up, and those that are not needed to rebuild tensors are refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, BinaryIO

from petri.errors import BadRequest

MOST_STEPS = 1_000_000  # what one of them copies counts too
LONGEST = 1000  # characters of the names that lead to a tensor
MOST_AXES = 8  # of a tensor
LARGEST = 1 << 40  # of the numbers that say where a tensor lies, or that are names
FOREIGN = "asks for foreign code, {}, which is never run: save the model's state_dict() instead"


@dataclass(frozen=True)
class Name:
    """A function or a class that the pickle names."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers are."""

    kind: str  # such as FloatStorage
    key: str
    count: int


@dataclass(frozen=True)
class Stored:
    """A tensor: which numbers of a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass
class Thing:
    """An object of a class of its own; what it holds is all that is known of it."""

    content: dict[Any, Any] = field(default_factory=dict)


class _Mark:
    pass


def tensors(root: Any) -> Iterator[tuple[str, Stored]]:
    """All tensors within a value, with the names that lead to them; each once.

    Raises:
        BadRequest: names that no module or state_dict has, so long.
    """
    waiting: list[tuple[str, Any, Any]] = [("", "", root)]  # what leads to it, its own name, the value
    seen: set[int] = set()
    while waiting:
        above, name, value = waiting.pop()
        if id(value) in seen or not isinstance(value, (Stored, Thing, dict, list, tuple)):
            continue
        seen.add(id(value))
        path = f"{above}.{name}".strip(".")
        if len(path) > LONGEST:
            raise BadRequest(f"its tensors have names of more than {LONGEST:,} characters")
        if isinstance(value, Stored):
            yield path, value
        elif isinstance(value, Thing):
            waiting.append((path, "", value.content))
        elif isinstance(value, dict):
            waiting += [(path, key, part) for key, part in reversed(value.items())]
        else:
            waiting += [(path, number, part) for number, part in enumerate(value)][::-1]


def load(source: bytes | BinaryIO) -> Any:
    """The value that a pickle makes: of numbers, texts, lists, dicts, `Stored` and `Thing`.

    Args:
        source: of a file, it is read to the end of the pickle.

    Raises:
        BadRequest: it is no pickle, or it asks for anything but the rebuilding of tensors.
    """
    try:
        return _follow(pickletools.genops(source))
    except BadRequest:
        raise
    except (
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        UnicodeError,
        OverflowError,
    ) as error:
        raise BadRequest(f"its pickle is damaged: {type(error).__name__}: {error}") from None


def _follow(steps: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    done = 0
    for step, argument, _ in steps:
        name = step.name
        done += 1 + (_copied(stack[-1]) if name == "REDUCE" else 0)
        if done > MOST_STEPS:
            raise BadRequest(f"its pickle has more than {MOST_STEPS:,} steps")
        if name == "STOP":
            return stack.pop()
        if name in _IGNORED:
            continue
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "MARK":
            stack.append(_Mark)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            if name == "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                argument = f"{module} {function}"
            stack.append(_named(str(argument).replace(" ", ".", 1)))
        elif name in _ACTIONS:
            _ACTIONS[name](stack)
        else:
            raise BadRequest(FOREIGN.format(f"the step {name}"))
    raise BadRequest("its pickle has no end")


def _named(text: str) -> Name:
    """A name that a tensor's pickle may have; classes only if they are of PyTorch or the author's script."""
    known = text in _CALLS or text.startswith(("torch.", "__main__."))
    if not known:
        raise BadRequest(FOREIGN.format(text))
    return Name(text)


def _copied(arguments: Any) -> int:
    """How many values a call copies, at the most: a short pickle can have one long list copied often."""
    parts = arguments if isinstance(arguments, tuple) else ()
    return sum(len(part) for part in parts if isinstance(part, (list, tuple)))


def _since_mark(stack: list[Any]) -> list[Any]:
    taken = []
    while (value := stack.pop()) is not _Mark:
        taken.append(value)
    return taken[::-1]


def _tuple(count: int) -> Callable[[list[Any]], None]:
    def act(stack: list[Any]) -> None:
        parts = tuple(stack.pop() for _ in range(count))[::-1]
        stack.append(parts)

    return act


def _append(stack: list[Any]) -> None:
    value = stack.pop()
    _as(list, stack[-1]).append(value)


def _appends(stack: list[Any]) -> None:
    values = _since_mark(stack)
    _as(list, stack[-1]).extend(values)


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    _as(dict, stack[-1]).update(_pairs([key, value]))


def _set_items(stack: list[Any]) -> None:
    values = _since_mark(stack)
    _as(dict, stack[-1]).update(_pairs(values))


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Keys and values; a key that holds others, and those others, could be too deep for Python to hash."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        known = isinstance(key, (str, int, float, bytes, NoneType))
        if not known or (isinstance(key, int) and abs(key) > LARGEST):  # Python does not write longer ones
            raise BadRequest("its pickle is damaged: a name must be a text or a number")
        yield key, value


def _ordered(*pairs: Any) -> dict[Any, Any]:
    listed = _as(list, pairs[0]) if pairs else []
    return dict(_pairs([part for pair in listed for part in pair[:2]]))


def _as(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise BadRequest("its pickle is damaged: something is put into what holds nothing")
    return value


def _persistent(stack: list[Any]) -> None:
    what = stack.pop()
    if isinstance(what, tuple) and what[:1] == ("module",) and isinstance(what[1:2][0], Name):
        stack.append(what[1])  # a class, with the text of its source
        return
    if not isinstance(what, tuple) or len(what) not in (5, 6) or what[0] != "storage":
        raise BadRequest("its pickle asks for something else than the numbers of a tensor")
    _, kind, key, _, count, *view = what
    if any(part is not None for part in view):
        raise BadRequest("its tensors share numbers in a way that only an old PyTorch knows")
    if not isinstance(kind, Name) or not isinstance(key, str) or not _is_count(count):
        raise BadRequest("its pickle is damaged: a storage has no kind, key or count")
    stack.append(Storage(kind.text.rpartition(".")[2], key, count))


def _call(stack: list[Any]) -> None:
    arguments, function = stack.pop(), stack.pop()
    if not isinstance(function, Name) or function.text not in _CALLS:
        raise BadRequest(FOREIGN.format(function.text if isinstance(function, Name) else "of no name"))
    stack.append(_CALLS[function.text](*_as(tuple, arguments)))


def _new(stack: list[Any]) -> None:
    arguments, kind = stack.pop(), stack.pop()
    if not isinstance(kind, Name) or arguments != ():
        raise BadRequest(FOREIGN.format(kind.text if isinstance(kind, Name) else "of no name"))
    stack.append(Thing())


def _build(stack: list[Any]) -> None:
    content = stack.pop()
    owner = stack[-1]
    if isinstance(owner, Thing):
        owner.content = _as(dict, content)
    elif not isinstance(owner, dict):  # of an OrderedDict it is about versions
        raise BadRequest("its pickle is damaged: something is told that cannot be")


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Stored:
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or not all(map(_is_count, numbers)):
        raise BadRequest("its pickle is damaged: a tensor has no size")
    if len(size) != len(stride) or len(size) > MOST_AXES:
        raise BadRequest(
            "its pickle is damaged: a tensor has a size and strides of different lengths, or too many"
        )
    return Stored(storage, offset, tuple(size), tuple(stride))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


_IGNORED = {"PROTO", "FRAME"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
}
_ACTIONS: dict[str, Callable[[list[Any]], None]] = {
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "LIST": lambda stack: stack.append(_since_mark(stack)),
    "DICT": lambda stack: stack.append(dict(_pairs(_since_mark(stack)))),
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "POP": lambda stack: stack.pop() and None,
    "BINPERSID": _persistent,
    "REDUCE": _call,
    "NEWOBJ": _new,
    "BUILD": _build,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "collections.OrderedDict": _ordered,
    "__builtin__.set": lambda *members: list(*members),
    "builtins.set": lambda *members: list(*members),
    "torch.Size": lambda *sizes: tuple(*sizes),
    "torch.device": lambda *_: None,
}

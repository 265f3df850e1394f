"""Other people's words, such as file names and values, made fit for a message."""

from __future__ import annotations

import os
import re
import shlex

LONGEST_WORD, LONGEST = 400, 2000  # characters of a message that are repeated whole
# A control character would command the terminal; a surrogate is a byte of a name that is no text.
PICTURES = {
    **{code: 0x2400 + code for code in range(32)},
    127: 0x2421,
    **dict.fromkeys((*range(128, 160), *range(0xD800, 0xE000)), 0xFFFD),
}
_LINES = {code: picture for code, picture in PICTURES.items() if code != ord("\n")}


def as_utf8(text: str) -> str:
    """Words of the command line, read as UTF-8: in the C locale Python does not take them for letters."""
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # it has letters that are no bytes of a command line here
        return text


def readable(text: str) -> str:
    """The same with a picture such as `␛` for each control character, `�` for each byte that is no text."""
    return as_utf8(text).translate(PICTURES)


def harmless(text: str) -> str:
    """The same for a terminal: as `readable`, but lines end where they did."""
    return text if text.isprintable() else text.translate(_LINES)


def shortened(message: str) -> str:
    """The same without the middle of words that are too long to be read, and of the whole if it is."""
    message = re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda word: _cut(word[0], LONGEST_WORD), message)
    return _cut(message, LONGEST)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    end = longest // 4
    start = longest - end - 40  # room for what is said in between
    return f"{text[:start]} … {len(text) - start - end:,} more characters … {text[-end:]}"


def quoted(path: os.PathLike[str] | str) -> str:
    """A path as a shell takes it, also one with bytes that cannot be printed."""
    text = os.fspath(path)
    if text.isprintable():
        return shlex.quote(text)
    letters = [
        letter if letter.isprintable() and letter not in "\\'" else _escaped(letter) for letter in text
    ]
    return f"$'{''.join(letters)}'"


def _escaped(letter: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))


def percent(share: float) -> str:
    """Such as `3.1 %`; empty if it is not a number."""
    return "" if share != share else f"{share:.1f} %"

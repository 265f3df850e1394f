"""The two ways a command can end badly, told apart by whose move is next."""

from collections.abc import Iterable

from petri.wording import shortened


class BadRequest(ValueError):
    """What was asked for cannot be done: the message names the thing, the constraint and the value.

    The command line prints the message as one line and exits with 2; nothing was written. A value of many
    thousand characters is repeated in part.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class NotAModel(BadRequest):
    """What was named is there and whole, but something else than a model, such as a picture."""


class RunFailed(RuntimeError):
    """A run that had begun could not be completed; what it had saved is still there. Exit code 1."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as `, did you mean "spiral"?`, or nothing if no known word is close."""
    import difflib

    match = difflib.get_close_matches(word, list(known), n=1)
    return f', did you mean "{match[0]}"?' if match else ""

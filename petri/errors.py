"""The two ways a command can end badly, told apart by whose move is next."""


class BadRequest(ValueError):
    """What was asked for cannot be done: the message names the thing, the constraint and the value.

    The command line prints the message as one line and exits with 2; nothing was written.
    """


class RunFailed(RuntimeError):
    """A run that had begun could not be completed; what it had saved is still there. Exit code 1."""


def nearest(word: str, known: list[str]) -> str:
    """A hint such as `, did you mean "spiral"?`, or nothing if no known word is close."""
    import difflib

    match = difflib.get_close_matches(word, known, n=1)
    return f', did you mean "{match[0]}"?' if match else ""

import os
import shlex
import subprocess

import pytest

from petri.errors import BadRequest, RunFailed
from petri.wording import LONGEST, LONGEST_WORD, harmless, quoted, readable, shortened


def test_what_would_command_a_terminal_is_shown_instead():
    assert readable("a\x1b[31mb\x07\x7f\x9b\ud800\udce9é🦎") == "a␛[31mb␇␡���é🦎"
    assert readable("a\nb") == "a␊b" and harmless("a\nb\x1b") == "a\nb␛"


def test_a_short_message_is_repeated_whole():
    path = "/".join(["folder"] * 50)
    assert shortened(f"{path}: no such file") == f"{path}: no such file"


@pytest.mark.parametrize(
    "long", ["x" * 100_000, "1, " * 30_000, "a b " * 30_000, "ab " * 30_000 + "x" * 5000]
)
def test_of_a_long_value_the_ends_are_repeated_and_all_that_is_said_of_it(long):
    for kind in (BadRequest, RunFailed):
        said = str(kind(f"name must be short, got {long!r}: choose another one"))
        assert said.startswith("name must be short, got '") and said.endswith("': choose another one")
        assert len(said) <= LONGEST and "more characters" in said


def test_two_long_words_leave_room_for_what_is_between():
    said = shortened(f"{'x' * 9000} and {'y' * 9000}")
    assert "x and y" in said and len(said) <= 2 * LONGEST_WORD + 5


def test_an_exception_that_is_sent_elsewhere_arrives():
    import pickle

    assert str(pickle.loads(pickle.dumps(BadRequest("no")))) == "no"


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
def test_a_quoted_path_is_the_path_again_in_a_shell():
    for name in (b"runs/circle-64", b"a b'c\\d", b"caf\xe9 '\\x", b"\x1b[31m\n", "🦎 é".encode()):
        words = quoted(os.fsdecode(name))
        assert words.isprintable()
        assert subprocess.run(["bash", "-c", f"printf %s {words}"], capture_output=True).stdout == name
    assert quoted("runs/circle-64") == shlex.quote("runs/circle-64") == "runs/circle-64"

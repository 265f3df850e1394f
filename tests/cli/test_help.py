"""What the help and the README show can be typed."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from nca_cli.examples import EXAMPLES
from petri.__main__ import app

ROOT = Path(__file__).parents[2]
COMMAND = typer.main.get_command(app)
FRAGMENTS = {"As", "At", "Of", "Such", "That", "To", "With"}  # what no sentence or noun begins with here


def verbs(command=COMMAND, path=()):
    """The words of each command, and the command."""
    yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, (*path, name))


def commands_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from (line for line in block.splitlines() if line.startswith("petri "))


def parse(line):
    """Read a command line as petri would, and do nothing."""
    words = shlex.split(line, comments=True)[1:]
    command, context = COMMAND, COMMAND.make_context("petri", ["doctor"])
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        if not hasattr(command, "commands"):
            command.make_context(name, list(words), parent=context)
    assert not hasattr(command, "commands") or not words or words[0].startswith("-"), line
    return words


def test_every_command_has_examples_in_its_help(petri):
    assert {path for path, _ in verbs()} == set(EXAMPLES)
    for path, _ in verbs():
        said = petri(*path.split(), "--help")
        assert "Examples:" in said
        for line in EXAMPLES[path]:
            assert f"\n    {line}\n" in said and line.startswith(f"petri {path}".strip())


def test_what_a_command_does_is_one_line_among_the_others(petri):
    for path, command in verbs():
        if hasattr(command, "commands"):
            assert "..." not in petri(*path.split(), "--help").partition("Commands:")[2], path


def test_the_help_of_each_option_names_a_thing():
    """A fragment such as "Of the hidden layers." must be put together with the option's name."""
    for path, command in verbs():
        for parameter in command.params:
            said = getattr(parameter, "help", None)
            if "--help" in parameter.opts or "completion" in parameter.name:
                continue  # Typer's own
            first, *_ = (said or "").split(" ")
            assert first and first[0].isupper(), f"petri {path} {parameter.name}: {said!r}"
            assert first not in FRAGMENTS, f"petri {path} {parameter.name}: {said!r}"
            assert said.rstrip().endswith((".", "…")), f"petri {path} {parameter.name}: {said!r}"


def test_help_is_that_of_the_command(petri):
    for words in ([], ["grow"], ["dni", "mnist"], ["import"]):
        assert petri("help", *words) == petri(*words, "--help")
    assert "petri has no command 'grwo', did you mean \"grow\"?" in petri("help", "grwo", code=2)
    assert "petri dni has no command 'x'" in petri("help", "dni", "x", code=2)
    assert "petri grow has no command 'x'" in petri("help", "grow", "x", code=2)


@pytest.mark.parametrize("line", [*sorted({line for lines in EXAMPLES.values() for line in lines})])
def test_examples_can_be_typed(line):
    parse(line)


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="petri is not in its tree")
def test_the_commands_of_the_readme_can_be_typed_anywhere():
    lines = list(commands_of_the_readme())
    assert len(lines) > 30
    for line in lines:
        for word in parse(line):
            assert not re.match(r"(models|tests|docs|targets|viewer)/", word), f"{line}: not outside a clone"

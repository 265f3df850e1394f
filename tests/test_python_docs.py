"""The examples of docs/python.md run as they stand."""

import re
from pathlib import Path

import pytest

import petri

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^## (.*?)$.*?```python\n(.*?)```", TEXT, re.M | re.S)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(title, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dict(petri.SENSES)
    try:
        exec(compile(code, f"docs/python.md, {title}", "exec"), {"__name__": "__main__"})
    finally:
        petri.SENSES.clear()
        petri.SENSES.update(before)


def test_the_examples_are_short():
    assert len(EXAMPLES) == len(re.findall("^## ", TEXT, re.M)) == 5
    assert all(len(code.splitlines()) <= 30 for _, code in EXAMPLES)


def test_everything_that_is_named_can_be_had():
    for name in petri.__all__:
        assert getattr(petri, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Spek'"):
        petri.Spek  # noqa: B018

"""A sense of one's own, as docs/senses.md shows it, wherever petri's can be; elsewhere it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import petri
from petri import modelfile
from petri.engine import native
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.nca.automaton import departure
from petri.nca.senses import SENSES

GUIDE = Path(__file__).parents[2] / "docs" / "senses.md"


@pytest.fixture(scope="module")
def example():
    """What the guide's example makes; the kind that it registers is forgotten."""
    [code] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    names, before = {"__name__": "guide"}, dict(SENSES)
    exec(compile(code, str(GUIDE), "exec", dont_inherit=True), names)
    SENSES.clear()
    SENSES.update(before)
    return names


@pytest.fixture
def known(example, monkeypatch):
    """The same, and its kind is registered until the test ends."""
    monkeypatch.setitem(SENSES, "extremes", example["Extremes"])
    return example


def test_the_example_of_the_guide_learns(known):
    assert known["losses"][-1] < known["losses"][0] / 3


def test_a_model_with_it_goes_into_a_file_and_comes_back(known, tmp_path):
    automaton = known["automaton"]
    path = tmp_path / "own.safetensors"
    modelfile.write(path, Model(automaton=automaton, target="grey"))
    read = petri.load(path)
    assert read.spec == automaton.spec and departure(read.automaton) == ""
    state = automaton.seed_state(12)
    assert torch.equal(read.rollout(state, 5), automaton.rollout(state, 5))


def test_another_program_refuses_it_by_name(known, tmp_path, monkeypatch):
    path = tmp_path / "own.safetensors"
    modelfile.write(path, Model(automaton=known["automaton"], target="grey"))
    recipe = known["automaton"].spec.to_fields()
    monkeypatch.delitem(SENSES, "extremes")
    with pytest.raises(BadRequest, match=re.escape(f"{path}: sense 2 is of an unknown kind 'extremes'")):
        modelfile.read(path)
    with pytest.raises(BadRequest, match="unknown sense 'extremes5'"):
        Spec.from_fields(recipe)


def test_its_words_are_read_as_those_of_petris_own(known):
    Extremes = known["Extremes"]
    assert Spec.of(perception="sobel+extremes5").senses[1] == Extremes(size=5)
    assert Spec.of(perception="extremes").senses == (Extremes(),)
    for word, said in [
        ("extremes3d2", "'extremes3d2' has no place for a dilation (d2)"),
        ("extremes3w8", "'extremes3w8' has no place for a width (w8)"),
        ("extreme3", 'did you mean "extremes3"?'),
    ]:
        with pytest.raises(BadRequest, match=re.escape(said)):
            Spec.of(perception=word)


def test_only_pytorch_computes_it(known):
    automaton = known["automaton"]
    state = automaton.seed_state(12)
    with pytest.raises(BadRequest, match="the native engine cannot take this rollout: "):
        automaton.rollout(state, 2, engine="native")
    assert torch.equal(automaton.rollout(state, 2), automaton.rollout(state, 2, engine="torch"))


def test_one_that_is_not_registered_is_refused(example):
    sense = example["Extremes"]()
    with pytest.raises(BadRequest, match=r"senses must be of the kinds stencil, .*, got Extremes"):
        Spec(senses=(sense,))


def test_one_that_calls_itself_as_another_is_not_taken_for_it(known, monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Posing(known["Extremes"]):
        def word(self, width):
            return "sobel"

    monkeypatch.setitem(SENSES, "posing", Posing)
    spec = Spec(senses=(Posing(),))
    assert spec.perception == "posing(sobel)" and native.obstacle(spec)
    assert Spec.from_fields(spec.to_fields()) == spec == Spec.from_json(spec.to_json())
    automaton = Automaton(spec, generator=torch.Generator().manual_seed(0))
    automaton.rule.weights[-1].data.fill_(0.1)
    state = automaton.seed_state(12)
    assert torch.equal(automaton.rollout(state, 2), automaton.rollout(state, 2, engine="torch"))

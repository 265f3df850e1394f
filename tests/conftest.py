from __future__ import annotations

import os
import sys

import pytest
import torch

from petri.__main__ import main
from petri.nca import Automaton, Spec
from petri.nca.rule import SHAPES

# The grids are small: threads that wait for each other would only slow them down.
torch.set_num_threads(1)

for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)  # of the terminal behind a parallel run: the console would keep it


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def rule(request):
    """Every kind of rule, as fields of a Spec."""
    return request.param


@pytest.fixture
def random_automaton():
    """Make an automaton none of whose weights is zero, as if trained; `change` scales what it does a step."""

    def make(spec: Spec, *, change: float = 1.0, seed: int = 0) -> Automaton:
        generator = torch.Generator().manual_seed(seed)
        automaton = Automaton(spec, generator=generator)
        for values in automaton.parameters():
            scale = 0.3 if values.ndim == 4 else 1.2 / values.shape[-1] ** 0.5
            values.data.uniform_(-scale, scale, generator=generator)
        for values in (automaton.rule.weights[-1], automaton.rule.biases[-1]):
            values.data *= change
        return automaton

    return make


@pytest.fixture
def petri(monkeypatch, capsys):
    """Run the command line in this process; what it said, and its exit code as asserted."""

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["petri", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == code, said.out + said.err
        return said.out + said.err

    return run

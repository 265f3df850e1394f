import numpy as np
import pytest
import torch
from PIL import Image

from petri.modelfile import Model
from petri.nca import Automaton, Spec


@pytest.fixture(scope="session")
def painter():
    """Make a model whose every cell, as soon as it fires, turns white and stays so."""

    def make(*, change=1.0, target="white.png", **fields) -> Model:
        automaton = Automaton(Spec.of(**{"hidden": 16, "layers": 2, **fields}))
        automaton.rule.biases[-1].data[:4] = change
        training = {"recipe": {"phases": [{"res": 16, "steps": [8, 16]}]}}
        return Model(automaton=automaton, target=target, training=training)

    return make


@pytest.fixture(scope="session")
def idler():
    """Make a model that never changes anything."""

    def make(**fields) -> Model:
        automaton = Automaton(Spec.of(**{"hidden": 16, "layers": 2, **fields}))
        training = {"recipe": {"phases": [{"res": 32, "steps": [8, 16]}]}}
        return Model(automaton=automaton, target="emoji:🦎", training=training)

    return make


@pytest.fixture(scope="session")
def white(tmp_path_factory):
    """The path of a white picture."""
    path = tmp_path_factory.mktemp("targets") / "white.png"
    Image.fromarray(np.full((32, 32, 3), 255, np.uint8)).save(path)
    return str(path)


@pytest.fixture(autouse=True)
def one_thread():
    """The grids are small."""
    torch.set_num_threads(1)

"""What a cell does in one step: the Spec, and the automaton that follows it."""

from petri.nca.automaton import Automaton
from petri.nca.seed import seed_cell, seed_state
from petri.nca.spec import Spec

__all__ = ["Automaton", "Spec", "seed_cell", "seed_state"]

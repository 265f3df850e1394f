"""What a cell does in one step: the Spec, and the automaton that follows it."""

from petri.nca.automaton import Automaton
from petri.nca.rule import Mlp
from petri.nca.seed import opening_state, seed_cell, seed_state, under
from petri.nca.senses import Attention, Conv, Deformable, Residual, Stencil
from petri.nca.shown import show
from petri.nca.space import Grid
from petri.nca.spec import Spec
from petri.nca.start import Cell, Given, Noise, Uniform

__all__ = [
    "Attention",
    "Automaton",
    "Cell",
    "Conv",
    "Deformable",
    "Given",
    "Grid",
    "Mlp",
    "Noise",
    "Residual",
    "Spec",
    "Stencil",
    "Uniform",
    "opening_state",
    "seed_cell",
    "seed_state",
    "show",
    "under",
]

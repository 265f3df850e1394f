"""What a cell does in one step: the Spec, and the automaton that follows it."""

from petri.nca.automaton import Automaton
from petri.nca.graph import Graph
from petri.nca.rule import Mlp
from petri.nca.seed import opening_state, seed_cell, seed_state, under
from petri.nca.senses import Attention, Conv, Deformable, Harmonics, Invariants, Residual, Stencil
from petri.nca.shown import show
from petri.nca.space import Grid, Mesh, Ring
from petri.nca.spec import Spec
from petri.nca.start import Cell, Given, Noise, Uniform

__all__ = [
    "Attention",
    "Automaton",
    "Cell",
    "Conv",
    "Deformable",
    "Given",
    "Graph",
    "Grid",
    "Harmonics",
    "Invariants",
    "Mesh",
    "Mlp",
    "Noise",
    "Residual",
    "Ring",
    "Spec",
    "Stencil",
    "Uniform",
    "opening_state",
    "seed_cell",
    "seed_state",
    "show",
    "under",
]

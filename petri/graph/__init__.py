"""Meshes: read, mended, measured, coloured, drawn and written; and the graphs that automata run on."""

from petri.graph.mesh import Mended, Surface, mend
from petri.graph.objects import graph_of, surface_of
from petri.graph.read import ENDINGS, read
from petri.graph.sphere import icosphere
from petri.graph.write import write

__all__ = ["ENDINGS", "Mended", "Surface", "graph_of", "icosphere", "mend", "read", "surface_of", "write"]

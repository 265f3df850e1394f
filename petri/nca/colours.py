"""The colours of classes: ten that are told apart on black, whatever kind of colour vision sees them.

Found by a search for the largest least distance in CIELAB between any two of them, and from black and from
the grey of the undecided, as seen normally and with any one kind of cone missing (Machado et al. 2009).
"""

from __future__ import annotations

COLOURS = (
    "#f8e4f3",
    "#ed5106",
    "#5230fc",
    "#b3fd0b",
    "#fc93fc",
    "#761903",
    "#0cff7e",
    "#a41db8",
    "#4fa76e",
    "#490651",
)
UNDECIDED = "#555555"  # of a cell whose votes are all alike

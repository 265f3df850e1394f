"""The colours of classes: ten that are told apart on black, whatever kind of colour vision sees them.

Found by a search for the largest least distance in CIELAB between any two of them, and from black and from
the grey of the undecided, as seen normally and with any one kind of cone missing (Machado et al. 2009).
"""

from __future__ import annotations

COLOURS = (
    "#ddff04",
    "#b22506",
    "#6019f7",
    "#03ffbc",
    "#f451a4",
    "#67c20c",
    "#f2baff",
    "#bf8463",
    "#9e7cf1",
    "#921294",
)
UNDECIDED = "#555555"  # of a cell whose votes are all alike

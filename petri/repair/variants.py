"""The automata that are compared: what a cell is, what it senses, and what it learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from petri.nca import Spec
from petri.nca.rule import Mlp
from petri.nca.start import Given
from petri.repair.habits import speaks
from petri.repair.layers import Part

UNITS, MATRIX = "units", "matrix"
ZOO, ITSELF = "zoo", "itself"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An automaton for repair, and how it is trained."""

    says: str  # what it is, for tables
    layout: str = UNITS  # a cell is a pixel of a unit's picture, or a place in the matrix
    planes: tuple[str, ...] = ()  # fixed planes beside the mask
    learns_from: str = ZOO  # a zoo of other networks, or the very network that it is to repair
    rates: tuple[float, float] = (0.3, 0.95)  # shares of weights that are lost in training
    functional: float = 0.0  # share of the loss that is the error of pre-activations
    divergence: float = 0.0  # and that is the divergence of the outputs; the rest is of weights
    alone: bool = False  # hidden channels are off: only the weight changes
    senses: str = "sobel"
    channels: int = 8  # the weight and hidden ones
    hidden: int = 32
    steps: tuple[int, int] = (10, 14)  # least and most in training; the most when it repairs
    epochs: int = 2000
    batch: int = 16  # pictures of units, or matrices
    together: int = 16  # most of a batch that are of one network

    @property
    def spec(self) -> Spec:
        """The automaton: the weight is held where it is known."""
        return Spec(
            channels=self.channels,
            fixed=1 + len(self.planes),
            held=1,
            senses=self.senses,  # type: ignore[arg-type]
            rule=Mlp(hidden=self.hidden, layers=2),
            start=Given(),
            fire_rate=1.0,
            clamp=None,
        )

    @property
    def knows_templates(self) -> bool:
        """Whether it needs a zoo's templates beside it."""
        return not {"likely", "kriged"}.isdisjoint(self.planes)

    def obstacle(self, part: Part) -> str:
        """Why it cannot repair a layer, one sentence; empty: it can."""
        if self.layout == MATRIX:
            return ""
        if part.side is None:
            return f"the weights of {part.name} are no pictures: only the layout of a matrix fits"
        if self.knows_templates and not speaks(part):
            return f"no class has a template among the units of {part.name}"
        if self.planes and part.following is None:
            return f"what units are used for is in the next layer, after {part.name} there is none"
        if (self.functional or self.divergence) and part.pictures > 1:
            return f"a unit of {part.name} is {part.pictures} pictures, its loss would be of all together"
        return ""

    def cells(self, part: Part) -> int:
        """In a batch that learns to repair such a layer."""
        side = None if self.layout == MATRIX else part.side
        return self.batch * (part.matrix.numel() if side is None else math.prod(side))

    @property
    def bytes(self) -> int:
        """What storing the rule takes, as float32."""
        return 4 * self.spec.parameters


CONTEXT = ("mean", "deviation", "layer", "alike")
KNOWING = (*CONTEXT, "likely", "kriged")
GUIDED: dict[str, Any] = {"planes": KNOWING, "functional": 0.8, "rates": (0.6, 0.95), "epochs": 1000}
VARIANTS: dict[str, Variant] = {
    "matrix": Variant(
        says="the document's: the matrix as it is, squared error, trained on the one network",
        layout=MATRIX,
        learns_from=ITSELF,
        batch=1,
    ),
    "units": Variant(says="a unit's picture, squared error, trained on the zoo"),
    "context": Variant(says="and planes of context", planes=CONTEXT),
    "functional": Variant(says="and the error of pre-activations", planes=CONTEXT, functional=0.8),
    "divergence": Variant(
        says="and the divergence of the outputs instead",
        planes=CONTEXT,
        divergence=0.8,
        batch=32,
        together=32,
        epochs=1000,
    ),
    "guided": Variant(says="and planes of the zoo's templates and of kriging with them", **GUIDED),
    "one step": Variant(says="units, a single step", steps=(1, 1)),
    "no hidden channels": Variant(says="units, the hidden channels off", alone=True),
    "attention": Variant(says="guided, sensing by attention", **GUIDED, senses="identity+attention3"),
}
CONTROLS = ("one step", "no hidden channels")  # of `units`
SLOW = ("attention",)  # compared only where they are named


def fitting(part: Part) -> tuple[str, ...]:
    """The variants that are compared on a layer if none are named."""
    return tuple(
        name for name, variant in VARIANTS.items() if name not in SLOW and not variant.obstacle(part)
    )

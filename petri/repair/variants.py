"""The automata that are compared: what a cell is, what it senses, and what it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from petri.nca import Spec
from petri.nca.rule import Mlp
from petri.nca.start import Given

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
    functional: float = 0.0  # share of the loss that is the error of pre-activations; the rest is of weights
    senses: str = "sobel"
    channels: int = 8  # the weight and hidden ones
    hidden: int = 32
    steps: tuple[int, int] = (10, 14)  # least and most in training; the most when it repairs
    epochs: int = 1000
    batch: int = 16  # pictures of units, or matrices

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

    @property
    def bytes(self) -> int:
        """What storing the rule takes, as float32."""
        return 4 * self.spec.parameters


CONTEXT = ("mean", "deviation", "layer", "alike")
KNOWING = (*CONTEXT, "likely", "kriged")
GUIDED: dict[str, Any] = {"planes": KNOWING, "functional": 0.8, "rates": (0.6, 0.95), "epochs": 600}
VARIANTS: dict[str, Variant] = {
    "matrix": Variant(
        says="the document's: the matrix as it is, squared error, trained on the one network",
        layout=MATRIX,
        learns_from=ITSELF,
        batch=1,
        epochs=400,
    ),
    "units": Variant(says="a unit's picture, squared error, trained on the zoo"),
    "context": Variant(says="and planes of context", planes=CONTEXT),
    "functional": Variant(says="and the error of pre-activations", planes=CONTEXT, functional=0.8),
    "guided": Variant(says="and planes of the zoo's templates and of kriging with them", **GUIDED),
    "one step": Variant(says="guided, a single step", **GUIDED, steps=(1, 1)),
    "few channels": Variant(says="guided, 3 hidden channels", **GUIDED, channels=4),
    "attention": Variant(says="guided, sensing by attention", **GUIDED, senses="identity+attention3"),
}

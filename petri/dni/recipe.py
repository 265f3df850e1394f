"""The recipe: everything that decides how a network with graders trains."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from petri import checks, datasets
from petri.dni.blending import beta
from petri.dni.grader import KINDS, UNITS
from petri.errors import BadRequest, nearest
from petri.toml import parse

WAYS = ("clean", "chained", "decoupled")


@dataclass(frozen=True, kw_only=True)
class DniRecipe:
    """One experiment, described completely; on the same CPU the same recipe gives the same models.

    Raises:
        BadRequest: a value out of range; the message names it.

    Source: the report, "Phase 1: Decoupled Neural Interfaces".
    """

    data: str = "mnist"
    widths: tuple[int, ...] = (256, 128)  # of the hidden layers
    epochs: int = 10
    batch: int = 128
    learning_rate: float = 1e-3  # of Adam at first; it falls as half a cosine to nothing
    way: str = "clean"  # how the gradients reach the layers: see petri.dni.ways
    beta_max: float = 0.8  # share of the synthetic gradients after the warm-up
    warm_up: float = 5.0  # epochs in which that share would rise from 0 to 1
    grader: str = "mlp"  # or linear, or silent
    conditioned: bool = False  # cDNI: graders are given the label too
    grader_every: int = 1  # graders learn from every so many batches
    grader_learning_rate: float = 1e-3  # of Adam, constant
    unit: str = "sample"  # that graders predict in: see petri.dni.grader.Graders
    zero_init: bool = True  # graders predict nothing at first
    bounded: bool = True  # predictions clamped to ±1, graders' gradients to norm 1
    seed: int = 0  # of the first pair of networks; each further pair has the next number
    seeds: int = 1  # pairs that are trained

    def __post_init__(self) -> None:
        checks.choice("data", self.data, datasets.NAMES)
        if not isinstance(self.widths, (tuple, list)) or not 1 <= len(self.widths) <= 16:
            raise BadRequest(f"widths must be 1 to 16 whole numbers, got {self.widths!r}")
        for width in self.widths:
            checks.whole("each of widths", width, 1, 8192)
        object.__setattr__(self, "widths", tuple(self.widths))
        checks.whole("epochs", self.epochs, 1, 10_000)
        checks.whole("batch", self.batch, 1, 60_000)
        checks.number("learning_rate", self.learning_rate, 0, 1, low_open=True)
        checks.choice("way", self.way, WAYS)
        checks.number("beta_max", self.beta_max, 0, 1)
        checks.number("warm_up", self.warm_up, 0, 10_000)
        checks.choice("grader", self.grader, KINDS)
        checks.whole("grader_every", self.grader_every, 1, 10_000)
        checks.number("grader_learning_rate", self.grader_learning_rate, 0, 1, low_open=True)
        checks.choice("unit", self.unit, UNITS)
        for name in ("conditioned", "zero_init", "bounded"):
            checks.truth(name, getattr(self, name))
        checks.whole("seed", self.seed, 0, 2**30)  # above half of 32 bits are the graders' own seeds
        checks.whole("seeds", self.seeds, 1, 1000)
        if self.way == "decoupled" and (self.beta_max != 1 or self.warm_up != 0):
            raise BadRequest("decoupled layers have no true gradient to blend: beta_max must be 1, warm_up 0")

    def describe(self) -> str:
        """The DNI network in a few words, such as `clean way, β 0.8, mlp graders`."""
        share = "" if self.way == "decoupled" else f", β {self._reached}"
        graders = f"{'label-conditioned ' if self.conditioned else ''}{self.grader} graders"
        every = f" that learn every {self.grader_every} batches" if self.grader_every > 1 else ""
        way = "decoupled" if self.way == "decoupled" else f"{self.way} way"
        return f"{way}{share}, {graders}{every}, unit {self.unit}"

    @property
    def _reached(self) -> str:
        """The share of synthetic gradients at the end; the warm-up may be longer than the run."""
        last = beta(self.epochs, beta_max=self.beta_max, warm_up=self.warm_up)
        return f"{last:g}" if last == self.beta_max else f"{last:.2g} of {self.beta_max:g}"

    def to_toml(self) -> str:
        """The recipe as TOML text."""
        import tomli_w

        return tomli_w.dumps(self.to_fields())

    def to_fields(self) -> dict[str, Any]:
        """All fields as plain values; JSON and TOML can hold them."""
        return {**dataclasses.asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_toml(cls, text: str) -> DniRecipe:
        """Read what `to_toml` wrote.

        Raises:
            BadRequest: not TOML, or a field missing, unknown or not valid.
        """
        fields = parse(text)
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise BadRequest(f"the recipe has an unknown field {name!r}{nearest(name, known)}")
        for name in known:
            if name not in fields:
                raise BadRequest(f"the recipe lacks the field {name!r}")
        return cls(**fields)

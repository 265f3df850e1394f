"""The recipe: everything that decides how a run trains."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petri import checks
from petri.errors import BadRequest, nearest
from petri.growth.catalogue import architecture as architecture_of
from petri.nca.spec import Spec
from petri.targets import LARGEST, SMALLEST

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from petri.targets import Target

POOL_BYTES = 256_000_000  # a checkpoint holds the pool, so it is kept from growing with the grid


def steps_for(res: int) -> tuple[int, int]:
    """Steps that a pattern of this size is given to grow: 48–96 up to 64 cells, then in proportion.

    News travels at most two cells a step, so a wider grid needs more of them.
    """
    return max(48, res * 3 // 4), max(96, res * 3 // 2)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run, described completely; on the same CPU the same recipe gives the same model.

    Raises:
        BadRequest: a value out of range; the message names it.

    Source: the report, "Training"; Mordvintsev et al. 2020.
    """

    target: str  # as given to `petri grow`
    name: str  # what it is called; of a file, its name without the folders
    res: int  # cells along a side
    spec: Spec
    epochs: int = 600  # optimiser steps
    batch: int = 8  # states trained together
    steps: tuple[int, int] = (48, 96)  # least and most steps to grow, drawn anew each epoch
    hold: int = 32  # steps that the pattern must last after it has grown
    pool: int = 256  # states kept and trained further
    learning_rate: float = 2e-3  # its peak; it rises over a tenth of the run and then falls to nothing
    stability: float = 0.5  # weight of the loss after the steps to hold
    overflow: float = 0.1  # weight of the penalty on state values beyond ±0.9
    truncate: int = 0  # backpropagate through this many steps at most; 0 for all of them
    seed: int = 0  # of the weights, the pool's draws and the fire masks

    def __post_init__(self) -> None:
        checks.printable("target", self.target, 5000)
        checks.printable("name", self.name, 5000)
        checks.whole("res", self.res, SMALLEST, LARGEST)
        if not isinstance(self.spec, Spec):
            raise BadRequest(f"spec must be a Spec, got {self.spec!r}")
        checks.whole("epochs", self.epochs, 1, 10_000_000)
        checks.whole("batch", self.batch, 1, 4096)
        if not isinstance(self.steps, (tuple, list)) or len(self.steps) != 2:
            raise BadRequest(f"steps must be two whole numbers, least and most, got {self.steps!r}")
        least = checks.whole("the least of steps", self.steps[0], 1, 100_000)
        checks.whole("the most of steps", self.steps[1], least, 100_000)
        object.__setattr__(self, "steps", tuple(self.steps))
        checks.whole("hold", self.hold, 1, 100_000)
        checks.whole("pool", self.pool, self.batch, 1_000_000)
        checks.whole("truncate", self.truncate, 0, 100_000)
        checks.whole("seed", self.seed, 0, 2**32 - 1)
        checks.number("learning_rate", self.learning_rate, 0, 1, low_open=True)
        checks.number("stability", self.stability, 0, 1000)
        checks.number("overflow", self.overflow, 0, 1000)

    def to_fields(self) -> dict[str, Any]:
        """All fields as plain values, the Spec's in a table of their own; JSON and TOML can hold them."""
        fields = dataclasses.asdict(self)
        fields["steps"] = list(self.steps)
        fields["spec"] = {
            name: list(value) if isinstance(value, tuple) else "none" if value is None else value
            for name, value in fields["spec"].items()
        }
        return fields

    def to_toml(self) -> str:
        """The recipe as TOML text."""
        import tomli_w

        return tomli_w.dumps(self.to_fields())

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read what `to_toml` wrote.

        Raises:
            BadRequest: not TOML, or a field missing, unknown or not valid.
        """
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadRequest(f"the recipe is not TOML: {error}") from None
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise BadRequest(f"the recipe has an unknown field {name!r}{nearest(name, known)}")
        for name in ("target", "name", "res", "spec"):
            if name not in fields:
                raise BadRequest(f"the recipe lacks the field {name!r}")
        if not isinstance(fields["spec"], dict):
            raise BadRequest("the recipe's spec must be a table")
        spec = {name: None if value == "none" else value for name, value in fields["spec"].items()}
        return cls(**{**fields, "spec": Spec.from_fields(spec)})


def make_recipe(
    target: Target,
    asked: str,
    *,
    architecture: dict[str, Any],
    steps: tuple[int, int] | None = None,
    res: int,
    batch: int,
    **options: Any,
) -> Recipe:
    """The recipe for a target: its architecture, with what the user has chosen instead, and the rest.

    Args:
        target: decides whether there is a living mask and where the seed lies.
        asked: the target as the user gave it.
        architecture: Spec fields chosen by the user.
        steps: by the resolution if None.
        res, batch, options: fields of the recipe.

    Raises:
        BadRequest: a value out of range or two that contradict each other.
    """
    fields = architecture_of(asked)
    if architecture.get("layers") == 2:
        fields["residual"] = False  # the table's, which needs three layers; the user's own is refused
    spec = Spec(**{**fields, **architecture}, living=target.transparent, seed=target.seed)
    entry = spec.channels * res * res * 4
    pool = max(batch, min(256, POOL_BYTES // entry))
    return Recipe(
        target=asked,
        name=target.name,
        spec=spec,
        res=res,
        batch=batch,
        steps=steps or steps_for(res),
        pool=pool,
        **options,
    )

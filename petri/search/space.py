"""What is searched: the choices there are, and what a set of them does to a recipe."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petri.errors import BadRequest, nearest
from petri.nca.rule import SHAPES
from petri.nca.senses.words import PERCEPTIONS
from petri.training.recipe import Recipe

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One choice of everything that is searched; what is None is not, and stays as the recipe has it."""

    perception: str
    hidden: int
    rule: str  # one of SHAPES
    channels: int | None = None
    fire_rate: float | None = None  # None also where the rule is gated
    steps: float | None = None  # to grow, in multiples of the recipe's
    learning_rate: float | None = None

    @property
    def gated(self) -> bool:
        """Whether each cell decides for itself if it fires."""
        return SHAPES[self.rule]["gated"]

    def to_params(self) -> dict[str, Any]:
        """The choices by name, as Optuna keeps them."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def recipe(self, base: Recipe, *, seed: int) -> Recipe:
        """The recipe with these choices, and another seed.

        Raises:
            BadRequest: they contradict the recipe.
        """
        fields = base.to_fields()
        spec = fields["spec"]
        spec |= {"perception": self.perception, "hidden": self.hidden, **SHAPES[self.rule]}
        if self.channels is not None:
            spec["channels"] = self.channels
        if self.gated:
            spec["fire_rate"] = "none"
        elif self.fire_rate is not None:
            spec["fire_rate"] = self.fire_rate
        for phase in fields["phases"] if self.steps is not None else ():
            phase["steps"] = [max(1, round(self.steps * count)) for count in phase["steps"]]
        if self.learning_rate is not None:
            fields["optimiser"]["learning_rate"] = self.learning_rate
        return Recipe.from_fields({**fields, "seed": seed})

    def describe(self) -> str:
        """In a few words, such as `dilated · 64 hidden · 3 layers residual`."""
        words = [self.perception, f"{self.hidden} hidden", self.rule]
        words += [f"{self.channels} channels"] if self.channels is not None else []
        words += [f"fires {self.fire_rate:g}"] if self.fire_rate is not None else []
        words += [f"steps ×{self.steps:g}"] if self.steps is not None else []
        words += [f"rate {self.learning_rate:.2g}"] if self.learning_rate is not None else []
        return " · ".join(words)


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, searched on a logarithmic scale."""

    low: float
    high: float


@dataclass(frozen=True)
class Space:
    """What may be chosen for each field of a configuration: one of several values, or a number in a range."""

    name: str
    choices: dict[str, tuple[Any, ...] | Range]

    @property
    def size(self) -> int | None:
        """How many configurations there are; None if they cannot be counted."""
        everything = self.all()
        return None if everything is None else len(everything)

    def all(self) -> list[Configuration] | None:
        """Every configuration there is; None if they cannot be counted."""
        countable = [values for values in self.choices.values() if not isinstance(values, Range)]
        if len(countable) < len(self.choices):
            return None
        chosen = itertools.product(*countable)
        return [Configuration(**dict(zip(self.choices, values, strict=True))) for values in chosen]

    def holds(self, configuration: Configuration) -> bool:
        """Whether a configuration is one of this space."""
        params = configuration.to_params()
        wanted = {name for name in self.choices if not (name == "fire_rate" and configuration.gated)}
        return params.keys() == wanted and all(
            values.low <= params[name] <= values.high if isinstance(values, Range) else params[name] in values
            for name, values in self.choices.items()
            if name in params
        )

    def suggest(self, trial: Trial) -> Configuration:
        """Let a trial's sampler choose."""
        params: dict[str, Any] = {}
        for name, values in self.choices.items():
            if name == "fire_rate" and SHAPES[params["rule"]]["gated"]:
                continue  # a gated rule has none
            if isinstance(values, Range):
                params[name] = trial.suggest_float(name, values.low, values.high, log=True)
            else:
                params[name] = trial.suggest_categorical(name, values)
        return Configuration(**params)

    def distributions(self, configuration: Configuration) -> dict[str, BaseDistribution]:
        """The choices that a configuration has been taken from, as Optuna keeps them."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        return {
            name: FloatDistribution(values.low, values.high, log=True)
            if isinstance(values, Range)
            else CategoricalDistribution(values)
            for name, values in self.choices.items()
            if name in configuration.to_params()
        }

    def configuration_of(self, recipe: Recipe) -> Configuration | None:
        """The configuration that a recipe has as it is; None if it is none of this space."""
        spec = recipe.spec
        kind = {"layers": spec.rule.layers, "residual": spec.rule.residual, "gated": spec.rule.gated}
        rule = next(name for name, fields in SHAPES.items() if fields == kind)
        more: dict[str, Any] = {
            "channels": spec.channels,
            "fire_rate": spec.fire_rate,
            "steps": 1.0,
            "learning_rate": recipe.optimiser.learning_rate,
        }
        found = Configuration(
            perception=spec.perception,
            hidden=spec.rule.hidden,
            rule=rule,
            **{name: value for name, value in more.items() if name in self.choices},
        )
        return found if self.holds(found) else None


REPORT = Space(
    "report", {"perception": PERCEPTIONS, "hidden": (64, 128), "rule": tuple(SHAPES)[:4]}
)  # the report, "Architecture Search": 32 configurations
WIDE = Space(
    "wide",
    {
        "perception": PERCEPTIONS,
        "hidden": (32, 64, 96, 128, 192, 256),
        "rule": tuple(SHAPES),
        "channels": (8, 12, 16, 24, 32),
        "fire_rate": (0.25, 0.5, 0.75, 1.0),
        "steps": (0.75, 1.0, 1.5),
        "learning_rate": Range(1e-3, 2e-2),
    },
)
SPACES = {space.name: space for space in (REPORT, WIDE)}


def find(name: str) -> Space:
    """The space of this name.

    Raises:
        BadRequest: there is none.
    """
    if name not in SPACES:
        raise BadRequest(
            f"there is no space {name!r}{nearest(name, list(SPACES))}; spaces: {', '.join(SPACES)}"
        )
    return SPACES[name]

"""The Spec: everything that decides what one step of an automaton does, except its weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from petri import checks
from petri.errors import BadRequest, nearest

PERCEPTIONS = ("sobel", "learned", "dilated", "learned+dilated")
PADDINGS = ("zero", "wrap")
# The kinds of rule there are, by the words with which a Spec describes them.
RULES: dict[str, dict[str, Any]] = {
    "2 layers": {"layers": 2, "residual": False, "gated": False},
    "2 layers gated": {"layers": 2, "residual": False, "gated": True},
    "3 layers": {"layers": 3, "residual": False, "gated": False},
    "3 layers residual": {"layers": 3, "residual": True, "gated": False},
    "3 layers gated": {"layers": 3, "residual": False, "gated": True},
    "3 layers residual gated": {"layers": 3, "residual": True, "gated": True},
}
FILTERS = 3  # of one bank: the cell itself, its slope in x, its slope in y


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One automaton, described completely.

    Raises:
        BadRequest: a value out of range or two values that contradict each other.

    Source: the report, "Architecture"; the living mask and the seed are those of Mordvintsev et al. 2020.
    """

    channels: int = 16  # RGB, alpha, then hidden ones; at least 4
    perception: str = "dilated"  # one of PERCEPTIONS
    hidden: int = 64  # width of the hidden layers, a multiple of 16
    layers: int = 3  # 2 (perception, hidden, update) or 3 (one hidden layer more)
    residual: bool = False  # add hidden layer 1 to hidden layer 2; needs 3 layers
    gated: bool = False  # one more output, a sigmoid: the cell's own probability to fire
    fire_rate: float | None = None  # probability to fire where there is no gate; None means 0.5
    living: bool = False  # cells with no alpha > 0.1 around them are empty
    padding: str = "zero"  # beyond the edge lie empty cells (zero) or the opposite side (wrap)
    clamp: float | None = 1.0  # largest magnitude of any state value; None for no bound
    seed: tuple[float, float] = (0.5, 0.5)  # where growth begins: x, y as fractions of the grid

    def __post_init__(self) -> None:
        checks.whole("channels", self.channels, 4, 64)
        checks.choice("perception", self.perception, PERCEPTIONS)
        checks.whole("hidden", self.hidden, 16, 512)
        if self.hidden % 16:
            raise BadRequest(f"hidden must be a multiple of 16, got {self.hidden}")
        checks.whole("layers", self.layers, 2, 3)
        for name in ("residual", "gated", "living"):
            checks.truth(name, getattr(self, name))
        if self.residual and self.layers != 3:
            raise BadRequest(f"residual needs layers = 3, got layers = {self.layers}")
        if self.gated and self.fire_rate is not None:
            raise BadRequest(
                f"a gated rule decides for itself which cells fire: leave fire_rate out, got {self.fire_rate}"
            )
        if not self.gated:
            rate = 0.5 if self.fire_rate is None else self.fire_rate
            object.__setattr__(self, "fire_rate", checks.number("fire_rate", rate, 0.0, 1.0, low_open=True))
        checks.choice("padding", self.padding, PADDINGS)
        if self.clamp is not None:
            # 1 is the least that leaves room for colours and for the seed.
            object.__setattr__(self, "clamp", checks.number("clamp", self.clamp, 1.0, 1e6))
        if not isinstance(self.seed, (tuple, list)) or len(self.seed) != 2:
            raise BadRequest(f"seed must be two fractions (x, y), got {self.seed!r}")
        x, y = (checks.number(f"seed {axis}", v, 0.0, 1.0) for axis, v in zip("xy", self.seed, strict=True))
        object.__setattr__(self, "seed", (x, y))

    @property
    def trains_bank(self) -> bool:
        """Whether the nearest-neighbour bank is trained (Sobel is only where it starts)."""
        return self.perception.startswith("learned")

    @property
    def dilated(self) -> bool:
        """Whether there is a second, fixed bank that reads cells two away."""
        return self.perception.endswith("dilated")

    @property
    def features(self) -> int:
        """Numbers that a cell perceives: 3 a channel, or 6 with the dilated bank."""
        return FILTERS * self.channels * (2 if self.dilated else 1)

    @property
    def outputs(self) -> int:
        """Outputs of the rule: an update a channel, and the gate."""
        return self.channels + self.gated

    @property
    def parameters(self) -> int:
        """Parameters as the report counts them.

        A trained 3×3 bank and the fixed dilated one count 9 values a filter and channel (432 for 16
        channels); the fixed Sobel bank counts nothing.
        """
        bank = FILTERS * self.channels * 9
        count = bank * (self.trains_bank + self.dilated)
        count += self.features * self.hidden + self.hidden
        count += (self.hidden * self.hidden + self.hidden) * (self.layers - 2)
        return count + self.hidden * self.outputs + self.outputs

    def describe(self) -> str:
        """The architecture in a few words, such as `dilated · 64 hidden · 3 layers residual`."""
        words = [self.perception, f"{self.hidden} hidden", f"{self.layers} layers"]
        words[-1] += " residual" * self.residual + " gated" * self.gated
        words += ["living mask"] * self.living + ["wrapped edges"] * (self.padding == "wrap")
        return " · ".join(words)

    def to_json(self) -> str:
        """All fields, as JSON with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote.

        Raises:
            BadRequest: not JSON, a field missing, unknown or not valid; the message names it.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the Spec is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise BadRequest(f"the Spec must be a JSON object, got {type(fields).__name__}")
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Spec:
        """A Spec from all of its fields by name; none may be missing and none unknown."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise BadRequest(f"the Spec has an unknown field {name!r}{nearest(name, known)}")
        for name in known:
            if name not in fields:
                raise BadRequest(f"the Spec lacks the field {name!r}")
        return cls(**fields)

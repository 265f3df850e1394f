"""The Spec: everything that decides what one step of an automaton does, except its weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from petri import checks
from petri.errors import BadRequest, nearest
from petri.nca import kinds
from petri.nca.colours import COLOURS
from petri.nca.decoder import DECODERS, Lppn
from petri.nca.graph import ring
from petri.nca.rule import RULES, Mlp
from petri.nca.senses import SENSES, Sense, words
from petri.nca.senses.sense import on_graph
from petri.nca.space import SPACES, Grid, Ring, Space
from petri.nca.start import STARTS, Cell, Noise, Start, Uniform

MOST_FIXED = 64
# The words of a Spec as version 0.1 wrote it, which was flat, and where they stand now. They are still read
# everywhere, and the command line's options are named after them.
RULE_WORDS = ("hidden", "layers", "residual", "gated")
SHORT = (*RULE_WORDS, "perception", "padding", "seed")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One automaton, described completely: of kinds, each a frozen dataclass that checks its own fields.

    A state has the channels that evolve first, what is seen at their head, and the fixed planes last.

    Raises:
        BadRequest: a value out of range or two values that contradict each other.

    Source: the report, "Architecture"; Mordvintsev et al. 2020 (the living mask and the seed); Spitznagel and
    Keuper, NCAtorch (other senses and fixed planes).
    """

    channels: int = 16  # that evolve: RGB, alpha, then hidden ones; at least 4
    fixed: int = 0  # planes behind them that are perceived and never change: a condition, an image, a mask
    senses: tuple[Sense, ...] = words.parse("dilated", width=0)  # side by side; a name is read, too
    rule: Mlp = dataclasses.field(default_factory=Mlp)
    space: Space = dataclasses.field(default_factory=Grid)
    start: Start = dataclasses.field(default_factory=Cell)
    decoder: Lppn | None = None  # what paints a picture of the state; None: the first channels are shown
    fire_rate: float | None = None  # probability to fire where there is no gate; None means 0.5
    held: int = 0  # channels, from the first, that no step changes where the first fixed plane is 1
    living: bool = False  # cells with no alpha > 0.1 around them are empty
    masked: bool = False  # cells where the first fixed plane is not above 0.1 are empty
    classes: int = 0  # so many of the first channels are votes: the greatest gives a cell its colour
    clamp: float | None = 1.0  # largest magnitude of any state value; None for no bound
    colour_offset: float = 0.0  # what is shown of channels 0 to 2 is offset + scale · value
    colour_scale: float = 1.0

    def __post_init__(self) -> None:
        checks.whole("channels", self.channels, 4, 64)
        checks.whole("fixed", self.fixed, 0, MOST_FIXED)
        checks.whole("held", self.held, 0, self.channels)
        if self.held and not self.fixed:
            raise BadRequest(
                f"held channels need a fixed plane that says where, got held = {self.held} and none"
            )
        if self.held and (self.living or self.clamp is not None):
            raise BadRequest(
                f"held channels are for automata without a living mask and a clamp: they are never changed, "
                f"got living = {str(self.living).lower()}, clamp = {self.clamp}"
            )
        for name, known in (("rule", RULES), ("space", SPACES), ("start", STARTS)):
            if type(getattr(self, name)) not in known.values():
                raise BadRequest(
                    f"{name} must be one of petri's kinds ({', '.join(known)}), got {getattr(self, name)!r}"
                )
        senses: Any = self.senses
        if isinstance(senses, str):
            senses = words.parse(senses, width=self.rule.hidden)
        if not isinstance(senses, (tuple, list)) or not senses:
            raise BadRequest(f"senses must be a name or at least one sense, got {senses!r}")
        for sense in senses:
            if type(sense) not in SENSES.values():
                raise BadRequest(f"senses must be of the kinds {', '.join(SENSES)}, got {sense!r}")
            if on_graph(type(sense)) != self.space.on_graph:
                raise BadRequest(f"a {kinds.name_of(self.space, SPACES)} has other senses, got {sense!r}")
        object.__setattr__(self, "senses", tuple(senses))
        for name in ("living", "masked"):
            checks.truth(name, getattr(self, name))
        self._check_classes()
        if self.decoder is not None:
            self._check_decoder(self.decoder)
        if self.rule.gated and self.fire_rate is not None:
            raise BadRequest(
                "a gated rule decides for itself which cells fire: spec.fire_rate must be none, got "
                f"{self.fire_rate}"
            )
        if not self.rule.gated:
            rate = 0.5 if self.fire_rate is None else self.fire_rate
            object.__setattr__(self, "fire_rate", checks.number("fire_rate", rate, 0.0, 1.0, low_open=True))
        if self.clamp is not None:
            # 1 is the least that leaves room for colours and for the seed.
            object.__setattr__(self, "clamp", checks.number("clamp", self.clamp, 1.0, 1e6))
        for name, low in (("colour_offset", -1e3), ("colour_scale", 0.0)):
            value = checks.number(name, getattr(self, name), low, 1e3, low_open=name == "colour_scale")
            object.__setattr__(self, name, value)

    def _check_decoder(self, decoder: Lppn) -> None:
        if type(decoder) not in DECODERS.values():
            raise BadRequest(f"decoder must be none or of the kinds {', '.join(DECODERS)}, got {decoder!r}")
        if not self.space.axes:
            raise BadRequest(
                "a decoder paints between the cells of a grid or the nodes of a mesh: leave it out"
            )
        if decoder.maps and self.living:
            raise BadRequest("the maps of a material fill their plane: leave out the living mask")
        if decoder.outputs < 3 + self.living and not decoder.maps:
            raise BadRequest(
                f"the decoder of a figure paints RGB and alpha, 4 outputs, got {decoder.outputs}"
            )
        if not self.space.on_graph:
            return
        if self.living or decoder.maps:
            raise BadRequest("a decoder paints the colours of a whole mesh: leave out living mask and maps")
        if (decoder.coordinates, decoder.order) != (Lppn.coordinates, Lppn.order):
            raise BadRequest(
                "coordinates and order of a decoder are of squares, not of triangles: leave them out, "
                f"got {decoder.coordinates} and {decoder.order}"
            )

    def _check_classes(self) -> None:
        if self.masked and (self.living or not self.fixed):
            raise BadRequest(
                "masked lets the first fixed plane say which cells there are: it needs one and no living "
                f"mask, got fixed = {self.fixed}, living = {str(self.living).lower()}"
            )
        checks.whole("classes", self.classes, 0, min(self.channels, len(COLOURS)))
        if self.classes == 1:
            raise BadRequest("classes must be 0, or at least 2 to choose from, got 1")
        if self.classes and (self.living or self.decoder is not None):
            raise BadRequest(
                "what votes for classes shows its votes: leave out the living mask and the decoder"
            )

    @property
    def planes(self) -> int:
        """Planes of a state: the channels and the fixed ones; every sense reads all of them."""
        return self.channels + self.fixed

    @property
    def features(self) -> int:
        """Numbers that a cell perceives."""
        return sum(sense.features(self.planes) for sense in self.senses)

    @property
    def outputs(self) -> int:
        """Outputs of the rule: an update a channel, and the gate."""
        return self.channels + self.rule.gated

    @property
    def start_is_drawn(self) -> bool:
        """Whether chance has a part in where a rollout begins."""
        return isinstance(self.start, Noise)

    @property
    def fills_any_shape(self) -> bool:
        """Whether it weaves a plane of any shape, as a texture does: no edge, no figure, no first cell."""
        return self.space.padding == "wrap" and not self.living and isinstance(self.start, (Noise, Uniform))

    @property
    def perception(self) -> str:
        """The senses by name, such as `learned+dilated`."""
        return words.name(self.senses, width=self.rule.hidden)

    @property
    def parameters(self) -> int:
        """Parameters as the report counts them.

        A trained 3×3 bank and the fixed dilated one count 9 values a filter and channel (432 for 16
        channels); the fixed Sobel bank counts nothing.
        """
        rule = self.rule
        count = sum(sense.parameters(self.planes) for sense in self.senses)
        count += self.features * rule.hidden + rule.hidden
        count += (rule.hidden * rule.hidden + rule.hidden) * (rule.layers - 2)
        count += rule.hidden * self.outputs + self.outputs
        return count + (self.decoder.parameters(self.channels, self.space.axes) if self.decoder else 0)

    def check_grid(self, height: int, width: int) -> None:
        """Refuse a grid that is smaller than what a cell senses at once.

        Raises:
            BadRequest: a sense of more than 3×3 cells is larger; or a ring or a mesh has more than one row.
        """
        if self.space.on_graph and height != 1:
            raise BadRequest(f"the nodes of a ring or a mesh are one row, got {height} rows of {width}")
        if isinstance(self.space, Ring):
            ring(width)
        largest = max(sense.size for sense in self.senses)
        if largest > max(3, min(height, width)):
            raise BadRequest(
                f"a sense of {largest}×{largest} cells is larger than the grid, {height}×{width}"
            )

    def describe(self) -> str:
        """The architecture in a few words, such as `dilated · 64 hidden · 3 layers residual`."""
        said = [self.perception, self.rule.describe()]
        said += [f"{self.fixed} fixed plane" + "s" * (self.fixed > 1)] * (self.fixed > 0)
        said += [f"{self.held} held channel" + "s" * (self.held > 1)] * (self.held > 0)
        said += [f"{self.classes} classes"] * (self.classes > 0) + ["masked by its image"] * self.masked
        said += ["living mask"] * self.living + ["wrapped edges"] * (self.space.padding == "wrap")
        said += [f"on a {kinds.name_of(self.space, SPACES)}"] * self.space.on_graph
        said += [self.decoder.describe()] if self.decoder else []
        said += [f"starts from {kinds.name_of(self.start, STARTS)}"] * (not isinstance(self.start, Cell))
        return " · ".join(said)

    def to_fields(self) -> dict[str, Any]:
        """All fields as plain values in tables; the senses by name where the name says all.

        Only what holds channels or paints maps says so: what earlier versions wrote is written as they did.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if not self.held:
            del fields["held"]
        name = self.perception
        if words.is_name(name, self.senses, width=self.rule.hidden):
            fields["senses"] = name
        else:
            fields["senses"] = [kinds.to_table(sense, SENSES) for sense in self.senses]
        fields["rule"] = kinds.to_table(self.rule, RULES)
        fields["space"] = kinds.to_table(self.space, SPACES)
        fields["start"] = kinds.to_table(self.start, STARTS)
        if self.decoder is not None:
            fields["decoder"] = kinds.to_table(self.decoder, DECODERS)
            if not self.decoder.maps:
                del fields["decoder"]["maps"]
        return fields

    def to_json(self) -> str:
        """All fields, as JSON with sorted keys; the senses as tables, for readers that know no names."""
        senses = [kinds.to_table(sense, SENSES) for sense in self.senses]
        return json.dumps(self.to_fields() | {"senses": senses}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote, in this version or an earlier one.

        Raises:
            BadRequest: not JSON, a field unknown or not valid; the message names it.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the Spec is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise BadRequest(f"the Spec must be a JSON object, got {type(fields).__name__}")
        return cls.from_fields(fields)

    @classmethod
    def of(cls, **fields: Any) -> Spec:
        """A Spec by the short words, too: `Spec.of(perception="conv3", hidden=80, layers=2)`."""
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Spec:
        """A Spec from its fields by name; one that is missing takes its default, and none may be unknown.

        Raises:
            BadRequest: a field or a kind that is unknown, or a value that is not valid; the message names it.
        """
        made = full(fields)
        known = [field.name for field in dataclasses.fields(cls)]
        for name in made:
            if name not in known:
                raise BadRequest(f"the Spec has an unknown field {name!r}{nearest(name, [*known, *SHORT])}")
        for name, there, default in (
            ("rule", RULES, "mlp"),
            ("space", SPACES, "grid"),
            ("start", STARTS, "cell"),
            ("decoder", DECODERS, "lppn"),
        ):
            if name in made and (name != "decoder" or made[name] is not None):
                made[name] = kinds.from_table(name, made[name], there, default)
        senses = made.get("senses")
        if isinstance(senses, (list, tuple)):
            made["senses"] = tuple(
                kinds.from_table(f"sense {number}", sense, SENSES, "")
                for number, sense in enumerate(senses, 1)
            )
        return cls(**made)


def full(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in which the short words are where they belong: version 0.1's Spec as this version has it.

    `hidden`, `layers`, `residual` and `gated` are the rule's, `perception` names the senses, `padding` is the
    space's and `seed` the place where the start's cell lies. What a short word says stands before what the
    table says that it belongs to.

    Raises:
        BadRequest: such a table is none, or the seed is no pair.
    """
    made = {name: value for name, value in fields.items() if name not in SHORT}

    def put(table: str, **values: Any) -> None:
        before = made.get(table, {})
        if not isinstance(before, Mapping):
            raise BadRequest(f"{table} must be a table, got {before!r}")
        made[table] = {**before, **values}

    for word in RULE_WORDS:
        if word in fields:
            put("rule", **{word: fields[word]})
    if "padding" in fields:
        put("space", padding=fields["padding"])
    if "perception" in fields:
        if not isinstance(fields["perception"], (str, list, tuple)):
            raise BadRequest(f"perception must be a name, got {fields['perception']!r}")
        made["senses"] = fields["perception"]
    if "seed" in fields:
        seed = fields["seed"]
        if not isinstance(seed, (tuple, list)) or len(seed) != 2:
            raise BadRequest(f"seed must be two fractions (x, y), got {seed!r}")
        put("start", kind="cell", x=seed[0], y=seed[1])
    return made

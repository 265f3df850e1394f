"""Specs of every kind there is, by name, and more by chance: what backends are compared over."""

import random

import torch

from petri import samples
from petri.modelfile import Model
from petri.nca import Automaton
from petri.nca.padding import PADDINGS
from petri.nca.rule import SHAPES, Mlp
from petri.nca.senses import Attention, Conv, Deformable, Residual, Stencil
from petri.nca.senses.stencil import FILTERS
from petri.nca.space import Grid
from petri.nca.spec import Spec
from petri.nca.start import Cell, Given, Noise, Uniform

SMALL = Mlp(hidden=32, layers=2)
DEEP = Mlp(hidden=16, layers=3, residual=True)
BOUNDS = {"sensed_bound": 0.5, "hidden_bound": 0.4, "change_bound": 0.1}
WRAP = Grid(padding="wrap")

SPECS: dict[str, Spec] = {
    "sobel": Spec(senses="sobel", rule=SMALL),
    "learned": Spec(senses="learned", rule=DEEP, living=True),
    "dilated": Spec(senses="dilated", rule=SMALL, space=WRAP),
    "learned+dilated": Spec(senses="learned+dilated", rule=Mlp(hidden=16, gated=True)),
    "identity": Spec(senses="identity", rule=SMALL),
    "laplacian": Spec(senses="laplacian", rule=SMALL, space=WRAP, start=Noise(), colour_offset=0.5),
    "sobel+laplacian": Spec(senses="sobel+laplacian", channels=12, rule=SMALL, clamp=None, start=Uniform()),
    "learned7": Spec(senses="learned7", channels=7, rule=DEEP, living=True),
    "stencils side by side": Spec(
        channels=7,
        senses=(
            Stencil(filters=("laplacian",), size=5, dilation=2),
            Stencil(filters=("sobel_y", "identity"), trained=True, dilation=3),
            Stencil(filters=("sobel_x", "sobel_y"), size=7),
        ),
        rule=SMALL,
        space=WRAP,
    ),
    "conv1": Spec(senses="conv1", rule=Mlp(hidden=16), channels=5),
    "conv3": Spec(senses="conv3", rule=SMALL, space=WRAP, fixed=5),
    "conv3+conv5d2": Spec(senses="conv3+conv5d2", rule=SMALL, fixed=5),
    "conv7d2": Spec(senses=(Conv(size=7, dilation=2, width=20),), channels=4, rule=DEEP, living=True),
    "conv beside stencils": Spec(
        channels=6,
        fixed=1,
        senses=(Conv(width=18), Stencil(trained=True, size=5), Conv(size=5, width=33), Stencil(dilation=2)),
        rule=DEEP,
        space=WRAP,
        clamp=2.0,
        start=Given(),
    ),
    "conv beside sobel, gated": Spec(senses="sobel+conv3", rule=Mlp(hidden=32, gated=True), living=True),
    "fixed planes": Spec(senses="dilated", fixed=3, rule=DEEP, living=True),
    "fixed planes, gated": Spec(
        channels=9, senses="learned", fixed=30, rule=Mlp(hidden=16, gated=True), space=WRAP, living=True
    ),
    "held channels": Spec(
        senses="sobel", channels=5, fixed=2, held=2, clamp=None, rule=SMALL, start=Uniform(value=0.3)
    ),
    "held channels, gated": Spec(
        senses="conv3", channels=18, fixed=1, held=17, clamp=None, rule=Mlp(hidden=16, gated=True), space=WRAP
    ),
    "bounds": Spec(senses="sobel+conv3", fixed=2, rule=Mlp(hidden=32, residual=True, **BOUNDS)),
    "bounds of a report's perception": Spec(
        senses="learned+dilated", rule=Mlp(hidden=16, gated=True, **BOUNDS), living=True
    ),
    "masked": Spec(senses="conv3", channels=5, fixed=1, masked=True, classes=3, rule=SMALL, start=Uniform()),
    "masked, gated": Spec(
        senses="learned+conv3d3",
        fixed=3,
        masked=True,
        clamp=None,
        rule=Mlp(hidden=16, gated=True),
        space=WRAP,
    ),
    "classes": Spec(senses="conv3", channels=12, fixed=3, classes=10, rule=SMALL, start=Uniform()),
    "attention": Spec(senses=(Attention(),), rule=SMALL),
    "deformable": Spec(senses=(Deformable(),), rule=SMALL),
    "residual": Spec(senses=(Residual(width=16),), rule=SMALL, fixed=1),
    "residual beside conv": Spec(senses=(Conv(width=16), Residual(width=16)), rule=SMALL, space=WRAP),
    "conv9": Spec(senses=(Conv(size=9, width=16),), channels=4, rule=SMALL),
    "learned9": Spec(senses="learned9", channels=4, rule=SMALL),
}


# All that a page computes, more of it to a Spec, as a browser without a GPU needs long for each.
CORNER = Cell(x=1.0, y=0.0)  # no axis can be taken for the other, or for its mirror image
TINY = Mlp(hidden=16, layers=2)
PAGE = [
    Spec(channels=4, senses=(Conv(width=16),), rule=TINY, start=CORNER),
    Spec(
        channels=6, fixed=3, senses=(Conv(size=5, dilation=2, width=10),), rule=TINY, space=WRAP, living=True
    ),
    Spec(fixed=5, senses=(Conv(width=80), Conv(size=5, dilation=2, width=80)), rule=Mlp(hidden=80, layers=2)),
    Spec(
        channels=5,
        senses=(Conv(size=7, dilation=4, width=3),),
        rule=Mlp(hidden=16),
        space=WRAP,
        start=Noise(),
    ),
    Spec(
        channels=18,
        fixed=9,
        senses=(Conv(size=1, width=5), Stencil(size=5, trained=True), Conv(width=6), Stencil(dilation=2)),
        rule=Mlp(hidden=16, residual=True, gated=True),
        living=True,
    ),
    Spec(
        channels=12,
        senses=(Stencil(filters=("identity", "sobel_x", "sobel_y", "laplacian")),),
        rule=Mlp(hidden=96, layers=2, sensed_bound=0.7, hidden_bound=0.4, change_bound=0.0625),
        space=WRAP,
        start=Noise(level=0.3),
        clamp=1.5,
    ),
    Spec(
        channels=7,
        senses=(
            Stencil(filters=("laplacian", "sobel_y"), dilation=3),
            Stencil(filters=("sobel_x",), size=5),
            Stencil(filters=("laplacian", "identity"), size=7, dilation=2, trained=True),
        ),
        rule=Mlp(hidden=16, residual=True, hidden_bound=0.3),
        start=Uniform(value=-0.35),
        fire_rate=0.7,
    ),
    Spec(channels=4, fixed=1, senses=(Stencil(size=7, trained=True),), rule=TINY, space=WRAP, start=Given()),
    Spec(
        channels=9,
        fixed=2,
        senses=(Conv(width=6), Conv(dilation=3, width=6)),
        rule=TINY,
        masked=True,
        start=Given(),
    ),
    Spec(
        channels=4,
        fixed=64,
        senses=(Stencil(filters=("identity",)), Conv(width=6)),
        rule=Mlp(hidden=16, gated=True, change_bound=0.03, sensed_bound=2.5),
        start=Given(),
        clamp=None,
    ),
]


# What a decoder is to a page: weights, places and text.
SMALL_FIELDS = {"perception": "sobel", "hidden": 16, "layers": 2}
DECODED = {
    "a figure": Spec.of(living=True, decoder={"kind": "lppn"}, **SMALL_FIELDS),
    "a plane that wraps": Spec.of(
        channels=7,
        padding="wrap",
        decoder={"kind": "lppn", "width": 18, "layers": 2, "outputs": 9},
        **SMALL_FIELDS,
    ),
    "a material": Spec.of(
        channels=8,
        padding="wrap",
        decoder={
            "kind": "lppn",
            "width": 12,
            "outputs": 9,
            "maps": ["albedo", "height", "roughness", "occlusion", "normal"],
        },
        **SMALL_FIELDS,
    ),
    "heights alone": Spec.of(
        channels=4,
        padding="wrap",
        decoder={"kind": "lppn", "width": 8, "layers": 1, "outputs": 1, "maps": ["height"]},
        **SMALL_FIELDS,
    ),
    "corners, x first": Spec.of(
        channels=5,
        fixed=2,
        decoder={"kind": "lppn", "width": 5, "layers": 1, "coordinates": "corner", "order": "xy"},
        **SMALL_FIELDS,
    ),
    "three frequencies": Spec.of(
        channels=12,
        living=True,
        padding="wrap",
        decoder={"kind": "lppn", "width": 32, "layers": 4, "frequencies": 3, "omega": 6.0, "order": "xy"},
        **SMALL_FIELDS,
    ),
    "places as they are": Spec.of(
        channels=4,
        decoder={"kind": "lppn", "width": 512, "layers": 1, "frequencies": 0, "order": "xy"},
        **SMALL_FIELDS,
    ),
    "too many weights for a uniform block": Spec.of(
        channels=8,
        perception="conv3",
        hidden=16,
        layers=2,
        decoder={"kind": "lppn", "width": 160, "omega": 4.1},
    ),
}


def random_spec(number: int) -> Spec:
    """A small Spec of stencils and convolutions, drawn by chance from a number."""
    chance = random.Random(number)
    rule = dict(chance.choice(list(SHAPES.values())))
    for bound in ("sensed_bound", "hidden_bound", "change_bound"):
        if chance.random() < 0.25:
            rule[bound] = chance.choice((0.2, 0.5, 1.0))
    return Spec(
        channels=chance.choice((4, 7, 12, 16, 17, 20)),
        fixed=chance.choice((0, 0, 1, 5, 13)),
        senses=tuple(random_sense(chance) for _ in range(chance.choice((1, 1, 2, 3)))),
        rule=Mlp(hidden=chance.choice((16, 32, 48)), **rule),
        space=Grid(padding=chance.choice(PADDINGS)),
        fire_rate=None if rule["gated"] else chance.choice((0.25, 0.5, 1.0)),
        living=chance.random() < 0.4,
        clamp=chance.choice((None, 1.0, 1.5)),
    )


def random_sense(chance: random.Random) -> Stencil | Conv:
    """A stencil or a convolution."""
    dilation = chance.choice((1, 1, 2, 3))
    if chance.random() < 0.5:
        return Conv(
            size=chance.choice((1, 3, 3, 5, 7)), dilation=dilation, width=chance.choice((3, 16, 25, 40))
        )
    filters = chance.sample(list(FILTERS), chance.randint(1, len(FILTERS)))
    size, trained = chance.choice((3, 3, 5, 7)), chance.random() < 0.5
    return Stencil(filters=tuple(filters), size=size, dilation=dilation, trained=trained)


def two_colours(*, living: bool = False) -> Model:
    """A model of two targets, red and blue: each cell goes towards the colour that it is asked for."""
    start = {"kind": "cell"} if living else {"kind": "uniform", "value": 0.0}
    spec = Spec.of(
        channels=4,
        fixed=2,
        perception="identity",
        hidden=16,
        layers=2,
        padding="wrap",
        living=living,
        start=start,
    )
    automaton = Automaton(spec)
    for values in automaton.parameters():
        values.data.zero_()
    first, last = automaton.rule.weights
    for unit, plane in enumerate((4, 5, 0, 1, 2)):  # what is asked, and the colour there is
        first.data[unit, plane] = 1.0
    last.data[0, 0] = last.data[2, 1] = 0.25
    for colour in range(3):
        last.data[colour, 2 + colour] = -0.25
    automaton.rule.biases[1].data[3] = float(living)
    training = {
        "recipe": {"task": "grow" if living else "texture", "phases": [{"res": 32, "steps": [16, 32]}]}
    }
    return Model(automaton=automaton, target="red and blue", training=training, conditions=("🦎", "🦋"))


def tells_brightness() -> Model:
    """A classifier of two classes, masked: each cell votes by how bright its pixel is, and feels slopes."""
    spec = Spec(
        channels=5, fixed=1, masked=True, classes=2, senses="sobel", rule=TINY, start=Uniform(), clamp=4.0
    )
    automaton = Automaton(spec)
    for values in automaton.parameters():
        values.data.zero_()
    first, last = automaton.rule.weights
    picture = 3 * spec.channels  # its identity, then its slopes to the right and down
    first.data[0, picture] = 1.0
    automaton.rule.biases[0].data[1] = 0.55
    first.data[2, picture + 1], first.data[3, picture + 2] = 1.0, 1.0
    for channel, unit in ((0, 1), (1, 0), (2, 2), (3, 3)):
        last.data[channel, unit] = 0.5
    for vote in (0, 1):  # it forgets, so that votes come to rest
        first.data[4 + vote, 3 * vote] = 1.0
        last.data[vote, 4 + vote] = -0.25
    pictures = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    pictures[0, 0, 4:12, 1:5], pictures[1, 0, 3:9, 9:15] = 100, 255
    training = {
        "samples": samples.to_fields(pictures),
        "recipe": {"task": "classify", "phases": [{"res": 16, "steps": [4, 8]}]},
    }
    return Model(automaton=automaton, target="brightness", training=training, classes=("dim", "bright"))

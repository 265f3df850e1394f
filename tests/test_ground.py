import pytest
import torch

from petri import ground, targets
from petri.errors import BadRequest
from petri.ground import BLACK, MIDDLE, WHITE
from petri.modelfile import Model
from petri.nca import Automaton, Spec

SIDE = 64


def drawn(paint):
    """A figure of `SIDE` cells: the colour of each place, three numbers or none, from x and y in -1..1."""
    pixels = torch.zeros(4, SIDE, SIDE)
    for row in range(SIDE):
        for column in range(SIDE):
            seen = paint((2 * column + 1) / SIDE - 1, (2 * row + 1) / SIDE - 1)
            if seen is not None:
                pixels[:, row, column] = torch.tensor([*seen, 1.0])
    return pixels


def disc(*colour, radius=0.8):
    return drawn(lambda x, y: colour if x * x + y * y < radius**2 else None)


def ring(within, rim):
    """A disc of two colours, either of which may be none."""
    return drawn(
        lambda x, y: None if x * x + y * y > 0.64 else rim if x * x + y * y > 0.49 else within,
    )


def halves(left, right):
    return drawn(lambda x, y: None if x * x + y * y > 0.64 else left if x < 0 else right)


FIGURES = {
    "black ring": (ring(None, (0, 0, 0)), WHITE),
    "white ring": (ring(None, (1, 1, 1)), BLACK),
    "black disc": (disc(0, 0, 0), WHITE),
    "white disc": (disc(1, 1, 1), BLACK),
    "light grey disc": (disc(0.88, 0.88, 0.88), BLACK),
    "grey disc": (disc(0.5, 0.5, 0.5), WHITE),
    "red disc": (disc(1, 0, 0), WHITE),
    "gold disc": (disc(0.99, 0.76, 0.1), WHITE),
    "pale yellow disc": (disc(1, 1, 0.6), BLACK),
    "half black, half white": (halves((0, 0, 0), (1, 1, 1)), MIDDLE),
    "half red, half blue": (halves((1, 0, 0), (0, 0, 1)), WHITE),
    "white within black: line art": (ring((1, 1, 1), (0, 0, 0)), WHITE),
    "black within white": (ring((0, 0, 0), (1, 1, 1)), MIDDLE),
    "red within white": (ring((1, 0, 0), (1, 1, 1)), BLACK),
    "nothing": (torch.zeros(4, SIDE, SIDE), WHITE),
    "a white square that fills the grid": (torch.ones(4, SIDE, SIDE), BLACK),
    "a plane": (torch.ones(3, SIDE, SIDE), WHITE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_put_where_it_can_be_seen(name):
    figure, expected = FIGURES[name]
    assert ground.choose(figure) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("🦋", WHITE), ("🦎", WHITE), ("🍄", WHITE), ("🐢", WHITE), ("🔥", WHITE), ("❄️", BLACK)],
)
@pytest.mark.parametrize("res", [32, 64, 96])
def test_emoji_at_any_size(name, expected, res):
    assert ground.choose(torch.from_numpy(targets.load(f"emoji:{name}", res).pixels)) == expected


@pytest.mark.parametrize("name", ["black ring", "white disc", "half black, half white", "red disc"])
def test_what_has_grown_nearly_is_put_on_the_same(name):
    figure, expected = FIGURES[name]
    for seed in range(5):
        noise = torch.randn(16, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
        state = noise / 10
        state[:4] = (figure + 0.05 * noise[:4]) * (figure[3] > 0)
        assert ground.choose(state) == expected


def test_soft_edges_and_broken_cells_do_not_mislead():
    soft = disc(1, 1, 1)
    soft = torch.nn.functional.avg_pool2d(soft[None], 5, stride=1, padding=2)[0]
    assert ground.choose(soft) == BLACK
    soft[:, 30, 30] = torch.nan
    soft[:, 0, 0] = torch.inf
    assert ground.choose(soft) == BLACK
    assert ground.choose(torch.full((16, 8, 8), torch.nan)) == WHITE


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("auto", "auto"),
        ("white", "#ffffff"),
        ("Black", "#000000"),
        ("#A0b1C2", "#a0b1c2"),
        ("transparent", "transparent"),
    ],
)
def test_a_ground_may_be_asked_for(asked, meant):
    assert ground.check(asked) == meant


@pytest.mark.parametrize("asked", ["", "green", "#fff", "#gggggg", "#ffffff\n", "ffffff", "#ffffff80"])
def test_other_grounds_are_refused(asked):
    with pytest.raises(BadRequest, match="must be auto, white, black, #rrggbb or transparent, got "):
        ground.check(asked)


def model(training, **spec):
    return Model(automaton=Automaton(Spec.of(**spec)), target="it", training=training)


def test_a_model_names_its_ground():
    assert ground.of(model({"ground": "#123456"}, living=True)) == "#123456"
    assert ground.of(model({"ground": "#123456"})) == WHITE  # a plane covers it
    for odd in (None, 7, "transparent", "#12", ["#123456"]):
        assert ground.kept(model({"ground": odd}, living=True)) is None


def test_of_a_model_that_names_none_it_is_that_of_what_it_grows():
    found = model({}, living=True, layers=2, clamp=None)
    assert ground.of(found) == WHITE  # a black seed
    last = found.automaton.rule.biases[-1]
    last.data[:4] = 0.1  # everything alive grows white
    assert ground.of(found) == BLACK

import pytest

from petri import engine, memory
from petri.errors import BadRequest
from petri.growth.catalogue import TABLE_5, architecture
from petri.growth.recipe import Recipe, make_recipe, steps_for
from petri.nca import Spec
from petri.targets import PATTERNS, load


def recipe(**fields):
    return Recipe(**{"target": "circle", "name": "circle", "res": 16, "spec": Spec(), **fields})


@pytest.mark.parametrize("spec", [Spec(), Spec(gated=True), Spec(clamp=None, living=True, seed=(0.1, 0.9))])
def test_toml_gives_back_the_same_recipe(spec):
    before = recipe(spec=spec, steps=(3, 5), learning_rate=1e-3)
    assert Recipe.from_toml(before.to_toml()) == before


def test_an_unknown_field_is_refused_with_the_nearest_known_one():
    with pytest.raises(BadRequest, match=r"'epoch', did you mean \"epochs\""):
        Recipe.from_toml("epoch = 3\n" + recipe().to_toml())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"res": 15}, "res must be a whole number in 16..4096, got 15"),
        ({"res": 5000}, "got 5000"),
        ({"epochs": 0}, "epochs must be"),
        ({"steps": (9, 3)}, "the most of steps must be a whole number in 9..100000, got 3"),
        ({"steps": 5}, "steps must be two whole numbers"),
        ({"steps": (4.5, 8.5)}, "the least of steps must be a whole number"),
        ({"learning_rate": "x"}, "learning_rate must be"),
        ({"stability": "a"}, "stability must be"),
        ({"target": 5}, "target must be a text"),
        ({"name": "a\x1b[31m"}, "name must have no control characters"),
        ({"batch": 8, "pool": 7}, "pool must be a whole number in 8"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"seed": 2**32}, "seed must be"),
    ],
)
def test_a_value_out_of_range_is_named(fields, said):
    with pytest.raises(BadRequest, match=said.replace(".", r"\.")):
        recipe(**fields)


def test_every_pattern_has_its_row_of_table_4():
    learned, dilated = "learned+dilated", "dilated"
    rows = {
        "spiral": (learned, 64, 3, "residual"),
        "mandelbrot": (learned, 128, 2, ""),
        "voronoi": (dilated, 64, 2, ""),
        "circle": (dilated, 64, 3, "residual"),
        "cross": (learned, 64, 3, "residual"),
        "rings": (learned, 128, 3, "residual"),
        "braid": (learned, 128, 2, "gated"),
        "topo": (learned, 128, 2, ""),
        "checkerboard": (dilated, 128, 2, "gated"),
    }
    assert set(rows) == set(PATTERNS) == set(TABLE_5)
    for name, (perception, hidden, layers, extra) in rows.items():
        residual, gated = extra == "residual", extra == "gated"
        assert Spec(**architecture(name)) == Spec(
            perception=perception, hidden=hidden, layers=layers, residual=residual, gated=gated
        )


def test_two_layers_drop_the_tables_residual_but_not_the_users():
    target = load("circle", 16)
    options = {"res": 16, "batch": 2}
    assert not make_recipe(target, "circle", architecture={"layers": 2}, **options).spec.residual
    with pytest.raises(BadRequest, match="residual needs layers = 3, got layers = 2"):
        make_recipe(target, "circle", architecture={"layers": 2, "residual": True}, **options)


def test_the_steps_grow_with_the_grid():
    assert [steps_for(res) for res in (16, 64, 128, 256)] == [(48, 96), (48, 96), (96, 192), (192, 384)]


def test_a_recipe_that_memory_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "installed", lambda: 8 * 10**9)
    memory.check(recipe(res=256, steps=(192, 384), pool=61))
    with pytest.raises(BadRequest, match=r"wants about .* GB of memory, this machine has 8: lower --res"):
        memory.check(recipe(res=1024, steps=(768, 1536)))
    monkeypatch.setattr(engine, "native_status", lambda: (False, "no compiler"))
    with pytest.raises(BadRequest, match="of memory"):  # PyTorch alone keeps more
        memory.check(recipe(res=256, steps=(192, 384), pool=61))

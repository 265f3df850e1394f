import pytest

from petri.errors import BadRequest
from petri.growth.architectures import TABLE_4
from petri.growth.recipe import Recipe, make_recipe, steps_for
from petri.nca import Spec
from petri.targets import PATTERNS, load


def recipe(**fields):
    return Recipe(**{"target": "circle", "res": 16, "spec": Spec(), **fields})


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
        ({"steps": (9, 3)}, "LEAST <= MOST"),
        ({"batch": 8, "pool": 7}, "pool must be a whole number in 8"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"seed": 2**32}, "seed must be"),
    ],
)
def test_a_value_out_of_range_is_named(fields, said):
    with pytest.raises(BadRequest, match=said.replace(".", r"\.")):
        recipe(**fields)


def test_every_pattern_has_its_row_of_table_4():
    assert set(TABLE_4) == set(PATTERNS)
    for fields in TABLE_4.values():
        assert Spec(**fields).features == 96


def test_two_layers_drop_the_tables_residual_but_not_the_users():
    target = load("circle", 16)
    options = {"res": 16, "batch": 2}
    assert not make_recipe(target, "circle", architecture={"layers": 2}, **options).spec.residual
    with pytest.raises(BadRequest, match="residual needs layers = 3, got layers = 2"):
        make_recipe(target, "circle", architecture={"layers": 2, "residual": True}, **options)


def test_the_steps_grow_with_the_grid():
    assert [steps_for(res) for res in (16, 64, 128, 256)] == [(48, 96), (48, 96), (96, 192), (192, 384)]

import dataclasses

import pytest

from petri.dni.recipe import DniRecipe
from petri.errors import BadRequest


def test_toml_gives_the_recipe_back():
    recipe = DniRecipe(widths=(32, 16), beta_max=0.5, conditioned=True, grader="linear")
    assert DniRecipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"beta_max": 1.5}, r"beta_max must be in \[0, 1\], got 1.5"),
        ({"beta_max": -0.1}, r"beta_max must be in \[0, 1\], got -0.1"),
        ({"beta_max": float("nan")}, "beta_max"),
        ({"data": "cifar"}, "data must be one of mnist, fashion, mini, got 'cifar'"),
        ({"widths": ()}, "widths must be 1 to 16"),
        ({"widths": (256, 0)}, "each of widths must be a whole number in 1..8192, got 0"),
        ({"widths": (9000,)}, "each of widths"),
        ({"widths": (2.5,)}, "each of widths"),
        ({"warm_up": -1}, "warm_up"),
        ({"epochs": 0}, "epochs"),
        ({"seeds": 0}, "seeds"),
        ({"way": "other"}, "way must be one of clean, chained, decoupled"),
        ({"grader": "cnn"}, "grader must be one of"),
        ({"unit": "batch"}, "unit must be one of"),
        ({"bounded": 1}, "bounded must be true or false"),
        ({"way": "decoupled"}, "beta_max must be 1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes, said):
    with pytest.raises(BadRequest, match=said):
        DniRecipe(**changes)


def test_recipes_that_are_none():
    text = DniRecipe().to_toml()
    for broken, said in (
        ("= 3", "not TOML"),
        (text.replace("warm_up", "warmup"), "unknown field 'warmup', did you mean \"warm_up\""),
        (text.replace("warm_up = 5.0\n", ""), "lacks the field 'warm_up'"),
    ):
        with pytest.raises(BadRequest, match=said):
            DniRecipe.from_toml(broken)


def test_every_field_is_described_in_the_file():
    text = DniRecipe().to_toml()
    assert all(f"{field.name} = " in text for field in dataclasses.fields(DniRecipe))


def test_the_share_that_is_reached_is_named():
    assert DniRecipe(epochs=10, warm_up=5.0).describe().startswith("clean way, β 0.8, mlp")
    assert DniRecipe(epochs=4, warm_up=5.0).describe().startswith("clean way, β 0.8, mlp")
    assert DniRecipe(epochs=2, warm_up=5.0).describe().startswith("clean way, β 0.4 of 0.8, mlp")
    assert DniRecipe(epochs=1, beta_max=0.0).describe().startswith("clean way, β 0, mlp")

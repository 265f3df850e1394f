import pytest

from petri.errors import BadRequest
from petri.nca.rule import SHAPES
from petri.search import space as spaces
from petri.search.space import REPORT, SPACES, WIDE, Configuration
from petri.tasks.catalogue import TABLE_4


def test_the_reports_space_has_its_32_configurations():
    everything = REPORT.all()
    assert len(set(everything)) == len(everything) == REPORT.size == 32
    assert WIDE.size is None


def test_each_configuration_is_a_recipe_of_another_architecture_and_nothing_else(recipe):
    base = recipe()
    made = [configuration.recipe(base, seed=5) for configuration in REPORT.all()]
    assert len({one.spec for one in made}) == 32
    for one in made:
        before, after = base.to_fields(), one.to_fields()
        assert {field for field in before if before[field] != after[field]} <= {"spec", "seed"}
        assert one.seed == 5 and (one.spec.fire_rate is None) == one.spec.rule.gated
    assert {
        (one.spec.rule.layers, one.spec.rule.residual, one.spec.rule.gated) for one in made
    } == {(2, False, False), (2, False, True), (3, False, False), (3, True, False)}  # fmt: skip


@pytest.mark.parametrize("name", TABLE_4)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_both_spaces_hold_table_4(recipe, space, name):
    base = recipe(name)
    found = space.configuration_of(base)
    assert found is not None and found.recipe(base, seed=base.seed) == base
    assert found.describe().startswith(base.spec.describe())


def test_a_wide_configuration_changes_steps_channels_rates_and_gates(recipe):
    configuration = Configuration(
        perception="sobel",
        hidden=256,
        rule="3 layers residual gated",
        channels=8,
        steps=1.5,
        learning_rate=0.004,
    )
    assert WIDE.holds(configuration) and not REPORT.holds(configuration)
    made = configuration.recipe(recipe(), seed=0)
    assert (
        made.spec.channels == 8
        and made.spec.rule.gated
        and made.spec.rule.residual
        and made.spec.fire_rate is None
    )
    assert made.steps == (3, 6) and made.optimiser.learning_rate == 0.004
    slow = Configuration(**{**configuration.to_params(), "rule": "2 layers", "fire_rate": 0.25})
    assert WIDE.holds(slow) and slow.recipe(recipe(), seed=0).spec.fire_rate == 0.25
    without = Configuration(**{**configuration.to_params(), "rule": "2 layers"})
    assert not WIDE.holds(without)


def test_every_rule_is_called_what_a_spec_calls_it(recipe):
    for rule in SHAPES:
        configuration = Configuration(perception="sobel", hidden=64, rule=rule)
        assert configuration.recipe(recipe(), seed=0).spec.describe() == configuration.describe()


def test_an_unknown_space_is_refused():
    with pytest.raises(BadRequest, match=r"no space 'wid', did you mean \"wide\""):
        spaces.find("wid")

import json
import math
import re

import pytest

from petri.dni.ablation import AblationTrial, ablate, find, open_record, variants
from petri.dni.trainer import NetworkEpoch
from petri.errors import BadRequest


def runs(*pairs, loss=0.1):
    return [
        [NetworkEpoch(1, 0.0, 1.0, first, 1.0), NetworkEpoch(2, 0.8, loss, last, 1.0)]
        for first, last in pairs
    ]


WHOLE = runs((90, 97.0), (91, 97.2), (90, 97.1))


def test_each_variant_removes_one_part(recipe):
    whole, *changed = [one.to_fields() for one in variants(recipe(way="chained")).values() if one]
    differences = [{key for key in one if one[key] != whole[key]} for one in changed]
    assert differences == [
        {"warm_up"}, {"zero_init"}, {"bounded"}, {"warm_up", "zero_init", "bounded"}, {"grader"},
    ]  # fmt: skip


def test_verdicts():
    def verdict(those):
        return find("it", those, WHOLE).verdict

    assert verdict(WHOLE) == ""
    assert verdict(runs((90, 97.02), (91, 97.21), (90, 97.05))) == "does not care"
    assert verdict(runs((90, 96.0), (91, 96.1), (90, 96.2))) == "ends lower"
    assert verdict(runs((90, 98.0), (91, 98.1), (90, 98.2))) == "ends higher"
    assert verdict(runs((80, 97.0), (81, 97.2), (80, 97.1))) == "slower at first"
    assert verdict(runs((90, 95.0), (91, 97.2), (90, 99.0))) == "does not care"  # as far as one can tell
    assert verdict(runs((90, 97.0), (91, 9.8), (90, 97.1))) == "stays at chance (1 of 3)"
    assert verdict(runs((90, 97.0), (91, 97.0), (90, 97.1), loss=float("nan"))) == "diverges (3 of 3)"
    assert verdict(runs((90, 90.0), (90, 90.0), (90, 90.0), loss=2.7)) == "diverges (3 of 3)"
    assert verdict(runs((10, 10.0), (10, 10.0), (10, 10.0), loss=2.31)) == "stays at chance (3 of 3)"
    mixed = runs((10, 10.0), (90, 90.0)) + runs((90, 90.0), loss=math.inf)
    assert verdict(mixed) == "diverges (1 of 3), stays at chance (1 of 3)"
    found = find("it", runs((90, 96.0), (91, 96.2), (90, 96.1)), WHOLE)
    assert found.change.mean == pytest.approx(-1)


def test_one_seed_gives_no_verdict():
    whole = runs((90, 97.0))
    assert find("it", runs((20, 50.0)), whole).verdict == "one seed says nothing"
    assert find("it", runs((10, 10.0)), whole).verdict == "stays at chance (1 of 1)"  # what was seen is told


def test_a_recipe_in_which_there_is_nothing_to_remove_is_refused(recipe):
    for changes, said in (
        ({"warm_up": 0.0}, "warm_up must be above 0"),
        ({"beta_max": 0.0}, "beta_max must be above 0"),
        ({"way": "decoupled", "beta_max": 1.0, "warm_up": 0.0}, "way must be one of clean, chained"),
    ):
        with pytest.raises(BadRequest, match=said):
            variants(recipe(**changes))


class Stopping:
    """Stops an ablation when so many epochs have been trained."""

    def __init__(self, most):
        self.left, self.seen = most, []

    def epoch(self, what, epoch):
        self.seen.append((what, epoch.number))
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_an_ablation_goes_on_where_it_was_stopped(digits, recipe, tmp_path):
    path, small = tmp_path / "runs" / "record.json", recipe(widths=(6,), seeds=2)
    first, second = Stopping(7), Stopping(math.inf)
    with pytest.raises(KeyboardInterrupt):
        ablate(small, digits, first, open_record(path, small))
    kept = json.loads(path.read_text())["trials"]
    assert [(one["variant"], one["seed"]) for one in kept] == [(name, 0) for name in [*variants(small)][:3]]
    findings = ablate(small, digits, second, open_record(path, small))
    assert [what for what, _ in second.seen] == [
        f"seed {seed}  {name}" for seed in (0, 1) for name in variants(small) for _ in (1, 2)
    ][6:]
    whole = ablate(small, digits, Stopping(math.inf), open_record(tmp_path / "whole.json", small))
    assert findings == whole
    assert ablate(small, digits, Stopping(1), open_record(path, small)) == whole  # nothing is trained again


def test_records_that_do_not_fit(recipe, tmp_path):
    path, small = tmp_path / "record.json", recipe()
    record = open_record(path, small)
    epochs = [NetworkEpoch(1, 0.0, 2.0, 20.0, 1.0), NetworkEpoch(2, 0.0, math.nan, 10.0, 1.0)]
    record.add(AblationTrial("without bounds", 0, epochs))
    assert "NaN" not in path.read_text()
    record.close()
    again = open_record(path, recipe(seed=5, seeds=9))  # other seeds are no other recipe
    (read,) = again.trials
    again.close()
    assert read.epochs[0] == epochs[0] and math.isnan(read.epochs[1].loss)
    text = path.read_text()
    with pytest.raises(BadRequest, match=r"record.json is of another recipe: choose another --out"):
        open_record(path, recipe(batch=16))
    for broken in ("{}", text[:-20], text.replace('"seed"', '"need"'), text + "]"):
        path.write_text(broken)
        with pytest.raises(BadRequest, match="is not a record of an ablation of graders"):
            open_record(path, small)
    (tmp_path / "way").write_text("a file in the way")
    with pytest.raises(BadRequest, match=re.escape(f"cannot write {tmp_path / 'way' / 'it.json'}")):
        open_record(tmp_path / "way" / "it.json", small)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accuracy": math.nan}, "accuracy must be"),
        ({"accuracy": None}, "accuracy must be"),
        ({"accuracy": "97"}, "accuracy must be"),
        ({"accuracy": 101.0}, "accuracy must be"),
        ({"loss": "small"}, "loss must be"),
        ({"loss": []}, "loss must be"),
        ({"loss": -1}, "loss must be"),
        ({"step_ms": math.inf}, "step_ms must be"),
        ({"beta": None}, "beta must be"),
        ({"number": 1.5}, "epoch must be"),
    ],
)
def test_a_record_with_values_that_no_epoch_has_is_one_line(recipe, tmp_path, change, said):
    small, path = recipe(), tmp_path / "record.json"
    record = open_record(path, small)
    record.add(AblationTrial("clean", 0, runs((90, 97.0))[0]))
    record.close()
    content = json.loads(path.read_text())
    content["trials"][0]["epochs"][1] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(BadRequest, match=f"is not a record of an ablation of graders: .*{said}"):
        open_record(path, small)


def test_an_epoch_whose_loss_was_not_finite_is_read_again(recipe, tmp_path):
    small, path = recipe(), tmp_path / "record.json"
    record = open_record(path, small)
    record.add(AblationTrial("clean", 0, runs((90, 10.0), loss=math.inf)[0]))
    record.close()
    [trial] = open_record(path, small).trials
    assert math.isnan(trial.epochs[1].loss)

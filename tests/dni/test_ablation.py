from petri.dni.ablation import find, variants
from petri.dni.trainer import Epoch


def runs(*pairs, loss=0.1):
    return [[Epoch(1, 0.0, 1.0, first, 1.0), Epoch(2, 0.8, loss, last, 1.0)] for first, last in pairs]


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
    assert verdict(runs((90, 97.0), (91, 9.8), (90, 97.1))) == "diverges (1 of 3)"
    assert verdict(runs((90, 97.0), (91, 97.0), (90, 97.1), loss=float("nan"))) == "diverges (3 of 3)"
    found = find("it", runs((90, 96.0), (91, 96.2), (90, 96.1)), WHOLE)
    assert (found.change.mean, found.diverged) == (-1.0, 0) or abs(found.change.mean + 1) < 1e-9

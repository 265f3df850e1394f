"""The comparison, on few images and with automata that are hardly trained."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from petri.errors import BadRequest
from petri.record import Record
from petri.repair import comparing, methods, networks, plan, summary
from petri.repair.asked import Asked
from petri.repair.cases import Case, Figure, restore
from petri.repair.detect import Found
from petri.repair.experiment import Experiment
from petri.repair.networks import Making
from petri.repair.variants import VARIANTS

KRIGED = "kriging + recalibration"


def made(width, epochs, seed, layer):
    return Making(None if layer in networks.CONVOLUTIONAL else width, epochs, seed)


@pytest.fixture
def compare(monkeypatch, tmp_path, few_images):
    """Run a small comparison in one folder; the cases, and what was said."""
    monkeypatch.setattr(
        plan,
        "judged",
        lambda data="mnist", layer="first": [made(12, 2, 1000, layer), made(8, 2, 1001, layer)],
    )
    monkeypatch.setattr(
        plan, "zoo", lambda count, data, layer: [made(8, 1, seed, layer) for seed in range(count)]
    )
    for name, variant in VARIANTS.items():
        monkeypatch.setitem(
            VARIANTS, name, replace(variant, epochs=2, batch=min(variant.batch, 4), steps=(2, 3))
        )

    def run(**asked):
        said = []
        asked = Asked(**{"zoo": 2, "masks": 2, "rates": (0.9,), "variants": ("functional",), **asked})
        experiment = Experiment(tmp_path / "out", asked, lambda name: few_images, said.append)
        record = Record(tmp_path / f"out/{asked.title}.json", {"zoo": 2}, restore, kind="a comparison")
        try:
            if ahead := comparing.ahead(experiment, record):
                said.append(ahead)
            return comparing.run(experiment, record), said
        finally:
            record.close()

    return run


def test_every_method_meets_the_same_masks_and_a_second_run_has_nothing_to_do(compare):
    cases, said = compare()
    assert [case.place for case in cases] == [
        (f"mnist-{width}-2-{seed}", "random", 0.9, mask)
        for width, seed in ((12, 1000), (8, 1001))
        for mask in (0, 1)
    ]
    names = set(cases[0].figures)
    assert {"zero", "kriging", KRIGED, "functional", "functional + recalibration", "soft-impute"} < names
    assert all(set(case.figures) == names for case in cases)
    assert any("training the" in line or "training network" in line for line in said)
    again, said = compare()
    assert again == cases and said == []


def test_another_variant_adds_to_the_same_cases(compare):
    before, _ = compare()
    after, said = compare(variants=("functional", "matrix"))
    assert [line for line in said if line.startswith("training network")] == []
    for old, new in zip(before, after, strict=True):
        assert {name: new.figures[name] for name in old.figures} == old.figures
        assert set(new.figures) - set(old.figures) == {"matrix", "matrix + recalibration"}


@pytest.mark.parametrize(
    "kind", ["rows", "columns", "blocks", "adversarial", "permuted", "shuffled", "flips"]
)
def test_other_damage(compare, kind):
    cases, _ = compare(kinds=(kind,), variants=(), masks=1, rates=(0.9,))
    assert len(cases) == 2
    assert all(0 <= figure.accuracy <= 100 for case in cases for figure in case.figures.values())


def test_flipped_bits_are_found_first(compare):
    cases, _ = compare(kinds=("flips",), variants=(), masks=1, rates=(0.02,))
    assert all(set(case.found) == {"kriging"} and "left as it is" in case.figures for case in cases)
    again, said = compare(kinds=("flips",), variants=(), masks=1, rates=(0.02,))
    lines = json.loads(json.dumps(summary.to_fields(summary.lines(cases)), allow_nan=False))
    assert [line["explained"] for line in lines if line["method"] == "left as it is"] == [None]
    assert said == [] and [case.found for case in again] == [case.found for case in cases]
    (said,) = summary.detection(cases)
    assert said.startswith("2 % of the weights with a flipped bit, found by kriging: of the suspects ")


def test_automata_find_flipped_bits_too(compare):
    before, _ = compare(kinds=("flips",), variants=(), masks=1, rates=(0.02,))
    cases, _ = compare(kinds=("flips",), variants=("units",), masks=1, rates=(0.02,))
    assert [set(case.found) for case in cases] == [{"kriging", "units"}] * 2
    assert [case.found["kriging"] for case in cases] == [case.found["kriging"] for case in before]
    kriging, units = summary.detection(cases)
    assert "found by kriging" in kriging and "found by units" in units


def test_records_of_earlier_versions_are_read():
    one = {"precision": 0.5, "recall": None, "felt": 1.0}
    fields = {"network": "a", "kind": "flips", "rate": 0.1, "mask": 0, "whole": 97.0, "figures": {}}
    assert set(restore({**fields, "found": one}).found) == {"kriging"}
    assert restore({**fields, "found": None}).found == {} == restore(dict(fields)).found


@pytest.mark.parametrize("layer", ["second", "conv1", "conv2", "linear"])
def test_other_layers(compare, layer):
    kinds = ("random", "flips") if layer == "conv2" else ("random",)
    cases, _ = compare(layer=layer, variants=None, masks=1, rates=(0.9,), kinds=kinds)
    names = set(cases[0].figures)
    assert {"zero", "soft-impute", "matrix", "kriging, the zoo's covariance + recalibration"} < names
    assert ("kriging" in names) == ("units" in names) == (layer != "second")
    assert "thumbnails" not in names and "guided" not in names
    assert ("divergence" in names) == (layer == "conv1")
    assert all(0 <= figure.accuracy <= 100 for case in cases for figure in case.figures.values())
    lines = summary.lines(cases)
    assert {line.bar for line in lines} == {"zero + recalibration" if layer == "second" else KRIGED}


def test_controls_say_what_another_order_changes(compare):
    cases, _ = compare(kinds=("random", "permuted", "shuffled"), variants=("functional", "matrix"), masks=1)
    by = {(case.network, case.kind): case.figures for case in cases}
    for network in {case.network for case in cases}:
        one, other = by[network, "random"], by[network, "shuffled"]
        for name in ("zero", "kriging", "functional", "kriging, the zoo's templates"):
            assert one[name].explained == pytest.approx(other[name].explained, abs=1e-4)
        assert by[network, "permuted"]["zero"].explained == pytest.approx(one["zero"].explained, abs=0.05)
    functional, matrix = summary.controls(cases, ("functional", "matrix"))
    lines = {(line.kind, line.method): line.accuracy for line in summary.lines(cases)}
    for kind, gain in (("random", matrix.gain), ("permuted", matrix.permuted)):
        assert gain == pytest.approx(lines[kind, "matrix"] - lines[kind, "zero"])
    assert functional.shuffled < 2e-6 < matrix.shuffled
    assert summary.controls([case for case in cases if case.kind == "random"], ("matrix",)) == []


def test_what_is_ahead_is_said(compare, tmp_path):
    _, said = compare(variants=("units",), masks=1)
    assert said[0].startswith("to do: 4 networks, 1 automaton, 2 damaged networks; about ")
    _, said = compare(variants=("units",), masks=2)
    assert said[0].startswith("to do: 2 damaged networks; about ") and len(said) == 3
    assert said[1].startswith("case 2 of 4: ") and "left" in said[2]
    assert compare(variants=("units",), masks=2)[1] == []
    _, said = compare(variants=("units", "matrix"), masks=2)  # which the same cases have not met
    assert said[0].startswith("to do: 1 automaton, 4 damaged networks; about ")


def test_the_best_for_their_bytes(compare):
    cases, _ = compare(masks=1)
    lines = summary.lines(cases)
    best = summary.frontier(lines)
    assert best[0].bytes == 0 and max(line.accuracy for line in lines) == best[-1].accuracy
    for line in lines:
        assert any(one.bytes <= line.bytes and one.accuracy >= line.accuracy for one in best)
    assert all(one.bytes < two.bytes and one.accuracy < two.accuracy for one, two in pairwise(best))


def test_an_undamaged_network_says_the_same_of_permuted_pixels(compare):
    random, _ = compare(variants=(), masks=1, rates=(0.9,))
    permuted, _ = compare(kinds=("permuted",), variants=(), masks=1, rates=(0.9,))
    assert [case.whole for case in random] == [case.whole for case in permuted]


def test_bytes_are_counted(compare):
    cases, _ = compare()
    figures = cases[0].figures  # of 12 units
    assert figures["zero"].bytes == figures["kriging"].bytes == 0
    assert figures[KRIGED].bytes == 8 * 12
    assert figures["thumbnails"].bytes == methods.ROOM
    assert figures["functional"].bytes == 4 * VARIANTS["functional"].spec.parameters
    assert figures["kriging, the zoo's covariance"].bytes == 4 * (784 + 784 * 785 // 2)


def test_lines_and_verdicts(compare):
    cases, _ = compare()
    found = {line.method: line for line in summary.lines(cases)}
    right = [case.figures["zero"].accuracy for case in cases]
    assert found["zero"].accuracy == pytest.approx(sum(right) / 4)
    assert (found["zero"].least, found["zero"].greatest) == (min(right), max(right))
    apart = [case.figures["zero"].accuracy - case.figures[KRIGED].accuracy for case in cases]
    assert found["zero"].against.mean == pytest.approx(sum(apart) / 4)
    assert found["zero"].against.better == sum(each > 0 for each in apart)
    assert found[KRIGED].against.mean == 0
    (said,) = summary.verdicts(list(found.values()), ("functional",))
    assert said.startswith("random, 90 % lost: the best automaton (functional") and "of 4 cases" in said
    assert len(summary.to_fields(list(found.values()))) == len(found)


def test_a_network_that_is_kept_is_trained_once_and_learns(tmp_path, few_images):
    said, making = [], Making(8, 20, 0)
    (one,) = networks.kept([making], tmp_path, lambda: few_images, said.append)
    (other,) = networks.kept([making], tmp_path, lambda: pytest.fail("it is there"), said.append)
    assert len(said) == 1 and all(
        (one.layers[name].weights == other.layers[name].weights).all() for name in one.layers
    )
    right = (one.outputs(few_images.test).argmax(1) == few_images.test_labels).float().mean()
    assert right > 0.5
    (tmp_path / "mnist-9-20-0.safetensors").write_bytes(
        (tmp_path / f"{making.name}.safetensors").read_bytes()
    )
    with pytest.raises(BadRequest, match="not a network of 9 hidden units"):
        networks.kept([Making(9, 20, 0)], tmp_path, lambda: few_images)


def test_networks_to_judge_by_are_none_of_the_zoo():
    seeds = {making.seed for making in plan.zoo(500)}
    assert not seeds & {making.seed for making in plan.judged()}
    assert len(plan.judged()) == 5 and len(plan.zoo()) == 50


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rates": (0.5, 1.0)}, "between 0 and 1"),
        ({"kinds": ("moths",)}, "the damage must be one of"),
        ({"variants": ("magic",)}, "each of the variants must be one of"),
        ({"data": "cats"}, "data must be one of"),
        ({"masks": 0}, "masks must be a whole number"),
        ({"layer": "third"}, "layer must be one of first, second, conv1, conv2, linear, got 'third'"),
        (
            {"layer": "second", "variants": ("units",)},
            "'units' cannot repair this layer: the weights of second",
        ),
        ({"layer": "conv1", "variants": ("guided",)}, "no class has a template among the units of conv1"),
        ({"layer": "linear", "variants": ("context",)}, "after linear there is none"),
        ({"layer": "conv2", "variants": ("functional",)}, "a unit of conv2 is 8 pictures"),
        ({"layer": "conv1", "kinds": ("permuted",)}, "only the first layer sees, got conv1"),
        ({"layer": "second", "kinds": ("shuffled",)}, "those of second are the classes"),
        ({"rates": (0.5, 0.5)}, "rates must be there, each once, got 0.5, 0.5"),
        ({"rates": ()}, "rates must be there, each once, got none"),
        ({"kinds": ()}, "kinds of damage must be there"),
    ],
)
def test_what_cannot_be_compared_is_refused(fields, said):
    with pytest.raises(BadRequest, match=said):
        Asked(**fields)


def test_an_automaton_is_judged_apart_on_the_network_that_it_learned_from():
    def case(network, right):
        figures = {"kriging + recalibration": Figure(80.0, 0.1, 0.5, 8)}
        figures |= {name: Figure(right, 0.1, 0.5, 4) for name in ("matrix", "matrix + recalibration")}
        return Case(network, "random", 0.9, 0, 97.0, figures, {"matrix": Found(0.5, right / 100, 1.0)})

    cases = [case("a", 90.0), case("b", 70.0), case("c", 60.0)]
    cases = summary.own_apart(cases, {"matrix": "a"})
    lines = {line.method: line for line in summary.lines(cases)}
    assert lines["matrix"].accuracy == 65.0 and lines["matrix"].against.cases == 2
    assert lines["matrix, its own network + recalibration"].accuracy == 90.0
    assert summary.verdicts(list(lines.values()), ["matrix"])[0].endswith("better in 0 of 2 cases)")
    assert [said.split(" of the flipped ")[1][:6] for said in summary.detection(cases)] == [
        "90.0 %",
        "65.0 %",
    ]
